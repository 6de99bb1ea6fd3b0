"""Which workers live: they share the rate in an outage, and each of them has to enforce a revocation."""

__all__ = ["WorkerRegistry"]

import asyncio
from collections import deque
from typing import Final

from gateway.core.errors import StoreError
from gateway.ports import Clock
from gateway.stores.redis_client import PREFIX, RedisStore, Script

_BEAT_SECONDS: Final = 1.0
_LIVE_MS: Final = 5000
# After an outage of Redis the others are back only with their next beat; a smaller number is
# believed when it has lasted longer than that.
_BELIEF_SECONDS: Final = 10.0
_KEY: Final = PREFIX + "workers"
_SCRIPT: Final = Script.beside(__file__, "workers.lua")


class WorkerRegistry:
    """This worker's sign of life once a second, and who else gave one within five."""

    def __init__(self, store: RedisStore, clock: Clock, worker: str) -> None:
        """`worker` is this one's name, of its own in the cluster; empty for one that only asks."""
        self._store = store
        self._clock = clock
        self._worker = worker
        self._counts: deque[tuple[float, int]] = deque()
        # Set from the first sign of life on: others can see this worker.
        self.joined = asyncio.Event()

    async def live(self) -> tuple[str, ...]:
        """The names of all live workers, this one among them from its first beat on. Raises StoreError."""
        return await self._look("")

    def count(self) -> int:
        """How many workers live, as last known; at least 1. Never waits: this is for an outage."""
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
        try:
            names = await self._look(self._worker)
        except StoreError:
            return  # what was last known stays known
        now = self._clock.monotonic()
        self._counts.append((now, max(1, len(names))))
        self.joined.set()
        while self._counts[0][0] < now - _BELIEF_SECONDS:
            self._counts.popleft()

    async def _leave(self) -> None:
        try:
            await self._store.write("leave", "ZREM", _KEY, self._worker)
        except StoreError:
            return  # it is taken off after five seconds

    async def _look(self, worker: str) -> tuple[str, ...]:
        names = await self._store.run("workers", _SCRIPT, (_KEY,), (worker, _LIVE_MS))
        return tuple(name.decode(errors="replace") for name in names)
