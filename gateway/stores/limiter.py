"""Exact token buckets in Redis: one script decides for all workers, on Redis's clock (design §5).

The answer to an outage is not here but in `guarded`, which is what admission gets.
"""

__all__ = ["RedisLimiter"]

from collections.abc import Sequence
from typing import Final

from gateway.core.errors import StoreError
from gateway.core.limits import Bucket, BucketLevel, Grant, spend
from gateway.stores.redis_client import PREFIX, RedisStore, Script, Word

_BUCKETS: Final = PREFIX + "bucket:"
_SCRIPT: Final = Script.beside(__file__, "bucket.lua")


class RedisLimiter:
    """Takes from buckets that the whole cluster shares; every take is one round trip."""

    def __init__(self, store: RedisStore) -> None:
        """`store` is open."""
        self._store = store

    async def take(
        self,
        buckets: Sequence[Bucket],
        cost: int,
        *,
        known: Sequence[BucketLevel | None] = (),
        debts: Sequence[int] = (),
    ) -> tuple[tuple[BucketLevel, ...], Grant]:
        """Take `cost` tokens from every bucket or from none; what is left in them, and the answer.

        `debts` are tokens that were let through without asking, spent first whatever the answer.
        `known` is what this worker last saw, for buckets that Redis has lost. Both run beside
        `buckets` and may be left out. Raises StoreError, after which the tokens may be taken.
        """
        keys = [_BUCKETS + bucket.name for bucket in buckets]
        words: list[Word] = [cost]
        for index, (_, limit) in enumerate(buckets):
            # More than twice the quota changes nothing, and stays small enough for Lua's numbers.
            debt = min(debts[index], 2 * limit.quota) if debts else 0
            seen = known[index] if known else None
            words += (limit.quota, limit.window_seconds, debt, *(seen or ("", "")))
        reply = await self._store.run("take", _SCRIPT, keys, words)
        try:
            now_us, *pairs = reply
            held = [*map(BucketLevel, pairs[::2], pairs[1::2])]
            return spend(held, [bucket.limit for bucket in buckets], cost, now_us)
        except (TypeError, ValueError) as exc:
            raise StoreError("redis", "take", "unreadable reply") from exc
