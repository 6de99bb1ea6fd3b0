"""Everything in the journal reaches the store once; what cannot be read costs nothing but itself."""

import asyncio
import contextlib
import zlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.core.errors import StoreName
from gateway.core.journal import ENTRY_BYTES_MAX, encoded
from gateway.tasks import Crew
from gateway.usage.journal import Journal, Room
from gateway.usage.ledger import Ledger, Pace, Watch
from gateway.usage.segments import read_place, segment_numbers, segment_path
from tests.doubles import ManualClock
from tests.usage.shelf import Shelf, cut, numbered, refused, until

SMALL = Room(segment_bytes=16_384, interval_seconds=0.005)
QUICK = Pace(interval_seconds=0.005)
ENTRY = len(encoded(numbered(0), 0))


@dataclass
class Desk:
    """A journal's folder, a store, and what a ledger said of its work."""

    root: Path
    shelf: Shelf = field(default_factory=Shelf)
    clock: ManualClock = field(default_factory=ManualClock)
    lags: list[float] = field(default_factory=list)
    damaged: list[int] = field(default_factory=list)
    news: list[tuple[StoreName, bool]] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)

    def ledger(self, pace: Pace = QUICK) -> Ledger:
        def health(store: StoreName, is_away: bool) -> None:
            self.news.append((store, is_away))

        watch = Watch(self.lags.append, self.damaged.append, health)
        return Ledger(self.root, self.shelf, self.clock, watch, pace)

    def journal(self, worker: str = "w1", room: Room = SMALL) -> Journal:
        return Journal(self.root, worker, on_lost=self.lost.append, room=room)

    async def left(self, count: int, worker: str = "w1") -> None:
        """A dead worker's journal with that many records, over some segments."""
        journal = self.journal(worker)
        async with Crew() as crew:
            _ = crew.start("journal", journal.run())
            for number in range(count):
                await until(lambda: not journal.is_full)
                journal.record(numbered(number))
        journal.close()

    async def has(self, count: int) -> None:
        """Return once that many records are in the store."""
        await until(lambda: len(self.shelf.rows) == count)

    async def drained(self) -> bool:
        """A ledger has had its time."""
        return await self.ledger().drain(10)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Nobody has written anything."""
    return Desk(tmp_path / "journal")


@contextlib.asynccontextmanager
async def running(ledger: Ledger) -> AsyncIterator[None]:
    """It works for as long as the block."""
    async with Crew() as crew:
        _ = crew.start("ledger", ledger.run())
        yield
    ledger.close()


def ids(count: int) -> list[str]:
    """The ids of the first so many."""
    return [str(number) for number in range(count)]


async def test_a_living_workers_records_are_shipped(desk: Desk) -> None:
    """What a worker records is in the store shortly after, while its segment is still open."""
    journal = desk.journal()
    async with running(desk.ledger()):
        for number in range(3):
            journal.record(numbered(number))
            await desk.has(number + 1)
    journal.close()

    assert list(desk.shelf.rows) == [("w1", 0), ("w1", 1), ("w1", 2)]
    assert desk.shelf.request_ids == ids(3)


async def test_the_dead_are_shipped_and_removed(desk: Desk) -> None:
    """What a worker left is stored whole and in order, and its folder is gone."""
    await desk.left(300)

    assert await desk.drained()
    assert desk.shelf.rows == {("w1", number): numbered(number) for number in range(300)}
    assert list(desk.root.iterdir()) == []
    assert desk.damaged == []


async def test_many_dead_are_shipped(desk: Desk) -> None:
    """However often workers died, a ledger does not stop before the last of them."""
    for worker in range(9):
        await desk.left(2, f"w{worker}")

    assert await desk.drained()
    assert len(desk.shelf.rows) == 18
    assert list(desk.root.iterdir()) == []


async def test_segments_go_when_they_are_shipped(desk: Desk) -> None:
    """The disk that a living worker takes does not grow as long as SQL is there."""
    journal = desk.journal()
    async with running(desk.ledger()), Crew() as crew:
        _ = crew.start("journal", journal.run())
        for number in range(500):
            await until(lambda: not journal.is_full)
            journal.record(numbered(number))
            if number % 50 == 0:
                await asyncio.sleep(0)
        await desk.has(500)
        await until(lambda: len(segment_numbers(desk.root / "w1")) <= 3)
    journal.close()

    assert sorted(map(int, desk.shelf.request_ids)) == list(range(500))


async def test_batches_have_the_size_that_was_asked_for(desk: Desk) -> None:
    """A long journal is shipped in many transactions of bounded size."""
    await desk.left(100)
    assert await desk.ledger(Pace(batch_max=30)).drain(10)

    assert desk.shelf.writes == [30, 30, 30, 10]


async def test_a_slow_store_gets_less_at_once(desk: Desk) -> None:
    """A store that does not finish large batches in time is given smaller ones, and gets it all."""
    await desk.left(900)
    desk.shelf.finishes_at_most = 100

    assert await desk.ledger(Pace(batch_max=800, deadline_seconds=0.05)).drain(10)
    assert sorted(map(int, desk.shelf.request_ids)) == list(range(900))


async def test_another_ledger_goes_on(desk: Desk) -> None:
    """A new ledger begins where the one before it ended, and not at the beginning."""
    journal = desk.journal()
    journal.record(numbered(0))
    async with running(desk.ledger()):
        await until(lambda: read_place(desk.root / "w1"))
    journal.record(numbered(1))
    async with running(desk.ledger()):
        await desk.has(2)
    journal.close()

    assert desk.shelf.writes == [1, 1]


@pytest.mark.parametrize("harm", ["lost", "torn"])
async def test_a_lost_place_stores_nothing_twice(desk: Desk, harm: str) -> None:
    """Where the ledger's note cannot be read, all that is left is shipped once more, and changes nothing."""
    journal = desk.journal()
    journal.record(numbered(0))
    async with running(desk.ledger()):
        await until(lambda: read_place(desk.root / "w1"))
    place = desk.root / "w1" / "place"
    if harm == "lost":
        place.unlink()
    else:
        place.write_bytes(place.read_bytes()[:-1] + b"?")
    journal.record(numbered(1))
    journal.close()

    assert await desk.drained()
    assert desk.shelf.request_ids == ids(2)
    assert desk.shelf.writes == [1, 2]
    assert desk.damaged == []


