"""One process that takes from the shared bucket as fast as it can: `python -m tests.contracts.hammer URL SECONDS`.

Prints when it was admitted, in microseconds on Redis's clock, as a JSON list.
"""

__all__: list[str] = []

import asyncio
import json
import sys
import time

from gateway.core.limits import Bucket, Limit
from gateway.stores.limiter import RedisLimiter
from gateway.stores.redis_client import RedisStore
from tests.contracts.alone import take

_START_LINE = "{hammer}:start"
_CALLERS = 4
_PROCESSES = 3
_BUCKET = Bucket("{acc}:default:key_1", Limit("default", 1000, 60))


async def _hammer(url: str, seconds: float) -> list[int]:
    admitted: list[int] = []
    async with RedisStore.open(url, deadline_seconds=5.0) as store:
        limiter = RedisLimiter(store)
        # Nobody begins before all are there.
        await store.write("arrive", "INCR", _START_LINE)
        while int(await store.read("wait", "GET", _START_LINE)) < _PROCESSES:  # noqa: ASYNC110 -- other processes
            await asyncio.sleep(0.001)
        stop_at = time.monotonic() + seconds

        async def call() -> None:
            while time.monotonic() < stop_at:
                left, grant = await take(limiter, [_BUCKET], 1)
                if grant.allowed:
                    admitted.append(left[0].at_microseconds)
                else:
                    await asyncio.sleep(0.001)

        await asyncio.gather(*(call() for _ in range(_CALLERS)))
    return admitted


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(_hammer(sys.argv[1], float(sys.argv[2])))))
