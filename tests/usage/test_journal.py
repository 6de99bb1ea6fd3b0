"""What is recorded is in a file when `record` returns; what cannot be kept is counted, and never a fault."""

import errno
import os
import resource
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.core.errors import Misuse
from gateway.core.journal import Entry, decoded
from gateway.tasks import Crew
from gateway.usage.journal import TOTALS_MAX, Journal, Room
from gateway.usage.segments import Hold, segment_numbers, segment_path
from tests.usage.shelf import items, numbered, records_of, refused, until

SMALL = Room(segment_bytes=16_384, interval_seconds=0.005)


@pytest.fixture
def lost() -> list[int]:
    """What was counted as lost, in the order of counting."""
    return []


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where all journals lie; not there yet."""
    return tmp_path / "journal"


@pytest.fixture
def journal(root: Path, lost: list[int]) -> Iterator[Journal]:
    """A small one, of the worker w1."""
    journal = Journal(root, "w1", on_lost=lost.append, room=SMALL)
    yield journal
    journal.close()


def totals_in(folder: Path) -> list[dict[tuple[int, str], int]]:
    """The totals of refusals in a worker's segments, entry by entry."""
    said = [decoded(item) for item in items(folder) if isinstance(item, Entry)]
    return [dict(each) for each in said if isinstance(each, dict)]


def test_a_record_is_in_the_file_at_once(journal: Journal, root: Path) -> None:
    """Nothing has to happen after `record` for the record to outlive the process."""
    for number in range(3):
        journal.record(numbered(number))

    assert records_of(root / "w1") == ["0", "1", "2"]
    assert [item.sequence for item in items(root / "w1") if isinstance(item, Entry)] == [0, 1, 2]


def test_only_its_user_may_read_it(journal: Journal, root: Path) -> None:
    """Addresses and paths of requests are nobody else's business."""
    journal.record(numbered(0))

    assert [stat.S_IMODE(path.stat().st_mode) for path in (root, root / "w1")] == [0o700, 0o700]
    assert stat.S_IMODE(segment_path(root / "w1", 0).stat().st_mode) == 0o600


def test_blocks_are_there_before_they_are_written(journal: Journal, root: Path) -> None:
    """A segment has all of its disk when it is made: a full disk is never met in the middle of a request."""
    journal.record(numbered(0))
    made = segment_path(root / "w1", 0).stat()

    assert made.st_size == SMALL.segment_bytes
    assert made.st_blocks * 512 >= SMALL.segment_bytes


async def test_segments_follow_each_other(journal: Journal, root: Path, lost: list[int]) -> None:
    """The next segment is there before it is needed, and no record is lost at the turn."""
    async with Crew() as crew:
        _ = crew.start("journal", journal.run())
        for number in range(400):
            await until(lambda: not journal.is_full)
            journal.record(numbered(number))

    assert len(segment_numbers(root / "w1")) > 3
    assert records_of(root / "w1") == [str(number) for number in range(400)]
    assert lost == []


def test_without_a_next_segment_it_loses_and_counts(
    journal: Journal, root: Path, lost: list[int]
) -> None:
    """What does not fit any more is counted; what fitted is there, and its numbers have no gap."""
    for number in range(200):
        journal.record(numbered(number))
    kept = records_of(root / "w1")

    assert sum(lost) == 200 - len(kept) > 0
    assert kept == [str(number) for number in range(len(kept))]


def test_it_says_in_time_that_it_is_full(journal: Journal, lost: list[int]) -> None:
    """Who lets nobody in from then on has room for what is under way."""
    while not journal.is_full:
        journal.record(numbered(0))
    for number in range(15):
        journal.record(numbered(number))

    assert lost == []