async def test_a_lost_answer_stores_nothing_twice(desk: Desk) -> None:
    """A batch that was written although the answer got lost is shipped again under the same numbers."""
    await desk.left(3)
    desk.shelf.loses_next_answer = True

    assert await desk.drained()
    assert desk.shelf.request_ids == ids(3)
    assert desk.shelf.writes == [3, 3]


async def test_an_outage_is_waited_out_and_told(desk: Desk) -> None:
    """While the store is away the journal holds, the lag grows, and each change is told once."""
    await desk.left(3)
    desk.shelf.is_away = True
    desk.clock.advance(60)
    async with running(desk.ledger()):
        await until(lambda: desk.shelf.asked > 2)
        assert desk.lags[-1] == pytest.approx(59.5)
        assert segment_numbers(desk.root / "w1")
        desk.shelf.is_away = False
        await until(lambda: len(desk.news) == 2)
        await until(lambda: desk.lags[-1] == 0)

    assert desk.news == [("sql", True), ("sql", False)]
    assert desk.shelf.request_ids == ids(3)


async def test_a_hanging_store_is_cut_off(desk: Desk) -> None:
    """A store that never answers counts as away once the deadline is over."""
    await desk.left(1)
    desk.shelf.hangs = True
    async with running(desk.ledger(Pace(deadline_seconds=0.01, interval_seconds=0.005))):
        await until(lambda: desk.news == [("sql", True)])


async def test_the_empty_dead_are_removed_in_an_outage(desk: Desk) -> None:
    """Workers that come and go while SQL is away leave no disk taken for nothing."""
    await desk.left(1, "w1")
    await desk.left(0, "w2")
    desk.shelf.is_away = True
    async with running(desk.ledger()):
        await until(lambda: not (desk.root / "w2").exists())

    assert segment_numbers(desk.root / "w1")


async def test_a_drain_in_an_outage_ends_in_time(desk: Desk) -> None:
    """The process ends although SQL is away, and what it could not ship is there for the next."""
    await desk.left(2)
    desk.shelf.is_away = True
    assert not await desk.ledger().drain(0.05)
    desk.shelf.is_away = False

    assert await desk.drained()
    assert desk.shelf.request_ids == ids(2)


async def test_refusals_are_counted_once(desk: Desk) -> None:
    """Totals reach the store as they stand, however often they are shipped."""
    journal = desk.journal()
    ledger = desk.ledger()
    async with Crew() as crew:
        _ = crew.start("journal", journal.run())
        _ = crew.start("ledger", ledger.run())
        for count in range(1, 4):
            journal.record(refused(60))
            await until(lambda: desk.shelf.totals.get(("w1", 1, "missing_key")) == count)  # noqa: B023 -- awaited here
    ledger.close()
    (desk.root / "w1" / "place").unlink()
    journal.close()

    assert await desk.drained()
    assert desk.shelf.totals == {("w1", 1, "missing_key"): 3}


async def test_one_ledger_at_a_time(desk: Desk) -> None:
    """A second ledger touches nothing while the first one works, and takes over when that has gone."""
    journal = desk.journal()
    first, second = desk.ledger(), desk.ledger()
    async with running(first):
        await until(first.begin)
        async with running(second):
            journal.record(numbered(0))
            await desk.has(1)
            assert not second.begin()
    async with running(second):
        await until(second.begin)
        journal.record(numbered(1))
        await desk.has(2)
    journal.close()

    assert desk.shelf.writes == [1, 1]


