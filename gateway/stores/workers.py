"""Which processes live: each has to enforce a revocation; those that take tokens share the rate in an outage."""

__all__ = ["WorkerRegistry"]

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from gateway.core.errors import StoreError
from gateway.ports import Clock
from gateway.stores.redis_client import PREFIX, RedisStore, Script

_BEAT_SECONDS: Final = 1.0
_LIVE_MS: Final = 5000
# After an outage of Redis the others are back only with their next beat; a smaller number is
# believed when it has lasted longer than that.
_BELIEF_SECONDS: Final = 10.0
_LIVE: Final = PREFIX + "workers"
_SHARERS: Final = PREFIX + "sharers"
# The share of one that nobody counts: as good as nothing, since the others give out all of the rate.
_UNCOUNTED: Final = 1000
_SCRIPT: Final = Script.beside(__file__, "workers.lua")


class WorkerRegistry:
    """This worker's sign of life once a second, and who else gave one within five."""

    def __init__(
        self,
        store: RedisStore,
        clock: Clock,
        worker: str,
        *,
        takes: Callable[[], bool] | None = None,
    ) -> None:
        """`worker` is this one's name, of its own in the cluster; empty for one that only asks.

        `takes` says whether it takes tokens at this time; None: always.
        """
        self._store = store
        self._clock = clock
        self._worker = worker
        self._takes = takes
        self._is_counted = takes is None
        self._counts: deque[tuple[float, int]] = deque()
        # Set from the first sign of life on: others can see this worker.
        self.joined = asyncio.Event()

    async def live(self) -> tuple[str, ...]:
        """The names of all live workers, this one among them from its first beat on. Raises StoreError."""
        return await self._look(_LIVE, "")

    def count(self) -> int:
        """Among how many the rate is to be shared, as last known; at least 1. Never waits: this is for an outage.

        One that has not taken tokens lately is not counted by the others, so its own share is next to nothing.
        """
        if not self._is_counted:
            return _UNCOUNTED
        return max((count for _, count in self._counts), default=1)

    async def run(self) -> None:
        """Give signs of life; for a Crew. When it ends this worker is taken off the list."""
        try:
            while True:
                await self._beat()
                await asyncio.sleep(_BEAT_SECONDS)
        finally:
            await self._leave()

    async def _beat(self) -> None:
        takes = self._takes is None or self._takes()
        try:
            _ = await self._look(_LIVE, self._worker)
            sharers = await self._look(_SHARERS, self._worker if takes else "")
        except StoreError:
            return  # what was last known stays known
        now = self._clock.monotonic()
        self._counts.append((now, max(1, len(sharers))))
        self._is_counted = takes
        self.joined.set()
        while self._counts[0][0] < now - _BELIEF_SECONDS:
            self._counts.popleft()

    async def _leave(self) -> None:
        try:
            for key in (_LIVE, _SHARERS):
                await self._store.write("leave", "ZREM", key, self._worker)
        except StoreError:
            return  # it is taken off after five seconds

    async def _look(self, key: str, worker: str) -> tuple[str, ...]:
        names = await self._store.run("workers", _SCRIPT, (key,), (worker, _LIVE_MS))
        return tuple(name.decode(errors="replace") for name in names)
