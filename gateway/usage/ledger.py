"""Ships the journal of every process, living or dead, into SQL: each entry exactly once (design §8).

What makes it exact is SQL alone: with a batch it notes how far each worker's entries are in, in one transaction, and
a total of refusals stands until a higher one comes; so shipping the same again changes nothing. How far it has come is
noted in the folder behind each batch, and a segment deleted behind that: killed between any two steps, the next ledger
does a little again.
"""

__all__ = ["Ledger", "Pace", "Watch"]

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import structlog

from gateway.core.errors import StoreError, StoreName
from gateway.ports import Clock, UsageRun, UsageStore
from gateway.usage.reading import Portion, WorkerFolder
from gateway.usage.segments import Hold, segments_bytes, worker_folders

log = structlog.get_logger(__name__)

Result = TypeVar("Result")

FIRST_RETRY_SECONDS: Final = 0.1
LAST_RETRY_SECONDS: Final = 15.0
_BATCH_MIN: Final = 50
# Each may have a whole segment in memory.
_LEFT_AT_ONCE: Final = 4


@dataclass(frozen=True, slots=True)
class Pace:
    """How much is written at once, how often the folders are looked at, and how long one write may take."""

    batch_max: int = 10_000
    interval_seconds: float = 0.5
    deadline_seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class Watch:
    """Who hears how it goes.

    `lag` gets the seconds since the oldest request that is not in SQL ended, 0 when all are; `damaged` the number
    of entries that could not be read; `health` ("sql", is_away) when the store goes away and when it is back.
    """

    lag: Callable[[float], None]
    damaged: Callable[[int], None]
    health: Callable[[StoreName, bool], None]


