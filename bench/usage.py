"""What recording a request costs, and how fast the ledger ships: `make bench-usage`, or `python -m bench.usage`.

Processor time, of this process, so that other work on the machine counts as little as it can. PostgreSQL is measured
when its URL is given: an empty database, of which nothing is left afterwards but the schema.
"""

__all__: list[str] = []

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

from sqlalchemy import text

from admin.stores.migrate import migrate
from gateway.clock import SystemClock
from gateway.core.record import SERVED, UsageRecord
from gateway.stores.sql_engine import open_engine, sqlite_url
from gateway.stores.sql_usage import SqlUsageStore
from gateway.usage.journal import Journal, Room
from gateway.usage.ledger import Ledger, Pace, Watch


class Nowhere:
    """Where nothing is kept: what is left is the loop."""

    is_full = False

    def record(self, record: UsageRecord) -> None:
        """Take it."""


def requests(keys: int) -> list[UsageRecord]:
    """One of each key."""
    return [
        UsageRecord(
            at=1_795_239_000.123 + number,
            key_id=f"key_BSTB2cjkS3V{number:05}",
            account_id="acc_BSTB2cjkS3Vgqsie",
            secret_id=f"0000000{number:05}",
            route="dns",
            method="GET",
            path="/v1/dns/zones",
            status=200,
            outcome=SERVED,
            bytes_in=0,
            bytes_out=746,
            duration_seconds=0.0012,
            address="127.0.0.1",
            request_id="506240c7575dcb5f445d6531f35a87bc",
        )
        for number in range(keys)
    ]


async def recorded(sink: Journal | Nowhere, records: list[UsageRecord], count: int) -> float:
    """Microseconds of processor time for each of `count` records, of the thread that records."""
    making = (
        asyncio.get_running_loop().create_task(sink.run()) if isinstance(sink, Journal) else None
    )
    spent = 0.0
    for begin in range(0, count, 1000):
        while sink.is_full:  # noqa: ASYNC110 -- a file is being made in a thread
            await asyncio.sleep(0.001)
        began = time.thread_time()
        for number in range(begin, min(count, begin + 1000)):
            sink.record(records[number % len(records)])
        spent += time.thread_time() - began
        await asyncio.sleep(0)
    if making is not None:
        making.cancel()
    return spent / count * 1e6


async def shipped(root: Path, url: str, batch: int) -> tuple[int, float, float]:
    """How many records were shipped, in how many seconds, of how much processor time here."""
    engine = open_engine(url)
    watch = Watch(lambda _: None, lambda _: None, lambda *_: None)
    ledger = Ledger(root, SqlUsageStore(engine, 60), SystemClock(), watch, Pace(batch, 0.5, 60))
    began, spent = time.monotonic(), time.process_time()
    count = await ledger.ship(lambda _: None)
    took, used = time.monotonic() - began, time.process_time() - spent
    async with engine.begin() as connection:
        for table in ("usage_records", "usage_rollups", "secret_uses"):
            await connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608 -- of our own
    await engine.dispose()
    return count, took, used


async def measure(options: argparse.Namespace, folder: Path) -> None:
    """Print the figures."""
    records = requests(options.keys)
    room = Room(journal_bytes_max=1 << 40)

    def fresh() -> Journal:
        name = f"w_{time.monotonic_ns()}"
        return Journal(folder / "journal", name, on_lost=_must_not, room=room)

    bare, kept = [], []
    for _ in range(options.rounds):
        bare.append(await recorded(Nowhere(), records, options.count))
        journal = fresh()
        kept.append(await recorded(journal, records, options.count))
        journal.close()
        if len(kept) < options.rounds:
            _ = await shipped(folder / "journal", await _sqlite(folder), options.batch)
    print(f"to record a request: {min(kept) - min(bare):.2f} us")
    urls = {"SQLite": await _sqlite(folder)}
    if options.postgres:
        urls["PostgreSQL"] = options.postgres
        await migrate(options.postgres)
    for name, url in urls.items():
        if name != "SQLite":
            journal = fresh()
            _ = await recorded(journal, records, options.count)
            journal.close()
        count, took, used = await shipped(folder / "journal", url, options.batch)
        print(
            f"to ship {count} records of {options.keys} keys into {name}: {count / took:,.0f} a second,"
            f" {used / count * 1e6:.1f} us of processor time each"
        )


async def _sqlite(folder: Path) -> str:
    url = sqlite_url(folder / "keywright.sqlite3")
    await migrate(url)
    return url


def _must_not(records: int) -> None:
    raise AssertionError(f"{records} records lost")


def main() -> None:
    """What is asked for on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200_000, help="records")
    parser.add_argument("--keys", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=10_000, help="as usage.flush_size")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--postgres", metavar="URL")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kw-") as name:
        asyncio.run(measure(options, Path(name)))


if __name__ == "__main__":
    main()
