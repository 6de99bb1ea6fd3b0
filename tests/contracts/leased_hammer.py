"""One worker that draws on a shared bucket, borrowing ahead: `python -m tests.contracts.leased_hammer URL NAME FILE`.

Appends a line for each admission, `before after` in microseconds on the machine's monotonic clock, and goes on
until it is killed. Its pace changes at random, so that loans lie about, run out and are given back. Its limiter's
clock is a bad one: it runs too fast or too slow, and the time of day in it jumps by days.
"""

__all__: list[str] = []

import asyncio
import os
import random
import sys
import time

from gateway.core.leases import Tally
from gateway.core.limits import Bucket, Limit
from gateway.stores.guarded import GuardedLimiter
from gateway.stores.limiter import RedisLimiter
from gateway.stores.redis_client import RedisStore
from gateway.tasks import Crew

LIMIT = Limit("default", 400, 2)
_BUCKETS = (Bucket("{acc}:default:key_1", LIMIT),)
_CALLERS = 4


# A worker trusts in a loan for 1.5 s of its clock, and the store for 2 s of its own: a third is between.
_SPEEDS = (0.8, 1.25)


class _BadClock:
    """Implements the Clock port."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._speed = chance.uniform(*_SPEEDS)
        self._offset = chance.uniform(0, 1e6)

    def now(self) -> float:
        return self._chance.uniform(0, 4e9)

    def monotonic(self) -> float:
        return self._offset + time.monotonic() * self._speed


async def _hammer(url: str, name: str, file: str) -> None:
    target = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    chance = random.Random(name)
    async with RedisStore.open(url, deadline_seconds=5.0) as store, Crew() as crew:
        limiter = GuardedLimiter(
            RedisLimiter(store, name), _BadClock(chance), lambda: 1, leases=Tally()
        )
        _ = crew.start("limiter", limiter.run())

        async def call() -> None:
            pause = 0.0
            while True:
                if chance.random() < 0.02:
                    pause = chance.choice([0.0, 0.0, 0.002, 0.01, 0.3])
                before = time.monotonic_ns() // 1000
                grant = limiter.take_nowait(_BUCKETS, 1) or await limiter.take(_BUCKETS, 1)
                if grant.allowed:
                    after = time.monotonic_ns() // 1000
                    os.write(target, f"{before} {after}\n".encode())
                await asyncio.sleep(pause if grant.allowed else 0.005)

        await asyncio.gather(*(call() for _ in range(_CALLERS)))


if __name__ == "__main__":
    asyncio.run(_hammer(*sys.argv[1:4]))
