"""What the control plane does by itself, each minute: ends what is due, forgets what is over."""

__all__ = ["Housekeeping"]

from collections.abc import Awaitable, Callable

from admin.core.caller import system
from admin.services.keys import KeyService
from admin.services.rounds import go_round
from admin.stores.idempotency import IdempotencyStore
from admin.stores.keys import KeyStore
from gateway.ports import Clock

_AT_ONCE = 1000
_CALLER = system("housekeeping")


class Housekeeping:
    """May run on several nodes at once: what one has done, the others find done."""

    def __init__(
        self,
        keys: KeyService,
        store: KeyStore,
        repeats: IdempotencyStore,
        clock: Clock,
        interval_seconds: float = 60.0,
    ) -> None:
        """The stores are those that `keys` works on."""
        self._keys = keys
        self._store = store
        self._repeats = repeats
        self._clock = clock
        self._interval = interval_seconds
        self._others: list[Callable[[], Awaitable[None]]] = []

    def also(self, forget: Callable[[], Awaitable[None]]) -> None:
        """Let this be done, too; it may raise StoreError."""
        self._others.append(forget)

    async def run(self) -> None:
        """Do all of it, again and again, for as long as it is left to."""
        await go_round(self.once, self._interval, "housekeeping_waits_for_store")

    async def once(self) -> None:
        """Do all of it once. Raises StoreError when the database cannot answer."""
        while await self._keys.retire_unused(_CALLER, _AT_ONCE) == _AT_ONCE:
            pass
        await self._repeats.forget_old(self._clock.now())
        for forget in self._others:
            await forget()
        while await self._store.mark_lapsed(self._clock.now(), _AT_ONCE) == _AT_ONCE:
            pass
