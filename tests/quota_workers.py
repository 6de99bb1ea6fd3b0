"""Workers that share a quota, in one process and in time that passes only when a test lets it."""

__all__ = ["ACCOUNT", "Shop", "Worker"]

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from gateway.core.meters import Meters
from gateway.core.quota import Month, Quota, Ruling, month_at
from gateway.stores.quota_desk import QuotaDesk
from tests.quota_stores import MemoryPots, MemorySetter, PotRoom, TimedLoop, Timekeeper

ACCOUNT = "acc_1"
_TRIES = 4
_T = TypeVar("_T")


class Worker:
    """One process: its meter, and the desk where that is filled."""

    def __init__(self, shop: "Shop", name: str, quota: Quota) -> None:
        """It runs at once."""
        self._shop = shop
        meters = Meters()
        self.desk = QuotaDesk(
            meters, MemoryPots(shop.room, name), shop.setter, shop.clock, lambda: shop.size
        )
        self.meters = meters
        self.meter = meters.of(ACCOUNT, quota)
        self.under_way = 0
        self.task = shop.loop.create_task(self.desk.run())

    async def request(self, *, is_critical: bool = False) -> bool:
        """One request, as admission judges it; whether it is let through."""
        for _ in range(_TRIES):
            ruling = self.meter.judge(self._shop.clock.monotonic(), is_critical=is_critical)
            if ruling is not Ruling.ASK:
                self.under_way += ruling is Ruling.SERVE
                return ruling is Ruling.SERVE
            await self.desk.fill(self.meter)
        raise AssertionError("a store is asked again and again")

    def end(self, size: int = 0, *, is_counted: bool = True) -> None:
        """One of those that were let through has ended."""
        self.under_way -= 1
        self.meter.ended(size, is_counted=is_counted)


class Shop:
    """Stores and workers; `close` it."""

    def __init__(self, quota: Quota, workers: int, now: float) -> None:
        """`now` is the time of day."""
        self.loop = TimedLoop()
        self.clock = Timekeeper(self.loop, now)
        self.room = PotRoom(self.clock)
        self.setter = MemorySetter()
        self.size = workers
        self._quota = quota
        self._started = 0
        self.workers = [self._started_one() for _ in range(workers)]

    @property
    def month(self) -> Month:
        """That of the clock."""
        return month_at(int(self.clock.now() * 1e6))

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Until it is done."""
        return self.loop.run_until_complete(work)

    def passes(self, seconds: float) -> None:
        """So much time, in which workers do what they do beside requests."""
        self.run(asyncio.sleep(seconds))

    def ask(self, number: int, times: int = 1, *, is_critical: bool = False) -> int:
        """So many requests at once to one worker; how many are let through."""

        async def all_at_once() -> int:
            one = self.workers[number]
            found = await asyncio.gather(
                *(one.request(is_critical=is_critical) for _ in range(times))
            )
            return sum(found)

        return self.run(all_at_once())

    def serve(self, number: int, times: int = 1, size: int = 0) -> int:
        """As `ask`, one after the other, and each has an answer of this size before the next comes."""
        served = 0
        for _ in range(times):
            if self.ask(number):
                served += 1
                self.workers[number].end(size)
        return served

    def kill(self, number: int) -> None:
        """Another takes its place, which knows nothing."""
        self._end(self.workers[number])
        self.workers[number] = self._started_one()

    def used(self, month: Month | None = None) -> int:
        """As `keywright quota show` tells it."""
        return self.room.used(ACCOUNT, month or self.month)

    def close(self) -> None:
        """All workers end."""
        for one in self.workers:
            self._end(one)
        self.loop.close()

    def _started_one(self) -> Worker:
        self._started += 1
        return Worker(self, f"w_{self._started}", self._quota)

    def _end(self, worker: Worker) -> None:
        worker.task.cancel()
        self.run(asyncio.wait([worker.task]))
