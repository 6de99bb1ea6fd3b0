"""How long one page of a list takes when there are a million keys: every filter in every order, on both databases.

    make bench-list          (or: python -m bench.list --keys 100000 --only sqlite)

Fills a database as an installation fills it in three years, then asks the store that the admin API asks: for
the first page of each list, and for the one behind the middle of all keys in that order. A page is 50 keys
with their secrets and last uses. SQLite gets a file of its own, PostgreSQL a server of its own (the machine's
binaries, else the wheel's), as the tests have it. Then it is told by which indexes the lists are found.
"""

__all__: list[str] = []

import argparse
import asyncio
import contextlib
import re
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from sqlalchemy import Select, event, select
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.core.page import PageRequest, encoded
from admin.stores.key_filter import KeyFilter, KeySort
from admin.stores.key_listing import list_ids
from admin.stores.keys import KeyStore
from bench.list_data import DAY, Counts, fill
from gateway.core.errors import StoreError
from gateway.stores.sql_engine import open_engine, read_rows, sqlite_url
from gateway.stores.tables import keys
from tests.fixtures_sql import Postgres, binaries, free_port, owner, start, wait_until_it_answers

LIMIT_MS = 50.0
NOW = 1_795_250_000.0

_DAY = DAY / 1e6
_TURNS = 5
_PLACES: Mapping[KeySort, Any] = {
    "-created": keys.c.created_us,
    "created": keys.c.created_us,
    "name": keys.c.name,
    "-name": keys.c.name,
    "expires": keys.c.expires_us,
    "last_used": keys.c.used_day,
}
_LISTS: Mapping[str, Mapping[str, Any]] = {
    "all": {},
    "an account of 1 in 10,000": {"account_id": "acc_0000000000001500"},
    "an account of 1 in 10": {"account_id": "acc_0000000000000000"},
    "an owner": {"owner_id": "usr_0000000000000700"},
    "active": {"state": "active"},
    "disabled": {"state": "disabled"},
    "revoked": {"state": "revoked"},
    "expired": {"state": "expired"},
    "not yet valid": {"state": "not_yet_valid"},
    "type pk": {"type": "pk"},
    "environment test": {"environment": "test"},
    "unused for 30 days": {"unused_for_seconds": 30 * _DAY},
    "unused for 2 years": {"unused_for_seconds": 730 * _DAY},
    "older than 90 days": {"older_than_seconds": 90 * _DAY},
    "older than 1090 days": {"older_than_seconds": 1090 * _DAY},
    "expiring in 7 days": {"expiring_in_seconds": 7 * _DAY},
    "expiring in 30 days": {"expiring_in_seconds": 30 * _DAY},
    "expiring in a year": {"expiring_in_seconds": 365 * _DAY},
    "deleted": {"deleted": True},
    "q: in one name": {"search": "0123456"},
    "q: in one name of 12": {"search": "billing"},
    "q: in no name": {"search": "zzzz"},
    "q: a secret": {"search": "sk_live_9aB3…"},
    "q in an account of 1 in 10": {"search": "0012", "account_id": "acc_0000000000000000"},
    "active, type pk, test": {"state": "active", "type": "pk", "environment": "test"},
    "active, unused for 30 days": {"state": "active", "unused_for_seconds": 30 * _DAY},
}


class Figures(NamedTuple):
    """One list in one order, in milliseconds: the median of a first and of a later page, and the slowest of all."""

    first: float
    later: float
    slowest: float


