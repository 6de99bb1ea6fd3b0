"""A limiter that says what it decided, for the metrics."""

__all__ = ["CountingLimiter"]

from collections.abc import Callable, Sequence

from gateway.core.limits import Bucket, Grant
from gateway.ports import Limiter


class CountingLimiter:
    """Implements the Limiter port on top of another one."""

    def __init__(self, inner: Limiter, count: Callable[[str, str], None]) -> None:
        """`count(policy, outcome)` hears of each limit's part in each decision: `allowed` or `limited`."""
        self._inner = inner
        self._count = count

    def take_nowait(self, buckets: Sequence[Bucket], cost: int) -> Grant | None:
        """As the inner one."""
        grant = self._inner.take_nowait(buckets, cost)
        if grant is not None:
            self._tell(grant)
        return grant

    async def take(self, buckets: Sequence[Bucket], cost: int) -> Grant:
        """As the inner one."""
        grant = await self._inner.take(buckets, cost)
        self._tell(grant)
        return grant

    def _tell(self, grant: Grant) -> None:
        for state in grant.states:
            name = state.limit.name
            self._count(name, "limited" if name in grant.violated else "allowed")
