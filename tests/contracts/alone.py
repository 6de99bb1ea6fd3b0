"""Asking the exact limiter without what gathers requests in front of it."""

__all__ = ["ask", "take", "take_each"]

import asyncio
from collections.abc import Sequence
from typing import TypeAlias

from gateway.core.errors import StoreError
from gateway.core.limits import Bucket, BucketLevel, Grant
from gateway.stores.limiter import RedisLimiter, Takes

Answer: TypeAlias = tuple[tuple[BucketLevel, ...], Sequence[Grant], Sequence[int]]


class _Asked:
    """Implements `limiter.Batch` for one caller who awaits it."""

    def __init__(self, buckets: Sequence[Bucket], takes: Takes) -> None:
        self.buckets = buckets
        self.answer: asyncio.Future[Answer]
        self.answer = asyncio.get_running_loop().create_future()
        self._takes = takes

    def depart(self) -> Takes:
        return self._takes

    def answered(
        self, left: tuple[BucketLevel, ...], grants: Sequence[Grant], lent: Sequence[int]
    ) -> None:
        self.answer.set_result((left, grants, lent))

    def failed(self) -> None:
        self.answer.set_exception(StoreError("redis", "take", "failed"))


async def ask(limiter: RedisLimiter, buckets: Sequence[Bucket], takes: Takes) -> Answer:
    """What is left, a grant for each cost, and what was lent of each bucket. Raises StoreError."""
    asked = _Asked(buckets, takes)
    limiter.ask(asked)
    return await asked.answer


async def take_each(
    limiter: RedisLimiter,
    buckets: Sequence[Bucket],
    costs: Sequence[int],
    *,
    known: Sequence[BucketLevel | None] = (),
    debts: Sequence[int] = (),
) -> tuple[tuple[BucketLevel, ...], Sequence[Grant]]:
    """What is left in the buckets after all of them, and a grant for each cost. Raises StoreError."""
    left, grants, _ = await ask(limiter, buckets, Takes(costs, known, debts))
    return left, grants


async def take(
    limiter: RedisLimiter,
    buckets: Sequence[Bucket],
    cost: int,
    *,
    known: Sequence[BucketLevel | None] = (),
    debts: Sequence[int] = (),
) -> tuple[tuple[BucketLevel, ...], Grant]:
    """As `take_each`, for one request."""
    left, (grant,) = await take_each(limiter, buckets, [cost], known=known, debts=debts)
    return left, grant
