"""Where a process records its finished requests: memory-mapped segment files (design §8, docs/journal.md).

A record is in the map, and so with the kernel, when `record` returns: whatever happens to this process then,
it is not lost. That costs no system call. Files are made ahead of time, with all their blocks, beside requests.
"""

__all__ = ["Journal", "Room"]

import asyncio
import contextlib
import mmap
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from gateway.core.errors import Misuse
from gateway.core.journal import ENTRY_BYTES_MAX, encoded, encoded_counts
from gateway.core.record import UsageRecord
from gateway.usage.segments import Hold, make_segment, segment_path, segments_bytes

log = structlog.get_logger(__name__)

# Distinct (minute, outcome) pairs whose totals are remembered, and of which some are then forgotten.
TOTALS_MAX: Final = 12_000
_TOTALS_KEPT: Final = 6_000
_TOTALS_AT_ONCE: Final = 1_000
# What requests under way may still need when no more are let in: a thousand records.
_RESERVE_BYTES: Final = 262_144
_RESERVED_PART: Final = 4


@dataclass(frozen=True, slots=True)
class Room:
    """How large a segment is, how much all workers' segments may take, and how often sums are written."""

    segment_bytes: int = 8 * 1024 * 1024
    journal_bytes_max: int = 1024 * 1024 * 1024
    interval_seconds: float = 0.5


class Journal:
    """The UsageSink of one process. `record` is for its event loop's thread.

    Refusals of callers without a proven key are summed up by minute and outcome, and their totals written
    every interval, so that a flood of them costs no entries. An entry has totals since the start: the highest
    stands, whichever of them are read, and however often.
    """

    def __init__(
        self, root: Path, worker: str, *, on_lost: Callable[[int], None], room: Room | None = None
    ) -> None:
        """Make the folder of `worker`, a name that was never used before, and its first segment.

        `on_lost` gets the number of records that could not be kept. A full disk is no error here: what is
        recorded meanwhile is lost, and `run` tries again. Raises Misuse when the folder cannot be had.
        """
        self._root = root
        self._folder = root / worker
        self._on_lost = on_lost
        self._room = room or Room()
        self._reserve = min(_RESERVE_BYTES, self._room.segment_bytes // _RESERVED_PART)
        self._hold = self._held()
        # Until there is a segment: of no length, so that nothing is written to it.
        self._map = mmap.mmap(-1, mmap.PAGESIZE)
        self._end = self._position = 0
        self._spare: mmap.mmap | None = None
        self._retired: list[mmap.mmap] = []
        self._next_number = 0
        self._sequence = 0
        self._is_wanted = asyncio.Event()
        self._is_short = False
        self._totals: dict[tuple[int, str], int] = {}
        self._unwritten: set[tuple[int, str]] = set()
        self._floor = 0
        self._take_in(self._try_to_make())
        _ = self._turn()

    def _held(self) -> Hold:
        try:
            for folder in (self._root.parent, self._root):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            return Hold.make(self._folder)
        except OSError as error:
            raise Misuse(
                f"The journal of usage cannot be written in {self._root} ({error.strerror})."
                " Make that folder, and what is in it, the gateway's own."
            ) from error

    @property
    def is_full(self) -> bool:
        """Whether only requests that are under way should still be recorded."""
        return self._spare is None and self._end - self._position < self._reserve

    def record(self, record: UsageRecord) -> None:
        """Keep the record. Never waits, never raises."""
        if record.key_id is None:
            self._sum_up(record)
            return
        try:
            entry = encoded(record, self._sequence)
        except (ValueError, OverflowError, struct.error):
            self._on_lost(1)
            return
        # As `_append`, nearly always.
        end = self._position + len(entry)
        if end <= self._end and len(entry) <= ENTRY_BYTES_MAX:
            self._map[self._position : end] = entry
            self._position = end
            self._sequence += 1
        elif not self._append(entry):
            self._on_lost(1)

    async def run(self) -> None:
        """Make segments before they are needed, and write the sums, for as long as it is left to."""
        while True:
            self._is_wanted.clear()
            await self._provide()
            self._write_totals()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._room.interval_seconds):
                    await self._is_wanted.wait()

    def close(self) -> None:
        """Write the sums, and let the ledger have the folder; what is recorded later is lost, and counted."""
        self._write_totals()
        maps = [self._map, *self._retired]
        if self._spare is not None:
            maps.append(self._spare)
        self._end = self._position = 0
        self._spare, self._retired = None, []
        for each in maps:
            each.close()
        self._hold.release()

    def _append(self, entry: bytes) -> bool:
        """Write the entry that has the next number; False when there is no place for it."""
        size = len(entry)
        end = self._position + size
        if end > self._end:
            if size > self._room.segment_bytes or not self._turn():
                return False
            end = size
        if size > ENTRY_BYTES_MAX:
            return False
        self._map[self._position : end] = entry
        self._position = end
        self._sequence += 1
        return True

    def _turn(self) -> bool:
        """Go on in the next segment, if there is one."""
        if self._spare is None:
            return False
        self._retired.append(self._map)
        self._map, self._spare = self._spare, None
        self._position, self._end = 0, self._room.segment_bytes
        self._is_wanted.set()
        return True

    async def _provide(self) -> None:
        retired, self._retired = self._retired, []
        if self._spare is None:
            self._take_in(await asyncio.to_thread(self._try_to_make))
        for each in retired:
            each.close()

    def _try_to_make(self) -> mmap.mmap | str:
        """The next segment, or why there is none."""
        size = self._room.segment_bytes
        try:
            if segments_bytes(self._root) + size > self._room.journal_bytes_max:
                return "usage.journal_max is reached"
            return make_segment(segment_path(self._folder, self._next_number), size)
        except OSError as error:
            return error.strerror or type(error).__name__

    def _take_in(self, made: mmap.mmap | str) -> None:
        if isinstance(made, str):
            if not self._is_short:
                log.error("journal_is_full", cause=made)
            self._is_short = True
            return
        if self._is_short:
            log.info("journal_has_room")
        self._is_short = False
        self._spare = made
        self._next_number += 1

    def _sum_up(self, record: UsageRecord) -> None:
        row = (max(self._floor, int(record.at // 60)), record.outcome)
        total = self._totals.get(row, 0)
        if not total and len(self._totals) >= TOTALS_MAX:
            self._on_lost(1)
            return
        self._totals[row] = total + 1
        self._unwritten.add(row)

    def _write_totals(self) -> None:
        rows = sorted(self._unwritten)
        for start in range(0, len(rows), _TOTALS_AT_ONCE):
            part = rows[start : start + _TOTALS_AT_ONCE]
            if not self._append(
                encoded_counts({row: self._totals[row] for row in part}, self._sequence)
            ):
                return
            self._unwritten.difference_update(part)
        if len(self._totals) > _TOTALS_KEPT:
            self._forget_totals()

    def _forget_totals(self) -> None:
        """All has been written, so the oldest half can go; no refusal is counted in their minutes any more."""
        oldest = sorted(self._totals)[: -_TOTALS_KEPT // 2]
        for row in oldest:
            del self._totals[row]
        self._floor = oldest[-1][0] + 1
