"""Usage records reach the store, or are counted as lost."""

import asyncio
import contextlib
import dataclasses
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

import pytest

from gateway.core.errors import StoreError
from gateway.core.record import SERVED, UsageRecord
from gateway.tasks import Crew
from gateway.usage.batch import BatchWriter, Pace

RECORD = UsageRecord(
    at=120.0,
    key_id="key_1",
    account_id="acc_1",
    secret_id="000000000001",
    route="dns",
    method="GET",
    path="/v1/dns/zones",
    status=200,
    outcome=SERVED,
    bytes_in=0,
    bytes_out=12,
    duration_seconds=0.01,
    address="192.0.2.1",
    request_id="r",
)
QUICK = Pace(interval_seconds=0.005)


def _numbered(number: int) -> UsageRecord:
    return dataclasses.replace(RECORD, request_id=str(number))


def _refused(at: float, outcome: str) -> UsageRecord:
    return dataclasses.replace(RECORD, at=at, key_id=None, status=401, outcome=outcome)


class Shelf:
    """A UsageStore in memory that can be away, hang, or lose its answer after it has written."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, int], UsageRecord] = {}
        self.counts: Counter[tuple[int, str]] = Counter()
        self.writes = 0
        self.asked = 0
        self.is_away = False
        self.loses_next_answer = False
        self.hangs = False
        self.while_counting: Callable[[], None] = lambda: None

    async def write(self, worker: str, first_sequence: int, records: Sequence[UsageRecord]) -> None:
        await self._answer("write")
        self.writes += 1
        for number, record in enumerate(records, first_sequence):
            self.rows.setdefault((worker, number), record)
        if self.loses_next_answer:
            self.loses_next_answer = False
            raise StoreError("sql", "write", "connection lost")

    async def count_refused(self, worker: str, counts: Mapping[tuple[int, str], int]) -> None:
        await self._answer("count")
        self.counts.update(counts)
        self.while_counting()

    async def _answer(self, operation: str) -> None:
        await asyncio.sleep(0)
        self.asked += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.is_away:
            raise StoreError("sql", operation, "away")

    def request_ids(self) -> list[str]:
        return [record.request_id for _, record in sorted(self.rows.items())]


@pytest.fixture
def shelf() -> Shelf:
    """A store that works."""
    return Shelf()


@pytest.fixture
def lost() -> list[int]:
    """What was counted as lost, in the order of counting."""
    return []


async def _until(is_so: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not is_so():  # noqa: ASYNC110 -- what is waited for has no event of its own
            await asyncio.sleep(0.001)


async def _until_written(writer: BatchWriter) -> None:
    await _until(lambda: not writer.waiting)


@contextlib.asynccontextmanager
async def _running(writer: BatchWriter) -> AsyncIterator[None]:
    async with Crew() as crew:
        _ = crew.start("usage", writer.run())
        yield


async def test_records_are_written_in_order_and_once(shelf: Shelf, lost: list[int]) -> None:
    """What the proxy records is in the store shortly after, numbered without gaps."""
    writer = BatchWriter(shelf, "w1", on_lost=lost.append, pace=QUICK)
    async with _running(writer):
        for number in range(5):
            writer.record(_numbered(number))
        await _until_written(writer)

    assert list(shelf.rows) == [("w1", number) for number in range(5)]
    assert shelf.request_ids() == ["0", "1", "2", "3", "4"]
    assert lost == []


async def test_a_full_batch_does_not_wait_for_the_interval(shelf: Shelf, lost: list[int]) -> None:
    """Under load the queue is emptied by size, long before the next tick."""
    pace = Pace(batch_max=3, interval_seconds=3600)
    writer = BatchWriter(shelf, "w1", on_lost=lost.append, pace=pace)
    async with _running(writer):
        for number in range(7):
            writer.record(_numbered(number))
        await _until_written(writer)

    assert shelf.writes == 3


async def test_a_lost_answer_stores_nothing_twice(shelf: Shelf, lost: list[int]) -> None:
    """A batch that was written although the answer got lost is repeated under the same numbers."""
    shelf.loses_next_answer = True
    writer = BatchWriter(shelf, "w1", on_lost=lost.append, pace=QUICK)
    async with _running(writer):
        writer.record(_numbered(0))
        await _until_written(writer)
        writer.record(_numbered(1))
        await _until_written(writer)

    assert shelf.request_ids() == ["0", "1"]
    assert shelf.writes == 3


async def test_an_outage_is_waited_out_and_told(shelf: Shelf, lost: list[int]) -> None:
    """While the store is away records wait, and each change is told once."""
    shelf.is_away = True
    told: list[tuple[str, bool]] = []
    writer = BatchWriter(
        shelf, "w1", on_lost=lost.append, on_health=lambda *news: told.append(news), pace=QUICK
    )
    async with _running(writer):
        writer.record(RECORD)
        await _until(lambda: shelf.asked > 2)
        shelf.is_away = False
        await _until_written(writer)
        await _until(lambda: len(told) == 2)

    assert told == [("sql", True), ("sql", False)]
    assert len(shelf.rows) == 1
    assert lost == []


async def test_a_hanging_store_is_cut_off(shelf: Shelf, lost: list[int]) -> None:
    """A store that never answers counts as away once the deadline is over."""
    shelf.hangs = True
    told = asyncio.Event()
    writer = BatchWriter(
        shelf,
        "w1",
        on_lost=lost.append,
        on_health=lambda _store, _is_away: told.set(),
        pace=Pace(interval_seconds=0.005, deadline_seconds=0.01),
    )
    async with _running(writer):
        writer.record(RECORD)
        async with asyncio.timeout(10):
            await told.wait()

    assert writer.waiting == 1


async def test_a_full_queue_drops_the_oldest_and_counts_it(shelf: Shelf, lost: list[int]) -> None:
    """Memory is bounded during an outage; what that costs is known to the record."""
    writer = BatchWriter(shelf, "w1", on_lost=lost.append, pace=Pace(queue_max=3, batch_max=2))
    for number in range(5):
        writer.record(_numbered(number))
    await writer.drain()

    assert sum(lost) == 2
    assert shelf.request_ids() == ["2", "3", "4"]


async def test_refusals_without_a_key_are_summed_up(shelf: Shelf, lost: list[int]) -> None:
    """A flood of unauthenticated requests costs one number a minute and outcome, and no row."""
    writer = BatchWriter(shelf, "w1", on_lost=lost.append)
    for at, outcome in [
        (60, "missing_key"),
        (119.9, "missing_key"),
        (120, "missing_key"),
        (120, "unknown_key"),
    ]:
        writer.record(_refused(at, outcome))
    await writer.drain()

    assert shelf.counts == {(1, "missing_key"): 2, (2, "missing_key"): 1, (2, "unknown_key"): 1}
    assert not shelf.rows


async def test_sums_survive_an_outage(shelf: Shelf, lost: list[int]) -> None:
    """Refusals counted while the store is away are added to those that come later."""
    shelf.is_away = True
    writer = BatchWriter(shelf, "w1", on_lost=lost.append, pace=QUICK)
    async with _running(writer):
        writer.record(_refused(60, "missing_key"))
        await _until(lambda: shelf.asked)
        writer.record(_refused(60, "missing_key"))
        shelf.is_away = False
        await _until_written(writer)

    assert shelf.counts == {(1, "missing_key"): 2}


async def test_refusals_that_come_during_a_write_are_kept(shelf: Shelf, lost: list[int]) -> None:
    """What is summed up while the sums are on their way is not taken for written."""
    writer = BatchWriter(shelf, "w1", on_lost=lost.append)

    def one_more() -> None:
        shelf.while_counting = lambda: None
        writer.record(_refused(60, "missing_key"))

    shelf.while_counting = one_more
    writer.record(_refused(60, "missing_key"))
    await writer.drain()

    assert shelf.counts == {(1, "missing_key"): 2}


async def test_what_cannot_be_drained_is_counted(shelf: Shelf, lost: list[int]) -> None:
    """A shutdown during an outage ends in time and says how much it lost."""
    shelf.is_away = True
    writer = BatchWriter(shelf, "w1", on_lost=lost.append)
    writer.record(RECORD)
    writer.record(_refused(60, "missing_key"))

    assert await writer.drain(deadline_seconds=0.01) == 2
    assert lost == [2]
    assert writer.waiting == 0


async def test_a_batch_cut_off_by_the_shutdown_is_drained(shelf: Shelf, lost: list[int]) -> None:
    """Cancelling the loop in the middle of a write loses nothing and stores nothing twice."""
    shelf.hangs = True
    writer = BatchWriter(
        shelf, "w1", on_lost=lost.append, pace=Pace(batch_max=1, interval_seconds=0.001)
    )
    async with _running(writer):
        writer.record(_numbered(0))
        writer.record(_numbered(1))
        await _until(lambda: shelf.asked)
    shelf.hangs = False
    await writer.drain()

    assert shelf.request_ids() == ["0", "1"]
    assert list(shelf.rows) == [("w1", 0), ("w1", 1)]
