"""How long a look-up takes when there are 50 million records: sums of a month, and single requests.

    make bench-lookup          (or: python -m bench.lookup --only sqlite --raw 100000)

Fills a month of 500 keys in 50 accounts. The roll-ups are those of 50 million requests: by hour and day of every key,
every account and the gateway; by minute, of which there would be fifty times as many rows, of the key, account and
gateway that are asked about. Of the records themselves a part is filled (`--raw`, a million if not said), a tenth of
them that key's. Then the service is asked that the admin API and the commands ask.
"""

__all__: list[str] = []

import argparse
import asyncio
import random
import sqlite3
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Final

import asyncpg  # type: ignore[import-untyped]
from rich.console import Console
from rich.table import Table
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.core.caller import operator
from admin.core.page import PageRequest
from admin.core.span import span_of
from admin.services.usage import (
    EVERYTHING,
    RequestFilter,
    Timeframe,
    UsageService,
    of_account,
    of_key,
)
from admin.stores.migrate import migrate
from admin.stores.usage_requests import RequestStore
from admin.stores.usage_rollups import RollupStore
from bench.list import _database
from gateway.core.latency import Latency
from gateway.stores.sql_engine import database_path, open_engine, write_transaction
from gateway.stores.tables import accounts, keys, usage_records
from gateway.stores.usage_tables import usage_rollups
from tests.contracts.test_key_reader import KEY_ROW

LIMIT_MS: Final = 100.0
_PROMISED: Final = "a month of one key, by day"
REQUESTS: Final = 50_000_000
KEYS, ACCOUNTS, DAYS = 500, 50, 30
DAY: Final = 86_400
NOW: Final = 1_795_219_200 + 9 * 3600 + 17.5
_BEGIN: Final = int(NOW) // DAY * DAY - DAYS * DAY
_TURNS: Final = 9
_AT_ONCE: Final = 20_000
_KEY, _ACCOUNT = "key_bench000000000000", "acc_bench000000000000"
_OPERATOR: Final = operator("bench")
# Route, class of status, outcome, and how large a part of all requests that is.
_KINDS: Final = (
    ("dns", 2, "served", 0.6),
    ("servers", 2, "served", 0.3),
    ("dns", 4, "served", 0.07),
    ("dns", 4, "rate_limited", 0.03),
)
_ROLLUP_COLUMNS: Final = [column.name for column in usage_rollups.columns]
_RECORD_COLUMNS: Final = [column.name for column in usage_records.columns if column.name != "id"]

Row = tuple[Any, ...]
Ask = Callable[[], Awaitable[object]]


