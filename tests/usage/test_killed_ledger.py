"""A ledger that is killed, before whichever statement, loses nothing and stores nothing twice."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from admin.stores.migrate import migrate
from gateway.stores.sql_engine import sqlite_url
from gateway.tasks import Crew
from gateway.usage.journal import Journal, Room
from tests.fixtures_gateway import clean_environment
from tests.usage.shelf import numbered, refused, until

ROOT = Path(__file__).parents[2]
RECORDS = 150
# All statements are killed, shared out among this many tests.
SHARES = 4


async def fill(root: Path) -> None:
    """Two segments of a dead worker, with refusals among its records."""
    lost: list[int] = []
    room = Room(segment_bytes=16_384, interval_seconds=0.001)
    journal = Journal(root, "w_1", on_lost=lost.append, room=room)
    async with Crew() as crew:
        _ = crew.start("journal", journal.run())
        for number in range(RECORDS):
            await until(lambda: not journal.is_full)
            journal.record(numbered(number))
            if number % 50 == 0:
                journal.record(refused(60))
                await asyncio.sleep(0.005)
    journal.close()
    assert lost == []


@pytest.mark.parametrize("share", range(SHARES))
async def test_killed_anywhere_it_ships_all_once(tmp_path: Path, share: int) -> None:
    """Whatever had been done when it was killed, its successor completes it: each record, use and sum once."""
    folder = tmp_path / "site"
    folder.mkdir()
    await migrate(sqlite_url(folder / "keywright.sqlite3"))
    await fill(folder / "journal")
    words = (sys.executable, "-m", "tests.usage.killed", str(folder), str(share), str(SHARES), "1")
    killed = await asyncio.create_subprocess_exec(
        *words, stdout=subprocess.PIPE, cwd=ROOT, env=clean_environment()
    )
    out, _ = await killed.communicate()
    told = [json.loads(line) for line in out.splitlines()]

    assert (killed.returncode, len(told) > 20) == (0, True)
    for one in told:
        at = one.pop("at")
        assert one == {
            "records": [[RECORDS, RECORDS]],
            "rolled_up": [
                [step, key, account, RECORDS, 12 * RECORDS, 1]
                for step in (60, 3600, 86_400)
                for key, account in (("", ""), ("", "acc_1"), ("key_1", "acc_1"))
            ],
            "uses": [["000000000001", RECORDS]],
            "refused": 3,
            "left": 0,
        }, at
