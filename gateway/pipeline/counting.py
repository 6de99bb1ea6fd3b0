"""Limiters around another one: one that says what was decided, and one that notes that it was asked."""

__all__ = ["CountingLimiter", "Lately", "NotingLimiter"]

import math
from collections.abc import Callable, Sequence
from typing import Final

from gateway.core.limits import Bucket, Grant
from gateway.ports import Clock, Limiter

_LATELY_SECONDS: Final = 600.0


class CountingLimiter:
    """Implements the Limiter port on top of another one."""

    def __init__(self, inner: Limiter, decided: Callable[[Grant], None]) -> None:
        """`decided` hears of each decision. Who asks for nothing only looks at what is left: that is none."""
        self._inner = inner
        self._decided = decided

    def take_nowait(self, buckets: Sequence[Bucket], cost: int) -> Grant | None:
        """As the inner one."""
        grant = self._inner.take_nowait(buckets, cost)
        if grant is not None and cost:
            self._decided(grant)
        return grant

    async def take(self, buckets: Sequence[Bucket], cost: int) -> Grant:
        """As the inner one."""
        grant = await self._inner.take(buckets, cost)
        if cost:
            self._decided(grant)
        return grant


class Lately:
    """Whether a process has taken tokens lately."""

    def __init__(self, clock: Clock) -> None:
        """It has not."""
        self._clock = clock
        self._taken_at = -math.inf

    def note(self) -> None:
        """It has taken some just now."""
        self._taken_at = self._clock.monotonic()

    def is_so(self) -> bool:
        """Whether it has within the last ten minutes."""
        return self._clock.monotonic() - self._taken_at <= _LATELY_SECONDS


class NotingLimiter:
    """Implements the Limiter port on top of another one, and notes when tokens are asked for."""

    def __init__(self, inner: Limiter, lately: Lately) -> None:
        """Everything is decided by `inner`."""
        self._inner = inner
        self._lately = lately

    def take_nowait(self, buckets: Sequence[Bucket], cost: int) -> Grant | None:
        """As the inner one."""
        self._note(buckets, cost)
        return self._inner.take_nowait(buckets, cost)

    async def take(self, buckets: Sequence[Bucket], cost: int) -> Grant:
        """As the inner one."""
        self._note(buckets, cost)
        return await self._inner.take(buckets, cost)

    def _note(self, buckets: Sequence[Bucket], cost: int) -> None:
        if buckets and cost:
            self._lately.note()
