"""The answer to a request that was answered before: the same again, for ten minutes."""

__all__ = ["Earlier", "Repeats"]

from dataclasses import dataclass, field

from admin.core.caller import Caller
from admin.core.faults import Conflict, Reused
from admin.services.sealing import Sealer
from admin.stores.idempotency import Claimed, IdempotencyStore


@dataclass(frozen=True, slots=True)
class Earlier:
    """What the first request made, and the secret that its answer held."""

    target_id: str
    secret: str | None = field(repr=False)


class Repeats:
    """To be asked when a transaction's `claim` raised Repeated."""

    def __init__(self, store: IdempotencyStore, sealer: Sealer) -> None:
        """`sealer` encrypts the secrets on their way into `store`."""
        self._store = store
        self._sealer = sealer

    def sealed(self, caller: Caller, secret: str) -> bytes | None:
        """What `claim` is to keep of a new secret; None for a request that nobody can repeat."""
        return None if caller.idempotency is None else self._sealer.seal(_context(caller), secret)

    async def earlier(self, caller: Caller, now: float) -> Earlier:
        """What was made the first time; `now` is that of the transaction.

        Raises Reused when the key belongs to another request, Conflict, StoreError.
        """
        wanted = caller.idempotency
        found = None if wanted is None else await self._store.find(caller.id, wanted.key, now)
        if wanted is None or found is None:
            raise Conflict(
                "The answer to this Idempotency-Key is not kept any more. Use a new one."
            )
        if found.fingerprint != wanted.fingerprint:
            raise Reused(
                "This Idempotency-Key was used for another request. Use a new one for each request."
            )
        return Earlier(found.target_id, self._opened(caller, found))

    async def taken(self, caller: Caller, now: float) -> Earlier | None:
        """The secret that the caller's request with this Idempotency-Key made, for the last time; None if it was
        told so before, if there is none, or after ten minutes. Raises StoreError.
        """
        wanted = caller.idempotency
        found = None if wanted is None else await self._store.take(caller.id, wanted.key, now)
        if found is None:
            return None
        return Earlier(found.target_id, self._opened(caller, found))

    def _opened(self, caller: Caller, found: Claimed) -> str | None:
        return None if found.sealed is None else self._sealer.open(_context(caller), found.sealed)


def _context(caller: Caller) -> str:
    key = "" if caller.idempotency is None else caller.idempotency.key
    # The length keeps the two apart, whatever they hold.
    return f"{len(caller.id)}:{caller.id}{key}"