async def test_who_ends_waits_for_the_ledger_at_work(desk: Desk) -> None:
    """A worker that ends beside another with the ledger has its records in SQL when it is gone."""
    ended = desk.journal("w2")
    ended.record(numbered(0))
    async with running(at_work := desk.ledger()):
        await until(at_work.begin)
        ended.close()
        assert await desk.ledger().drain(10, "w2")

    assert desk.shelf.request_ids == ["0"]


Harm = Callable[[Path], None]


def _flipped(folder: Path) -> None:
    cut(folder, 0, ENTRY + 60, b"\xff\xff")


def _zeros(folder: Path) -> None:
    cut(folder, 0, ENTRY, bytes(2 * ENTRY))


def _end_torn(folder: Path) -> None:
    cut(folder, 0, 4 * ENTRY + 40, bytes(ENTRY))


def _later_release(folder: Path) -> None:
    entry = bytearray(encoded(numbered(1), 1))
    entry[12] = 9  # its kind, with the checksum that belongs to it
    length = int.from_bytes(entry[8:12], "little")
    entry[4:8] = zlib.crc32(entry[8 : 24 + length]).to_bytes(4, "little")
    cut(folder, 0, ENTRY, bytes(entry))


@pytest.mark.parametrize(
    ("harm", "left", "damaged"),
    [
        pytest.param(_flipped, ["0", "2", "3", "4"], 1, id="a-byte-changed"),
        pytest.param(_zeros, ["0", "3", "4"], 2, id="a-hole"),
        pytest.param(_end_torn, ["0", "1", "2", "3"], 1, id="the-end-torn"),
        pytest.param(_later_release, ["0", "2", "3", "4"], 1, id="of-a-later-release"),
    ],
)
async def test_damage_is_skipped_and_counted(
    desk: Desk, harm: Harm, left: list[str], damaged: int
) -> None:
    """What was damaged is lost, one by one and counted; all that stands around it is stored."""
    await desk.left(5)
    harm(desk.root / "w1")

    assert await desk.drained()
    assert desk.shelf.request_ids == left
    assert sum(desk.damaged) == damaged


async def test_a_missing_segment_is_counted(desk: Desk) -> None:
    """Somebody deletes a file of the journal: how many records that took is known."""
    await desk.left(500)
    numbers = segment_numbers(desk.root / "w1")
    assert len(numbers) > 3
    segment_path(desk.root / "w1", numbers[1]).unlink()

    assert await desk.drained()
    assert sum(desk.damaged) == 500 - len(desk.shelf.rows) > 0


async def test_damage_in_an_open_segment_is_passed(desk: Desk) -> None:
    """A living worker's later records are not held up by damage before them."""
    journal = desk.journal()
    for number in range(5):
        journal.record(numbered(number))
    _flipped(desk.root / "w1")
    async with running(desk.ledger()):
        await desk.has(4)
    journal.close()

    assert sum(desk.damaged) == 1


async def test_a_half_written_entry_is_waited_for(desk: Desk) -> None:
    """What a living worker is just writing is no damage."""
    journal = desk.journal()
    journal.record(numbered(0))
    journal.record(numbered(1))
    whole = segment_path(desk.root / "w1", 0).read_bytes()
    cut(desk.root / "w1", 0, ENTRY + 8, bytes(ENTRY))
    async with running(desk.ledger()):
        await until(lambda: len(desk.lags) > 5)
        assert desk.shelf.request_ids == ["0"]
        cut(desk.root / "w1", 0, 0, whole)
        await desk.has(2)
    journal.close()

    assert desk.damaged == []


async def test_an_open_segment_is_read_in_pieces(desk: Desk) -> None:
    """A long open segment is shipped although it is never read as a whole."""
    room = Room(segment_bytes=40 * ENTRY_BYTES_MAX)
    journal = desk.journal(room=room)
    count = 36 * ENTRY_BYTES_MAX // ENTRY
    for number in range(count):
        journal.record(numbered(number))
    async with running(desk.ledger()):
        await desk.has(count)
    journal.close()

    assert desk.damaged == []


async def test_what_is_not_ours_is_left_alone(desk: Desk) -> None:
    """A file that somebody put into the journal neither stops the ledger nor is deleted."""
    await desk.left(1)
    (desk.root / "w1" / "notes.txt").write_text("mine")
    (desk.root / "README").write_text("mine")

    assert await desk.drained()
    assert desk.shelf.request_ids == ["0"]
    assert (desk.root / "w1" / "notes.txt").exists()


async def test_an_unreadable_folder_holds_up_no_other(desk: Desk) -> None:
    """One worker's bad disk is told; the others' records are shipped."""
    await desk.left(1, "w1")
    segment_path(desk.root / "w1", 0).unlink()
    segment_path(desk.root / "w1", 0).mkdir()
    await desk.left(1, "w2")
    async with running(desk.ledger()):
        await until(lambda: desk.shelf.rows)

    assert list(desk.shelf.rows) == [("w2", 0)]


async def test_nothing_is_nothing(desk: Desk) -> None:
    """Where nobody has written a journal yet, there is nothing to ship."""
    assert await desk.ledger().drain(0.5, "w1")
