"""What one exact limit costs on the gateway's side: processor time of a take, private Valkey, uvloop.

make bench-take
"""

__all__: list[str] = []

import asyncio
import itertools
import tempfile
import time
from pathlib import Path

import uvloop

from gateway.clock import SystemClock
from gateway.core.limits import Bucket, Limit
from gateway.stores.guarded import GuardedLimiter
from gateway.stores.limiter import RedisLimiter
from gateway.stores.redis_client import RedisStore
from gateway.stores.valkey import PrivateValkey

TAKES = 20_000
LIMIT = Limit("default", 10**9, 60)


async def microseconds(limiter: GuardedLimiter, buckets: int, callers: int) -> float:
    """Processor time of one take by this process, with `callers` asking at once."""
    names = itertools.cycle([(Bucket(f"{{acc}}:default:{n}", LIMIT),) for n in range(buckets)])

    async def ask(takes: int) -> None:
        for _ in range(takes):
            await limiter.take(next(names), 1)

    await asyncio.gather(*(ask(200 // callers) for _ in range(callers)))
    began = time.process_time()
    await asyncio.gather(*(ask(TAKES // callers) for _ in range(callers)))
    return (time.process_time() - began) / TAKES * 1e6


async def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory(prefix="kw-") as folder:
        async with (
            PrivateValkey(Path(folder)) as valkey,
            RedisStore.open(valkey.url, deadline_seconds=1.0) as store,
        ):
            await store.check()
            limiter = GuardedLimiter(RedisLimiter(store), SystemClock(), lambda: 1)
            for buckets in (1, 10_000):
                figures = [await microseconds(limiter, buckets, n) for n in (1, 8, 32)]
                told = "  ".join(f"{figure:5.1f} us" for figure in figures)
                print(f"{buckets:6d} buckets, 1 / 8 / 32 callers: {told}")


if __name__ == "__main__":
    uvloop.run(main())