async def test_a_full_disk_is_waited_out(root: Path, lost: list[int]) -> None:
    """Where a segment cannot be made the gateway goes on, and so does the journal once there is room."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (SMALL.segment_bytes - 1, hard))
    try:
        journal = Journal(root, "w1", on_lost=lost.append, room=SMALL)
        async with Crew() as crew:
            _ = crew.start("journal", journal.run())
            journal.record(numbered(0))
            assert (lost, journal.is_full) == ([1], True)
            assert not segment_numbers(root / "w1")
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            await until(lambda: not journal.is_full)
            journal.record(numbered(1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    journal.close()

    assert records_of(root / "w1") == ["1"]
    assert lost == [1]


async def test_it_grows_no_larger_than_it_may(root: Path, lost: list[int]) -> None:
    """All journals together stay below their bound; when something was deleted, this one goes on."""
    room = Room(16_384, journal_bytes_max=40_000, interval_seconds=0.005)
    others = root / "w0"
    others.mkdir(parents=True)
    left = segment_path(others, 0)
    left.write_bytes(bytes(16_384))
    journal = Journal(root, "w1", on_lost=lost.append, room=room)
    async with Crew() as crew:
        _ = crew.start("journal", journal.run())
        while not journal.is_full:
            journal.record(numbered(0))
        assert list(segment_numbers(root / "w1")) == [0]
        left.unlink()
        await until(lambda: not journal.is_full)
    journal.close()

    assert lost == []


async def test_refusals_without_a_key_are_summed_up(journal: Journal, root: Path) -> None:
    """A flood of unauthenticated requests costs a number a minute and outcome, and no entry each."""
    async with Crew() as crew:
        _ = crew.start("journal", journal.run())
        for at in (60, 119.9, 120):
            journal.record(refused(at))
        await until(lambda: totals_in(root / "w1"))
        journal.record(refused(60))
        await until(lambda: len(totals_in(root / "w1")) == 2)

    assert totals_in(root / "w1") == [
        {(1, "missing_key"): 2, (2, "missing_key"): 1},
        {(1, "missing_key"): 3},
    ]


def test_what_was_summed_up_is_written_at_the_end(journal: Journal, root: Path) -> None:
    """A worker that ends in order leaves no refusal uncounted."""
    journal.record(refused(60))
    journal.close()

    assert totals_in(root / "w1") == [{(1, "missing_key"): 1}]


def test_sums_of_a_long_life_take_no_more_memory(root: Path, lost: list[int]) -> None:
    """Old minutes are forgotten once they were written, and what comes for them counts in a later one."""
    with_room = Room(segment_bytes=4_000_000)
    journal = Journal(root, "w1", on_lost=lost.append, room=with_room)
    for minute in range(1, TOTALS_MAX + 1):
        journal.record(refused(60.0 * minute))
    journal.record(refused(60.0 * (TOTALS_MAX + 1)))
    assert lost == [1]
    journal.close()
    highest: dict[tuple[int, str], int] = {}
    for totals in totals_in(root / "w1"):
        highest.update(totals)

    assert sum(highest.values()) == TOTALS_MAX


async def test_a_late_refusal_adds_to_no_forgotten_total(root: Path, lost: list[int]) -> None:
    """The highest total stands: one that began again at one would take refusals away."""
    journal = Journal(root, "w1", on_lost=lost.append, room=Room(4_000_000, interval_seconds=0.005))
    async with Crew() as crew:
        _ = crew.start("journal", journal.run())
        for minute in range(1, TOTALS_MAX + 1):
            journal.record(refused(60.0 * minute))
        await until(lambda: sum(map(len, totals_in(root / "w1"))) == TOTALS_MAX)
        journal.record(refused(60.0))
    journal.close()
    (late,) = totals_in(root / "w1")[-1:]
    ((minute, _), total) = next(iter(late.items()))

    assert (minute > 1, total) == (True, 2)


def test_it_is_held_while_it_lives(journal: Journal, root: Path) -> None:
    """Nobody takes a living worker's journal for one that was left; after its end, it can be taken."""
    assert Hold.take(root / "w1") is None
    journal.close()
    hold = Hold.take(root / "w1")

    assert hold is not None
    hold.release()


def test_after_the_end_it_counts(journal: Journal, lost: list[int]) -> None:
    """A request that ends later than its worker's journal is lost, and known to be."""
    journal.close()
    journal.record(numbered(0))

    assert lost == [1]


def test_a_folder_that_cannot_be_had_is_told(tmp_path: Path, lost: list[int]) -> None:
    """The operator reads which folder, and what to do."""
    (tmp_path / "journal").write_text("in the way")
    with pytest.raises(Misuse, match=f"in {tmp_path}/journal .{os.strerror(errno.EEXIST)}"):
        Journal(tmp_path / "journal", "w1", on_lost=lost.append)
