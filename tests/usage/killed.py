"""Kills a ledger, with SIGKILL, before each statement that it runs, and lets another one finish.

`python -m tests.usage.killed FOLDER SHARE SHARES ROUNDS` expects `journal/` and `keywright.sqlite3` there; each
ledger gets copies of both. In a loop, it is killed in the first ROUNDS. One JSON line for each kill tells where,
and what is in the database and in the journal at the end.
"""

import asyncio
import json
import os
import shutil
import signal
import sqlite3
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from gateway.clock import SystemClock
from gateway.stores.sql_engine import open_engine, sqlite_url
from gateway.stores.sql_usage import SqlUsageStore
from gateway.usage.ledger import Ledger, Pace, Watch

# The statements of these are the steps.
STEPS = (
    "usage/ledger.py",
    "usage/reading.py",
    "usage/segments.py",
    "stores/sql_usage.py",
    "stores/usage_sqlite.py",
)


async def shipped(folder: Path) -> bool:
    """A whole life of a ledger; whether nothing was left."""
    engine = open_engine(sqlite_url(folder / "keywright.sqlite3"))
    watch = Watch(lambda _: None, lambda _: None, lambda *_: None)
    store = SqlUsageStore(engine)
    ledger = Ledger(folder / "journal", store, SystemClock(), watch, Pace(batch_max=40))
    try:
        return await ledger.drain(20)
    finally:
        await engine.dispose()


def killing(at: int, rounds: int, told: int) -> Callable[[FrameType, str, Any], Any]:
    """A trace function that kills this process before statement number `at`, and says on `told` which it is."""
    seen: Counter[tuple[str, int]] = Counter()
    steps = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:  # noqa: ANN401 -- the shape of sys.settrace
        nonlocal steps
        name = frame.f_code.co_filename
        if event == "call":
            return trace if name.endswith(STEPS) else None
        if event == "line":
            place = (name, frame.f_lineno)
            seen[place] += 1
            if seen[place] <= rounds:
                steps += 1
                if steps == at:
                    os.write(told, f"{name.rpartition('/')[2]}:{frame.f_lineno}".encode())
                    os.kill(os.getpid(), signal.SIGKILL)
        return trace

    return trace


def killed_at(folder: Path, step: int, rounds: int) -> str:
    """Where a ledger on `folder` was killed; "" if it ended before it came so far."""
    heard, told = os.pipe()
    if (child := os.fork()) == 0:
        trace = killing(step, rounds, told)
        threading.settrace(trace)
        sys.settrace(trace)
        asyncio.run(shipped(folder))
        os._exit(0)
    os.close(told)
    _ = os.waitpid(child, 0)
    with os.fdopen(heard) as where:
        return where.read()


def found(folder: Path) -> dict[str, object]:
    """What is in the database, and whether the journal is empty."""
    with sqlite3.connect(folder / "keywright.sqlite3") as database:
        return {
            "records": database.execute(
                "SELECT count(*), count(DISTINCT request_id) FROM usage_records"
            ).fetchall(),
            "rolled_up": database.execute(
                "SELECT step_seconds, key_id, account_id, sum(requests), sum(bytes_out), sum(length(sketch) > 0)"
                " FROM usage_rollups GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
            ).fetchall(),
            "uses": database.execute("SELECT secret_id, count FROM secret_uses").fetchall(),
            "refused": database.execute("SELECT sum(count) FROM refused_requests").fetchone()[0],
            "left": len(list((folder / "journal").iterdir())),
        }


def main(template: Path, share: int, shares: int, rounds: int) -> None:
    """Kill before every statement out of `shares`, from number `share` on."""
    step, where = share + 1 - shares, "begin"
    while where:
        step += shares
        folder = template.with_name(f"{template.name}-{step}")
        shutil.copytree(template, folder)
        where = killed_at(folder, step, rounds)
        asyncio.run(shipped(folder))
        sys.stdout.write(json.dumps({"at": where, **found(folder)}) + "\n")
        shutil.rmtree(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