def main() -> int:
    """Run it. Returns 0 if no median is over the limit."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--keys", type=int, default=1_000_000, help="how many (1000000)")
    parser.add_argument("--only", choices=["sqlite", "postgresql"], help="one database")
    options = parser.parse_args()
    databases = [options.only] if options.only else ["sqlite", "postgresql"]
    slow = [asyncio.run(_measure(name, options.keys)) for name in databases]
    return 0 if not any(slow) else 1


async def _measure(name: str, count: int) -> int:
    console = Console(width=150)
    async with _database(name) as url:
        await _fill(url, count)
        engine = open_engine(url)
        try:
            middles = {sort: await _middle(engine, sort, count) for sort in _PLACES}
            return await _tell(console, f"{name}: one page of {count:,} keys, ms", engine, middles)
        finally:
            await engine.dispose()


async def _tell(
    console: Console, title: str, engine: AsyncEngine, middles: Mapping[KeySort, str]
) -> int:
    table = Table(title=title, caption="median of the first page / of one in the middle")
    table.add_column("list")
    for sort in _PLACES:
        table.add_column(sort, justify="right")
    table.add_column("slowest", justify="right")
    slow = 0
    for label, words in _LISTS.items():
        all_figures = [
            await _time(engine, KeyFilter(**words, sort=sort), middles[sort]) for sort in _PLACES
        ]
        slow += sum(max(each.first, each.later) > LIMIT_MS for each in all_figures)
        cells = [_cell(each) for each in all_figures]
        table.add_row(label, *cells, f"{max(each.slowest for each in all_figures):.0f}")
        sys.stderr.write(".")
        sys.stderr.flush()
    sys.stderr.write("\n")
    console.print(table)
    console.print(f"{slow} of {len(_LISTS) * len(_PLACES)} medians over {LIMIT_MS:.0f} ms")
    await _tell_indexes(console, engine)
    return slow


def _cell(figures: Figures) -> str:
    return " / ".join(
        f"[bold red]{each:.0f}[/]" if each > LIMIT_MS else f"{each:.0f}"
        for each in (figures.first, figures.later)
    )


async def _time(engine: AsyncEngine, wanted: KeyFilter, middle: str) -> Figures:
    store = KeyStore(engine)
    spent: dict[str | None, list[float]] = {None: [], middle: []}
    for _ in range(_TURNS):
        for cursor, times in spent.items():
            began = time.perf_counter()
            with contextlib.suppress(StoreError):  # its deadline is what counts then
                await store.list(wanted, PageRequest(50, cursor), NOW)
            times.append((time.perf_counter() - began) * 1000)
    first, later = (statistics.median(times) for times in spent.values())
    return Figures(first, later, max(max(times) for times in spent.values()))


async def _middle(engine: AsyncEngine, sort: KeySort, count: int) -> str:
    """A cursor behind half of all keys that have a value in this order."""
    column = _PLACES[sort]
    has_value: Select[Any] = select(column.label("place"), keys.c.id).where(column.is_not(None))
    ordered = has_value.order_by(column, keys.c.id).limit(1)
    half = count // 4 if sort == "expires" else count // 2
    (row,) = await read_rows(engine, "find the middle", ordered.offset(half), 60.0)
    return encoded(f"keys.{sort}", row.place, row.id)


async def _tell_indexes(console: Console, engine: AsyncEngine) -> None:
    """By which indexes each list is found, as the database itself explains it."""
    table = Table(title="what EXPLAIN says of the first page, by -created and by name")
    for heading in ("list", "-created", "name"):
        table.add_column(heading)
    for label, words in _LISTS.items():
        cells = [
            await _indexes(engine, KeyFilter(**words, sort=sort)) for sort in ("-created", "name")
        ]
        table.add_row(label, *cells)
    console.print(table)


async def _indexes(engine: AsyncEngine, wanted: KeyFilter) -> str:
    asked: list[tuple[str, Any]] = []

    def note(*words: Any) -> None:  # noqa: ANN401 -- as SQLAlchemy calls it
        asked.append((words[2], words[3]))

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    try:
        await list_ids(engine, wanted, PageRequest(50), NOW)
    finally:
        event.remove(engine.sync_engine, "before_cursor_execute", note)
    explain = "EXPLAIN QUERY PLAN " if engine.dialect.name == "sqlite" else "EXPLAIN "
    found: dict[str, None] = {}
    async with engine.connect() as connection:
        for statement, words in asked:
            if "count(*)" not in statement and statement.lstrip().startswith(("SELECT", "WITH")):
                rows = await connection.exec_driver_sql(explain + statement, tuple(words))
                found.update(dict.fromkeys(_named("\n".join(str(row[-1]) for row in rows))))
    return "\n".join(found)


def _named(plan: str) -> Iterator[str]:
    for name in re.findall(r"\b(?:ix|pk|sqlite_autoindex)_\w+", plan):
        if not name.endswith("_users_disabled"):
            yield name
    yield from re.findall(r"Seq Scan on keys|SCAN keys(?! USING)", plan)


async def _fill(url: str, count: int) -> None:
    columns = (TextColumn("{task.description:24}"), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("filling, then indexing", total=count)
        await fill(
            url, Counts(count), round(NOW * 1e6), lambda done: progress.update(task, advance=done)
        )


def _open_for_all(folder: Path) -> None:
    # The server runs as somebody else when we are root.
    folder.chmod(0o755)
    (folder / "server").mkdir()


@contextlib.asynccontextmanager
async def _database(name: str) -> AsyncIterator[str]:
    """The URL of an empty database, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="kw-list-", ignore_cleanup_errors=True) as text:
        folder = Path(text)
        if name == "sqlite":
            yield sqlite_url(folder / "keywright.db")
            return
        _open_for_all(folder)
        server = Postgres(free_port())
        process = start(folder / "server", binaries(folder), owner(), server.port)
        try:
            await wait_until_it_answers(server)
            await server.execute("CREATE DATABASE bench")
            yield server.url("bench")
        finally:
            process.send_signal(signal.SIGQUIT)
            process.wait(60)


if __name__ == "__main__":
    sys.exit(main())
