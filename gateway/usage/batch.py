"""Usage records on their way into SQL: a bounded queue, written in batches (design §8).

What is in the queue when the process is killed is lost. What is dropped because the queue is full is
the oldest, and it is counted. A batch is numbered before it is first written and keeps its number, so
that writing it again after an outage (or after an answer that got lost) stores nothing twice.
"""

__all__ = ["BatchWriter", "Pace"]

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog

from gateway.core.errors import StoreError, StoreName
from gateway.core.record import UsageRecord
from gateway.ports import UsageStore

log = structlog.get_logger(__name__)

# Distinct (minute, outcome) pairs: six hours of an outage, with every outcome there is in each minute.
REFUSED_ROWS_MAX = 12_000

FIRST_RETRY_SECONDS = 0.1
LAST_RETRY_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Pace:
    """How much may wait, how much is written at once, how often, and how long one write may take."""

    queue_max: int = 100_000
    batch_max: int = 1000
    interval_seconds: float = 0.5
    deadline_seconds: float = 10.0


class BatchWriter:
    """The UsageSink that writes batches to a UsageStore.

    Refusals of callers without a proven key are summed up by minute and outcome, so that a flood of
    them costs neither queue nor rows.
    """

    def __init__(
        self,
        store: UsageStore,
        worker: str,
        *,
        on_lost: Callable[[int], None],
        on_health: Callable[[StoreName, bool], None] | None = None,
        pace: Pace | None = None,
    ) -> None:
        """`worker` must be new at each start, since the numbers of its records begin at 0.

        `on_lost` gets the number of records that could not be kept; `on_health` is told, as ("sql",
        is_away), when the store goes away and when it is back.
        """
        self._store = store
        self._worker = worker
        self._on_lost = on_lost
        self._on_health = on_health
        self._pace = pace or Pace()
        self._queue: deque[UsageRecord] = deque()
        self._batch: Sequence[UsageRecord] = ()
        self._next_sequence = 0
        self._refused: Counter[tuple[int, str]] = Counter()
        self._is_due = asyncio.Event()
        self._is_store_away = False

    @property
    def waiting(self) -> int:
        """How many records are not in the store yet."""
        return len(self._queue) + len(self._batch) + sum(self._refused.values())

    def record(self, record: UsageRecord) -> None:
        """Take the record: at once, whatever the store does."""
        if record.key_id is None:
            self._sum_up(record)
            return
        self._queue.append(record)
        if len(self._queue) + len(self._batch) > self._pace.queue_max:
            self._queue.popleft()
            self._on_lost(1)
        if len(self._queue) >= self._pace.batch_max:
            self._is_due.set()

    async def run(self) -> None:
        """Write what comes in, for as long as it is left to. Call `drain` after it was cancelled."""
        retry_seconds = FIRST_RETRY_SECONDS
        while True:
            await self._wait_until_due()
            try:
                await self._write_all()
            except StoreError as error:
                self._tell_health(error)
                await asyncio.sleep(retry_seconds)
                retry_seconds = min(LAST_RETRY_SECONDS, retry_seconds * 2)
            else:
                self._tell_health(None)
                retry_seconds = FIRST_RETRY_SECONDS

    async def drain(self, deadline_seconds: float = 5.0) -> int:
        """Write what is left; give up after `deadline_seconds`. Returns how many records that lost."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline_seconds):
                await self._write_until_done()
        lost = self.waiting
        if lost:
            self._on_lost(lost)
            log.error("usage_lost_at_shutdown", records=lost)
        self._queue.clear()
        self._batch = ()
        self._refused.clear()
        return lost

    def _sum_up(self, record: UsageRecord) -> None:
        row = (int(record.at // 60), record.outcome)
        if row not in self._refused and len(self._refused) >= REFUSED_ROWS_MAX:
            self._on_lost(1)
            return
        self._refused[row] += 1

    async def _wait_until_due(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._pace.interval_seconds):
                await self._is_due.wait()

    async def _write_until_done(self) -> None:
        while self.waiting:
            try:
                await self._write_all()
            except StoreError:
                await asyncio.sleep(FIRST_RETRY_SECONDS)

    async def _write_all(self) -> None:
        while self._batch or self._queue:
            await self._write_batch()
        self._is_due.clear()
        if self._refused:
            await self._write_refused()

    async def _write_batch(self) -> None:
        if not self._batch:
            size = min(self._pace.batch_max, len(self._queue))
            self._batch = [self._queue.popleft() for _ in range(size)]
        await self._in_time(
            "write usage", self._store.write(self._worker, self._next_sequence, self._batch)
        )
        self._next_sequence += len(self._batch)
        self._batch = ()

    async def _write_refused(self) -> None:
        """These are added up by the store, so a write whose answer got lost counts twice: never too few."""
        counts = self._refused.copy()
        await self._in_time("count refusals", self._store.count_refused(self._worker, counts))
        self._refused -= counts

    async def _in_time(self, operation: str, work: Awaitable[None]) -> None:
        try:
            async with asyncio.timeout(self._pace.deadline_seconds):
                await work
        except TimeoutError as error:
            raise StoreError("sql", operation, "deadline") from error

    def _tell_health(self, error: StoreError | None) -> None:
        is_away = error is not None
        if is_away == self._is_store_away:
            return
        self._is_store_away = is_away
        if is_away:
            log.warning("usage_waits_for_store", cause=str(error), records=self.waiting)
        else:
            log.info("usage_store_is_back")
        if self._on_health is not None:
            self._on_health("sql", is_away)