class Ledger:
    """One of them works at a time, over all folders; another waits until it has gone."""

    def __init__(
        self, root: Path, store: UsageStore, clock: Clock, watch: Watch, pace: Pace | None = None
    ) -> None:
        """`root` is the folder of all journals; it need not be there yet."""
        self._root = root
        self._store = store
        self._clock = clock
        self._watch = watch
        self._pace = pace or Pace()
        self._hold: Hold | None = None
        self._folders: dict[str, WorkerFolder] = {}
        self._unreadable: set[str] = set()
        # Whether there are more folders than are read in one round.
        self._is_one_left = False
        self._turn = -1
        self._error: StoreError | None = None
        self._retry_seconds = 0.0
        self._batch = self._pace.batch_max
        self.shipped_records = 0

    async def run(self) -> None:
        """Ship what comes in, for as long as it is left to. Call `drain` or `close` after it was cancelled."""
        while True:
            is_more = await self._round()
            await asyncio.sleep(0 if is_more else self._pause_seconds)

    async def drain(self, deadline_seconds: float, own: str = "") -> bool:
        """Ship what there is, give up after `deadline_seconds`, and close; whether nothing was left.

        If another ledger is at work, wait until it has shipped and removed the folder of the worker `own`.
        """
        is_done = False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline_seconds):
                await self._drain(own)
            is_done = True
        if not is_done:
            log.warning("usage_stays_in_journal", bytes=segments_bytes(self._root))
        self.close()
        return is_done

    async def _drain(self, own: str) -> None:
        while True:
            is_more = await self._round()
            if not is_more and self._is_all_shipped(own):
                return
            await asyncio.sleep(0 if is_more else FIRST_RETRY_SECONDS)

    async def ship(self, reached: Callable[[int], None]) -> int:
        """Ship what there is now, and close; how many records that were, which `reached` hears on the way.

        Raises StoreError when the store is away; what has been shipped until then stays shipped.
        """
        try:
            while await self._round():
                reached(self.shipped_records)
            if self._error is not None:
                raise self._error
            return self.shipped_records
        finally:
            self.close()

    def close(self) -> None:
        """Let go of all folders; another ledger may have them."""
        for folder in self._folders.values():
            folder.close()
        self._folders.clear()
        if self._hold is not None:
            self._hold.release()
            self._hold = None

    def begin(self) -> bool:
        """Be the one that works, unless another is; whether this one is. Raises OSError."""
        if self._hold is None and self._root.exists():
            self._hold = Hold.take(self._root)
        return self._hold is not None

    @property
    def is_at_work(self) -> bool:
        """Whether this is the one that works; another's zero lag is not this one's."""
        return self._hold is not None

    @property
    def _pause_seconds(self) -> float:
        return self._retry_seconds or self._pace.interval_seconds

    def _is_all_shipped(self, own: str) -> bool:
        if self._retry_seconds:
            return False
        return self._hold is not None or not (self._root / own).exists()

    async def _round(self) -> bool:
        """A portion of each folder; whether there is more at once."""
        portions = await _to_its_end(self._read)
        error: StoreError | None = None
        try:
            await self._ship(portions)
        except StoreError as fault:
            error = fault
            self._watch.lag(self._age(portions))
        for folder, portion in portions:
            if error is None or portion.is_empty:
                self._shipped(folder, portion)
        self._adapt(error, portions)
        self._tell_health(error)
        if error is not None:
            return False
        is_more = self._is_one_left or any(portion.is_full for _, portion in portions)
        self._watch.lag(self._age(portions) if is_more else 0.0)
        return is_more

    def _read(self) -> list[tuple[WorkerFolder, Portion]]:
        """What each folder has; blocks."""
        self._is_one_left = False
        try:
            if not self.begin():
                return []
            paths = {path.name: path for path in worker_folders(self._root)}
        except OSError as error:
            self._tell_unreadable(self._root.name, error)
            return []
        self._unreadable.discard(self._root.name)
        self._folders = {
            name: self._folders.get(name) or WorkerFolder(path) for name, path in paths.items()
        }
        return list(self._portions())

    def _portions(self) -> Iterator[tuple[WorkerFolder, Portion]]:
        left, room = 0, self._batch
        for folder in self._in_turn():
            try:
                is_left = folder.is_left()
                left += is_left
                if not room or (is_left and left > _LEFT_AT_ONCE):
                    self._is_one_left = True
                    continue
                portion = folder.read(room)
            except OSError as error:
                self._tell_unreadable(folder.worker, error)
                continue
            self._unreadable.discard(folder.worker)
            if portion is not None:
                room = max(0, room - portion.records)
                yield folder, portion

    def _in_turn(self) -> list[WorkerFolder]:
        """All folders; another one each time is the first, so that one alone never takes all the room."""
        folders = list(self._folders.values())
        self._turn += 1
        start = self._turn % len(folders) if folders else 0
        return folders[start:] + folders[:start]

    async def _ship(self, portions: list[tuple[WorkerFolder, Portion]]) -> None:
        runs = [
            UsageRun(folder.worker, first, records)
            for folder, portion in portions
            for first, records in portion.runs
        ]
        if runs:
            await self._in_time("write usage", self._store.ship(runs))
        for folder, portion in portions:
            if portion.totals:
                await self._in_time(
                    "count refusals", self._store.count_refused(folder.worker, portion.totals)
                )

    def _shipped(self, folder: WorkerFolder, portion: Portion) -> None:
        folder.shipped(portion)
        self.shipped_records += portion.records
        if portion.unreadable:
            self._watch.damaged(portion.unreadable)
            log.error("journal_is_damaged", worker=folder.worker, entries=portion.unreadable)

    async def _in_time(self, operation: str, work: Awaitable[None]) -> None:
        try:
            async with asyncio.timeout(self._pace.deadline_seconds):
                await work
        except TimeoutError as error:
            raise StoreError("sql", operation, "deadline") from error

    def _adapt(
        self, error: StoreError | None, portions: list[tuple[WorkerFolder, Portion]]
    ) -> None:
        """A store that is not away but slow must not be given forever what it never finishes in time."""
        self._error = error
        if error is not None:
            self._batch = max(min(_BATCH_MIN, self._batch), self._batch // 4)
        elif any(not portion.is_empty for _, portion in portions):
            self._batch = min(self._pace.batch_max, self._batch * 2)

    def _age(self, portions: list[tuple[WorkerFolder, Portion]]) -> float:
        oldest = [portion.oldest for _, portion in portions if portion.oldest is not None]
        return max(0.0, self._clock.now() - min(oldest)) if oldest else 0.0

    def _tell_unreadable(self, name: str, error: OSError) -> None:
        if name not in self._unreadable:
            self._unreadable.add(name)
            log.error("journal_is_unreadable", folder=name, cause=error.strerror)

    def _tell_health(self, error: StoreError | None) -> None:
        was_away = bool(self._retry_seconds)
        longer = self._retry_seconds * 2 or FIRST_RETRY_SECONDS
        self._retry_seconds = 0.0 if error is None else min(LAST_RETRY_SECONDS, longer)
        is_away = bool(self._retry_seconds)
        if is_away == was_away:
            return
        if is_away:
            log.warning("usage_waits_for_store", cause=str(error))
        else:
            log.info("usage_store_is_back")
        self._watch.health("sql", is_away)


async def _to_its_end(work: Callable[[], Result]) -> Result:
    """What `work` returns, done in a thread; if the caller is cancelled, not before that thread has ended."""
    doing = asyncio.get_running_loop().run_in_executor(None, work)
    try:
        return await asyncio.shield(doing)
    except asyncio.CancelledError:
        _ = await asyncio.wait([doing])
        raise