def main() -> int:
    """Run it. Returns 0 if a month of one key is below the limit on every database."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--raw", type=int, default=1_000_000, help="records of single requests (1000000)"
    )
    parser.add_argument("--only", choices=["sqlite", "postgresql"], help="one database")
    options = parser.parse_args()
    databases = [options.only] if options.only else ["sqlite", "postgresql"]
    results = [asyncio.run(_measure(name, options.raw)) for name in databases]
    return 0 if all(results) else 1


async def _measure(name: str, raw: int) -> bool:
    async with _database(name) as url:
        began = time.monotonic()
        await migrate(url)
        engine = open_engine(url, statement_seconds=0)
        try:
            await _fill_keys(engine)
            rolled_up = await _put(url, "usage_rollups", _ROLLUP_COLUMNS, _rollups())
            if name == "postgresql":
                await _make_days(engine)
            filled = await _put(url, "usage_records", _RECORD_COLUMNS, _records(raw))
            await _settle(url)
            Console(width=120).print(
                f"{name}: filled in {time.monotonic() - began:.0f} s: {rolled_up:,} roll-ups of {REQUESTS:,} requests,"
                f" {filled:,} records of single requests"
            )
            return await _tell(name, engine)
        finally:
            await engine.dispose()


async def _tell(name: str, engine: AsyncEngine) -> bool:
    table = Table(title=f"{name}: milliseconds")
    for heading in ("asked", "points", "median", "slowest"):
        table.add_column(heading, justify="left" if heading == "asked" else "right")
    is_good = True
    for label, (ask, points) in _asked(engine).items():
        times = []
        for _ in range(_TURNS):
            began = time.perf_counter()
            await ask()
            times.append((time.perf_counter() - began) * 1000)
        median = statistics.median(times)
        table.add_row(label, str(points or ""), f"{median:.1f}", f"{max(times):.1f}")
        is_good = is_good and not (label == _PROMISED and median > LIMIT_MS)
    Console(width=120).print(table)
    return is_good


class _Clock:
    """Stands still at the end of the month."""

    def now(self) -> float:
        return NOW

    def monotonic(self) -> float:
        return 0.0


def _asked(engine: AsyncEngine) -> Mapping[str, tuple[Ask, int]]:
    service = UsageService(RequestStore(engine), RollupStore(engine), _Clock())
    month, day = NOW - DAYS * DAY, NOW - DAY

    def series(subject: Any, since: float, step: str | None) -> tuple[Ask, int]:  # noqa: ANN401
        async def ask() -> object:
            return await service.series(_OPERATOR, subject, Timeframe(since, None, step))

        return ask, len(span_of(since, None, step, NOW).starts())

    def requests(**wanted: Any) -> tuple[Ask, int]:  # noqa: ANN401
        async def ask() -> object:
            page = PageRequest(50)
            return await service.requests(_OPERATOR, of_key(_KEY), RequestFilter(**wanted), page)

        return ask, 0

    return {
        _PROMISED: series(of_key(_KEY), month, None),
        "a month of one key, by hour": series(of_key(_KEY), month, "hour"),
        "a day of one key, by minute": series(of_key(_KEY), day, "minute"),
        "a month of an account, by hour": series(of_account(_ACCOUNT), month, "hour"),
        "a month of the gateway, by day": series(EVERYTHING, month, None),
        "a key's newest 50 requests": requests(),
        "50 of them that were refused": requests(outcome="rate_limited"),
        "20,000 looked at for none": requests(request_id="none"),
    }


async def _fill_keys(engine: AsyncEngine) -> None:
    account = {
        "name": "Bench",
        "plan": "starter",
        "status": "active",
        "api_access": "approved",
        "version": 1,
        "created_us": 0,
        "updated_us": 0,
    }
    async with write_transaction(engine, "fill", None) as connection:
        await connection.execute(insert(accounts).values(id=_ACCOUNT, **account))
        row = {**KEY_ROW, "id": _KEY, "account_id": _ACCOUNT, "owner_id": None, "version": 1}
        await connection.execute(insert(keys).values({**row, "created_us": 0}))


def _rollups() -> Iterator[Row]:
    """Whose they are does not change how long a look-up takes: all keys have the same."""
    chance = random.Random(1)  # noqa: S311 -- a benchmark
    sketches = [_sketch(chance) for _ in range(50)]
    a_day = REQUESTS / KEYS / DAYS
    for number in range(KEYS):
        account = _ACCOUNT if number % ACCOUNTS == 0 else f"acc_{number % ACCOUNTS:016}"
        key = _KEY if not number else f"key_{number:016}"
        yield from _month(key, account, a_day, sketches, minutes=not number)
    for number in range(ACCOUNTS):
        account = f"acc_{number:016}" if number else _ACCOUNT
        yield from _month("", account, a_day * KEYS / ACCOUNTS, sketches, minutes=not number)
    yield from _month("", "", a_day * KEYS, sketches, minutes=True)


def _sketch(chance: random.Random) -> bytes:
    latency = Latency()
    for _ in range(400):
        latency.add(chance.lognormvariate(-4, 0.6))
    return latency.to_bytes()


def _month(
    key: str, account: str, a_day: float, sketches: list[bytes], *, minutes: bool
) -> Iterator[Row]:
    steps = (60, 3600, DAY) if minutes else (3600, DAY)
    for step in steps:
        for at in range(_BEGIN, _BEGIN + (DAYS + 1) * DAY, step):
            for route, status, outcome, share in _KINDS:
                count = max(1, round(a_day * share * step / DAY))
                sketch = sketches[(at // step + status) % len(sketches)]
                yield (
                    *(key, account, step, at, route, status, outcome),
                    *(count, 0, count * 2000, count * 20_000, sketch),
                )


def _records(count: int) -> Iterator[Row]:
    every_us = (DAYS * DAY + DAY // 3) * 1_000_000 // max(count, 1)
    for number in range(count):
        is_ours = number % 10 == 0
        route, status, outcome, _ = _KINDS[0 if number % 100 < 97 else 3]
        yield (
            _BEGIN * 1_000_000 + number * every_us,
            _KEY if is_ours else f"key_{number % KEYS:016}",
            _ACCOUNT if is_ours else f"acc_{number % ACCOUNTS:016}",
            *("9aB3xY7qLm2P", route, "GET", f"/v1/dns/zones/{number % 1000}"),
            *(status * 100, outcome if is_ours and number % 200 else "rate_limited"),
            *(0, 2000, 20_000, "203.0.113.7", f"{number:032x}"),
        )


async def _make_days(engine: AsyncEngine) -> None:
    from gateway.stores.usage_postgresql import make_days  # noqa: PLC0415 -- its driver is an extra

    async with engine.connect() as opened:
        connection = await opened.execution_options(isolation_level="AUTOCOMMIT")
        await make_days(connection, range(_BEGIN // DAY, _BEGIN // DAY + DAYS + 2))


async def _put(url: str, table: str, columns: list[str], rows: Iterator[Row]) -> int:
    path = database_path(url)
    count = 0
    if path is not None:
        return await asyncio.to_thread(_put_sqlite, path, table, columns, rows)
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        while part := _taken(rows):
            await connection.copy_records_to_table(table, records=part, columns=columns)
            count += len(part)
    finally:
        await connection.close()
    return count


def _put_sqlite(path: Path, table: str, columns: list[str], rows: Iterator[Row]) -> int:
    count = 0
    connection = sqlite3.connect(path)
    places = ", ".join("?" * len(columns))
    statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})"  # noqa: S608 -- our own names
    while part := _taken(rows):
        connection.executemany(statement, part)
        connection.commit()
        count += len(part)
    connection.close()
    return count


def _taken(rows: Iterator[Row]) -> list[Row]:
    return list(islice(rows, _AT_ONCE))


async def _settle(url: str) -> None:
    """What a database does by itself some time after so much was written."""
    if database_path(url) is not None:
        return
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()


if __name__ == "__main__":
    sys.exit(main())
