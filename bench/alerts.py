"""What a round of looking for alerts costs with 100,000 keys and 10,000 accounts.

    make bench-alerts       (or: python -m bench.alerts --keys 1000000 --url postgresql+asyncpg://...)

Fills a database, lets the ledger's store write a minute's records, and lets the control plane's own looking
run: for the first time, with nothing new, and after each such minute. The time is that of the whole round;
the processor time is this process's, which with SQLite is all of it.
"""

__all__: list[str] = []

import argparse
import asyncio
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.plane.alerts import alerting
from admin.services.alerting import Alerting
from bench.list_data import Counts, fill
from gateway.core.record import SERVED, UsageRecord
from gateway.settings import Settings
from gateway.stores.sql_engine import open_engine, read_rows, sqlite_url
from gateway.stores.sql_usage import SqlUsageStore
from gateway.stores.tables import events, keys, to_us
from tests.doubles import ManualClock

NOW = 1_795_250_000.0
MINUTE = 60.0
ROUND_SECONDS = 60.0
_PLAN = {"starter": {"limits": [], "monthly_quota": 1000}}
_AT_ONCE = 5000


class Cost(NamedTuple):
    """One round: what it was, its seconds, its processor seconds here, and how many alerts it told."""

    name: str
    seconds: float
    processor_seconds: float
    told: int


def main() -> int:
    """Run it. Returns 0 if every round ends before the next is due."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--keys", type=int, default=100_000, help="how many (100000)")
    parser.add_argument("--accounts", type=int, default=10_000, help="how many (10000)")
    parser.add_argument("--records", type=int, default=60_000, help="in a busy minute (60000)")
    parser.add_argument("--url", help="an empty database; otherwise a SQLite file of its own")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="keywright-bench-") as folder:
        url = asked.url or sqlite_url(Path(folder) / "keywright.db")
        costs = asyncio.run(_run(url, Counts(asked.keys, asked.accounts), asked.records))
    table = Table("round", "s", "processor s", "alerts told")
    for cost in costs:
        numbers = (f"{cost.seconds:.2f}", f"{cost.processor_seconds:.2f}", f"{cost.told:,}")
        table.add_row(cost.name, *numbers)
    Console().print(table)
    return int(any(cost.seconds > ROUND_SECONDS for cost in costs))


async def _run(url: str, counts: Counts, records: int) -> list[Cost]:
    with Progress(transient=True) as progress:
        task = progress.add_task("keys", total=counts.keys)
        await fill(url, counts, to_us(NOW), lambda some: progress.advance(task, some))
    engine = open_engine(url)
    clock = ManualClock(NOW)
    looking = alerting(Settings.model_validate({"plans": _PLAN}), engine, clock)
    owners = await read_rows(engine, "read", select(keys.c.id, keys.c.account_id), 60.0)
    pairs = [(row.id, row.account_id) for row in owners]
    costs = [
        await _timed("the first", looking, engine),
        await _timed("nothing new", looking, engine),
    ]
    store, dice, sequence = SqlUsageStore(engine, 60.0), random.Random(1), 0  # noqa: S311
    for name, active in (("1,000 keys active", 1000), ("all keys active", len(pairs))):
        for turn in ("", ", again"):
            clock.advance(MINUTE)
            made = _records(records, pairs[:active], clock.now(), dice)
            for start in range(0, records, _AT_ONCE):
                part = made[start : start + _AT_ONCE]
                await store.write("w1", sequence, part)
                sequence += len(part)
            costs.append(await _timed(f"{records:,} records, {name}{turn}", looking, engine))
    await engine.dispose()
    return costs


async def _timed(name: str, looking: Alerting, engine: AsyncEngine) -> Cost:
    before = await _events(engine)
    began, processor = time.perf_counter(), time.process_time()
    await looking.once()
    took, burnt = time.perf_counter() - began, time.process_time() - processor
    return Cost(name, took, burnt, await _events(engine) - before)


async def _events(engine: AsyncEngine) -> int:
    rows = await read_rows(engine, "count", select(func.count()).select_from(events))
    return int(rows[0][0])


def _records(
    count: int, pairs: list[tuple[str, str]], now: float, dice: random.Random
) -> list[UsageRecord]:
    return [
        UsageRecord(
            at=now - dice.random() * MINUTE,
            key_id=key_id,
            account_id=account_id,
            secret_id=None,
            route="dns",
            method="GET",
            path="/v1/dns/zones",
            status=200,
            outcome=SERVED,
            bytes_in=0,
            bytes_out=500,
            duration_seconds=0.01,
            address=f"192.0.2.{sum(key_id.encode()) % 250}",
            request_id="r",
        )
        for key_id, account_id in (dice.choice(pairs) for _ in range(count))
    ]


if __name__ == "__main__":
    sys.exit(main())
