"""Writers of journals and ledgers that are killed, with SIGKILL, again and again, until all requests are in SQL.

`python -m tests.usage.killed_under_load FOLDER URL RECORDS KILLS` tells, in one JSON document, how often which was
killed, and which requests a writer may have been killed in the middle of: these are not written again, and may be in
SQL or not. How far a writer has come stands in memory that outlives it.
"""

import asyncio
import json
import mmap
import os
import random
import signal
import struct
import sys
import time
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path

from gateway.clock import SystemClock
from gateway.stores.sql_engine import open_engine
from gateway.stores.sql_usage import SqlUsageStore
from gateway.tasks import Crew
from gateway.usage.journal import Journal, Room
from gateway.usage.ledger import Ledger, Pace, Watch
from tests.usage.shelf import numbered

WRITERS = 3
AT_ONCE = 250
PAUSE_SECONDS = 0.005
BATCH = 1000
DEADLINE_SECONDS = 100.0


def name_of(writer: int, number: int) -> str:
    """The id of a request."""
    return f"{writer}-{number}"


class Known:
    """How many requests each writer has recorded, in memory that all processes share."""

    def __init__(self) -> None:
        self._map = mmap.mmap(-1, 8 * WRITERS)

    def __getitem__(self, writer: int) -> int:
        return int(struct.unpack_from("<Q", self._map, 8 * writer)[0])

    def __setitem__(self, writer: int, count: int) -> None:
        struct.pack_into("<Q", self._map, 8 * writer, count)


async def write(root: Path, writer: int, count: int, known: Known, life: int) -> None:
    """One life of a writer: what is left of its `count` requests."""
    lost: list[int] = []
    room = Room(segment_bytes=1024 * 1024, interval_seconds=0.01)
    journal = Journal(root, f"w_{writer}_{life}", on_lost=lost.append, room=room)
    # In its first life from the beginning; else behind the one that it may have been killed in.
    number = known[writer] + (life > 0)
    async with Crew() as crew:
        _ = crew.start("journal", journal.run())
        while number < count:
            end = min(number + AT_ONCE, count)
            while number < end and not journal.is_full:
                journal.record(numbered(name_of(writer, number)))
                number += 1
                known[writer] = number
            await asyncio.sleep(PAUSE_SECONDS)
    journal.close()
    os._exit(len(lost) > 0)


async def ship(root: Path, url: str, *, is_last: bool) -> None:
    """One life of a ledger; the last one ends when nothing is left."""
    engine = open_engine(url)
    watch = Watch(lambda _: None, lambda _: None, lambda *_: None)
    ledger = Ledger(root, SqlUsageStore(engine, 30), SystemClock(), watch, Pace(BATCH, 0.01, 30))
    if is_last:
        is_done = await ledger.drain(DEADLINE_SECONDS)
        await engine.dispose()
        os._exit(not is_done)
    await ledger.run()


def forked(work: Callable[[], Coroutine[None, None, None]]) -> int:
    """A process that does this, and nothing afterwards."""
    if child := os.fork():
        return child
    try:
        asyncio.run(work())
    finally:
        os._exit(9)


class Site:
    """The processes, and what has become of them."""

    def __init__(self, folder: Path, url: str, records: int) -> None:
        self._root, self._url = folder / "journal", url
        self._each = records // WRITERS
        self._known = Known()
        self._lives = [0] * WRITERS
        # The requests that a writer may have been killed in the middle of.
        self.doubtful: list[str] = []
        self.killed = {"writers": 0, "ledgers": 0}
        self.writers = {self._writer(each): each for each in range(WRITERS)}
        self.ledger = self._ledger(is_last=False)

    def _writer(self, writer: int) -> int:
        life = self._lives[writer]
        self._lives[writer] += 1
        return forked(partial(write, self._root, writer, self._each, self._known, life))

    def _ledger(self, *, is_last: bool) -> int:
        return forked(partial(ship, self._root, self._url, is_last=is_last))

    def kill_writer(self, pid: int) -> None:
        """Kill it, and let another go on, unless it had ended already."""
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        writer = self.writers.pop(pid)
        if os.WIFSIGNALED(status):
            self.killed["writers"] += 1
            self.doubtful.append(name_of(writer, self._known[writer]))
            self.writers[self._writer(writer)] = writer
        else:
            assert os.waitstatus_to_exitcode(status) == 0

    def kill_ledger(self, *, is_last: bool) -> None:
        """Kill it, and start another."""
        os.kill(self.ledger, signal.SIGKILL)
        _, status = os.waitpid(self.ledger, 0)
        assert os.WIFSIGNALED(status)
        self.killed["ledgers"] += 1
        self.ledger = self._ledger(is_last=is_last)

    def reap(self) -> None:
        """Take note of the writers that are done."""
        for pid in list(self.writers):
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                assert os.waitstatus_to_exitcode(status) == 0
                del self.writers[pid]


def main(folder: Path, url: str, records: int, kills: int) -> None:
    """Kill writers and ledgers until each was killed often enough, and all is written; then let the rest be shipped."""
    chance = random.Random(records)
    (folder / "journal").mkdir()
    site = Site(folder, url, records)
    while site.writers or site.killed["ledgers"] < kills:
        time.sleep(chance.uniform(0.02, 0.15))
        if site.writers and site.killed["writers"] < kills and chance.random() < 0.5:
            site.kill_writer(chance.choice(sorted(site.writers)))
        elif site.killed["ledgers"] < kills:
            site.kill_ledger(is_last=False)
        site.reap()
    site.kill_ledger(is_last=True)
    _, status = os.waitpid(site.ledger, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    sys.stdout.write("\n" + json.dumps({"killed": site.killed, "doubtful": site.doubtful}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:]))
