"""Pots as those see them who hold nothing: what is used, and changes of what is allowed on top."""

__all__ = ["QuotaView", "Seen"]

from typing import Final, NamedTuple

from gateway.core.errors import StoreError
from gateway.core.quota import Extra
from gateway.stores.quota_pots import pot_key
from gateway.stores.redis_client import RedisStore, Script

_SCRIPT: Final = Script.beside(__file__, "quota_raise.lua")
_WORKER: Final = b"w:"
_HELD: Final = 2


class Seen(NamedTuple):
    """What one account has used in a month, as Redis knows it; what workers hold is not used."""

    requests: int
    bytes: int


class QuotaView:
    """Reads pots."""

    def __init__(self, store: RedisStore) -> None:
        """`store` is open."""
        self._store = store

    async def seen(self, account_id: str, month: str) -> Seen | None:
        """What is used; None if Redis has no such pot. Raises StoreError."""
        flat = await self._store.read("quota", "HGETALL", pot_key(account_id, month))
        pot = dict(zip(flat[::2], flat[1::2], strict=True))
        if b"m" not in pot:
            return None
        try:
            held = sum(
                int(said.split()[_HELD]) for name, said in pot.items() if name.startswith(_WORKER)
            )
            return Seen(max(0, int(pot[b"t"]) - held), int(pot[b"b"]))
        except (KeyError, ValueError, IndexError):
            raise StoreError("redis", "quota", "unexpected reply") from None

    async def allow(self, account_id: str, month: str, extra: Extra) -> None:
        """This is allowed on top from now on. Raises StoreError."""
        _ = await self._store.run("quota", _SCRIPT, (pot_key(account_id, month),), extra)
