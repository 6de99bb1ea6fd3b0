"""Who lives, and among whom the rate of an outage is shared."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable

from gateway.clock import SystemClock
from gateway.stores.redis_client import RedisStore
from gateway.stores.workers import WorkerRegistry
from gateway.tasks import Crew


@contextlib.asynccontextmanager
async def living(
    url: str, name: str, takes: Callable[[], bool] | None = None
) -> AsyncIterator[WorkerRegistry]:
    """A process that gives signs of life as long as the block."""
    async with RedisStore.open(url, deadline_seconds=1.0) as store:
        registry = WorkerRegistry(store, SystemClock(), name, takes=takes)
        async with Crew() as crew:
            _ = crew.start(name, registry.run())
            await registry.joined.wait()
            yield registry


async def becomes(registry: WorkerRegistry, count: int) -> bool:
    """Poll, with a deadline."""
    give_up_at = time.monotonic() + 15
    while registry.count() != count:
        assert time.monotonic() < give_up_at, registry.count()
        await asyncio.sleep(0.01)
    return True


async def test_who_takes_nothing_is_waited_for_and_has_no_share(
    valkey_url: str, redis_store: RedisStore
) -> None:
    """A control plane that nobody asks for tokens halves no worker's rate, but revocations wait for it."""
    async with living(valkey_url, "w") as worker, living(valkey_url, "c", lambda: False) as plane:
        live = await WorkerRegistry(redis_store, SystemClock(), "").live()

        assert set(live) == {"w", "c"}
        assert await becomes(worker, 1)
        assert plane.count() >= 1000


async def test_who_takes_has_its_share(valkey_url: str) -> None:
    """As soon as it takes tokens both know that there are two; the sum of the shares is the rate."""
    taking = asyncio.Event()
    async with living(valkey_url, "w") as worker, living(valkey_url, "c", taking.is_set) as plane:
        assert await becomes(worker, 1)
        taking.set()

        assert await becomes(worker, 2)
        assert await becomes(plane, 2)
        taking.clear()
        assert await becomes(plane, 1000)
        assert worker.count() == 2  # it may still have given some out
