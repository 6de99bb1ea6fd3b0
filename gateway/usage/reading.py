"""A worker's folder as the ledger reads it: portions of what has not been shipped, in order.

What a living worker has in its open segment is read, too. Nothing tells a half-written entry there from a
damaged one but time: so there, damage is believed when it is found twice and an entry stands behind it.
"""

__all__ = ["Portion", "WorkerFolder"]

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import structlog

from gateway.core.journal import ENTRY_BYTES_MAX, Damage, Entry, decoded, end_of, entries, rows
from gateway.core.record import UsageRecord, UsageRow, row_of
from gateway.usage.segments import (
    Hold,
    Place,
    read_place,
    remove_place,
    segment_numbers,
    segment_path,
    write_place,
)

log = structlog.get_logger(__name__)

# Of an open segment, so much is read at once. More than the longest entry: the first one is always whole.
_OPEN_BYTES: Final = 16 * ENTRY_BYTES_MAX
_UNKNOWN: Final = -1


class Portion:
    """What may be shipped at once: runs of records without a gap in their numbers, and totals of refusals.

    Reading goes on at `place` when it has been shipped. `unreadable` entries were lost in between. `oldest` is
    when the first of its requests ended. It `is_full` when there may be more.
    """

    def __init__(self, place: Place) -> None:
        """Nothing, as far as `place`."""
        self._segment, self._offset, self._sequence = place
        self.runs: list[tuple[int, list[UsageRow]]] = []
        self.totals: dict[tuple[int, str], int] = {}
        self.records = 0
        self.unreadable = 0
        self.is_full = False
        self._run: list[UsageRow] = []
        self._run_ends = _UNKNOWN
        self._is_damaged = False

    @property
    def place(self) -> Place:
        """How far it goes."""
        return Place(self._segment, self._offset, self._sequence)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing for SQL in it."""
        return not self.runs and not self.totals

    @property
    def oldest(self) -> float | None:
        """When the first of its requests ended, seconds since the epoch; None if there is none."""
        first = self.runs[0][1][0] if self.runs else None
        return None if first is None else (first[0] + first[11]) / 1_000_000

    def take(self, entry: Entry) -> None:
        """Add an entry, and what its number says of those before it."""
        sequence, expected = entry.sequence, self._sequence
        if sequence != expected or self._is_damaged:
            missing = 0 if expected == _UNKNOWN else sequence - expected
            self.unreadable += max(missing, int(self._is_damaged))
            self._is_damaged = False
        self._offset = end_of(self._offset, entry)
        self._sequence = max(expected, sequence + 1)
        try:
            said = decoded(entry)
        except ValueError:
            self.unreadable += 1
            return
        if isinstance(said, UsageRecord):
            self._add(sequence, [row_of(said)])
            return
        for row, total in said.items():
            self.totals[row] = max(total, self.totals.get(row, 0))

    def take_rows(self, data: bytes, begin: int, records_max: int) -> None:
        """Add the ordinary requests that stand next in its segment, of which `data` is what follows `begin`."""
        if self._is_damaged or self._sequence == _UNKNOWN:
            return
        room = records_max - self.records
        found, end = rows(data, self._offset - begin, self._sequence, room)
        if found:
            self._add(self._sequence, found)
            self._offset = begin + end
            self._sequence += len(found)

    def skip(self, damage: Damage) -> None:
        """Go on behind damage."""
        self._is_damaged = True
        self._offset += damage.length

    def turn(self, number: int) -> None:
        """Go on at the beginning of the segment with this number."""
        self._segment, self._offset = number, 0

    def end(self) -> None:
        """There will be no further entry whose number would tell how many were lost."""
        self.unreadable += int(self._is_damaged)
        self._is_damaged = False

    def _add(self, sequence: int, found: Sequence[UsageRow]) -> None:
        self.records += len(found)
        if sequence != self._run_ends:
            self._run = []
            self.runs.append((sequence, self._run))
        self._run += found
        self._run_ends = sequence + len(found)


class WorkerFolder:
    """One worker's folder. Everything here blocks; not for two threads at once."""

    def __init__(self, path: Path) -> None:
        """`path` is there already."""
        self.worker = path.name
        self._path = path
        self._hold: Hold | None = None
        self._place: Place | None = None
        self._whole: tuple[int, bytes] | None = None
        self._doubted: tuple[int, int] | None = None

    def is_left(self) -> bool:
        """Whether nobody writes into it any more. Raises OSError."""
        if self._hold is None:
            self._hold = Hold.take(self._path)
        return self._hold is not None

    def read(self, records_max: int) -> Portion | None:
        """What is next, some `records_max` at most; None when there is nothing new. Raises OSError.

        Of a folder that `is_left` there is always a portion, until the last one was shipped.
        """
        numbers = segment_numbers(self._path)
        before = self._place = self._place or self._first_place(numbers)
        portion = Portion(before)
        for number in numbers:
            if number < before.segment:
                continue
            if number > portion.place.segment:
                portion.turn(number)
            if not self._read_segment(portion, records_max):
                break
            portion.turn(number + 1)
        else:
            if self._hold is not None:
                portion.end()
        is_news = portion.place != before or self._hold is not None
        return portion if is_news else None

    def shipped(self, portion: Portion) -> None:
        """All of it is in SQL, for good: never read it again, and delete what was read to its end."""
        place = self._place = portion.place
        # Without either the same is shipped once more, which changes nothing; and a full disk must not keep us here.
        with contextlib.suppress(OSError):
            write_place(self._path, place)
        numbers = segment_numbers(self._path)
        for number in numbers:
            with contextlib.suppress(OSError):
                if number < place.segment:
                    segment_path(self._path, number).unlink(missing_ok=True)
        if self._hold is not None and all(number < place.segment for number in numbers):
            self._remove()

    def close(self) -> None:
        """Let go of it."""
        self._whole = None
        if self._hold is not None:
            self._hold.release()
            self._hold = None

    def _remove(self) -> None:
        with contextlib.suppress(OSError):
            remove_place(self._path)
            self._path.rmdir()
        self.close()

    def _first_place(self, numbers: Sequence[int]) -> Place:
        first = numbers[0] if numbers else 0
        place = read_place(self._path)
        if place is None:
            return Place(first, 0, 0 if first == 0 else _UNKNOWN)
        if place.segment < first:
            return Place(first, 0, _UNKNOWN)
        return place

    def _read_segment(self, portion: Portion, records_max: int) -> bool:
        """Add what there is in its segment; whether that was read to the end, and nothing more can come."""
        place = portion.place
        # In this order: what is open now may be full, and the next one begun, when it has been read.
        is_sealed = self._hold is not None or self._has_begun(place.segment + 1)
        data, begin = (self._sealed(place), 0) if is_sealed else (self._open(place), place.offset)
        doubted, self._doubted = self._doubted, None
        while True:
            portion.take_rows(data, begin, records_max)
            if portion.records >= records_max:
                portion.is_full = True
                return False
            items = entries(data, portion.place.offset - begin)
            match next(items, None):
                case None:
                    portion.is_full |= not is_sealed and _is_cut(data, portion.place.offset - begin)
                    return is_sealed
                case Entry() as entry:
                    portion.take(entry)
                case damage:
                    if not is_sealed and not self._is_certain(portion, next(items, None), doubted):
                        return False
                    portion.skip(damage)

    def _is_certain(
        self, portion: Portion, behind: Entry | Damage | None, doubted: tuple[int, int] | None
    ) -> bool:
        """Whether damage here, in an open segment, is no entry that is being written."""
        if not isinstance(behind, Entry):
            return False
        doubt = portion.place[:2]
        if doubt != doubted:
            self._doubted = doubt
        return doubt == doubted

    def _has_begun(self, number: int) -> bool:
        """Whether the worker writes into this segment, and so into none before it any more."""
        try:
            with segment_path(self._path, number).open("rb") as file:
                return any(file.read(8))
        except FileNotFoundError:
            return False

    def _sealed(self, place: Place) -> bytes:
        if self._whole is None or self._whole[0] != place.segment:
            self._whole = (place.segment, segment_path(self._path, place.segment).read_bytes())
        return self._whole[1]

    def _open(self, place: Place) -> bytes:
        descriptor = os.open(segment_path(self._path, place.segment), os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.pread(descriptor, _OPEN_BYTES, place.offset)
        finally:
            os.close(descriptor)


def _is_cut(data: bytes, end: int) -> bool:
    """Whether more may follow what was read of an open segment, of which `end` is understood."""
    return len(data) == _OPEN_BYTES and end > _OPEN_BYTES - ENTRY_BYTES_MAX
