"""A batch of usage on its way into SQL: the records, the last use of each secret, and the day of each key.

All of it in one transaction. What counts as a use is what was really added: a batch that is written
again, because the answer to it got lost, adds nothing and counts nothing.
"""

__all__ = [
    "UsageBatch",
    "clean",
    "fresh_days",
    "record_columns",
    "write_postgresql",
    "write_sqlite",
]

import itertools
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, TypeAlias, TypeVar

from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.core.record import UsageRecord
from gateway.stores.tables import to_us, usage_records

Row: TypeAlias = tuple[Any, ...]
Item = TypeVar("Item")

_DAY_US: Final = 86_400_000_000
# 16 words a row; SQLite takes 32,766 in one statement. A power of two, see `_parts`.
_ROWS_AT_ONCE: Final = 512

_NAMES: Final = tuple(usage_records.columns.keys())
_WORKER, _SEQUENCE, _AT, _KEY, _SECRET, _ROUTE, _ADDRESS = (
    _NAMES.index(name)
    for name in ("worker", "sequence", "at_us", "key_id", "secret_id", "route", "address")
)
_COLUMNS: Final = ", ".join(_NAMES)
_USE_COLUMNS: Final = "secret_id, key_id, at_us, address, route, count"
# Batches of several workers come in any order: an earlier use never takes a later one's place.
_ADD_USE: Final = """
ON CONFLICT (secret_id) DO UPDATE SET
    count = secret_uses.count + excluded.count,
    address = CASE WHEN excluded.at_us < secret_uses.at_us THEN secret_uses.address ELSE excluded.address END,
    route = CASE WHEN excluded.at_us < secret_uses.at_us THEN secret_uses.route ELSE excluded.route END,
    at_us = CASE WHEN excluded.at_us < secret_uses.at_us THEN secret_uses.at_us ELSE excluded.at_us END
"""


@dataclass(frozen=True, slots=True)
class UsageBatch:
    """`rows` as `usage_records` has its columns; `days` are those of keys that may not have them yet."""

    rows: Sequence[Row]
    days: Mapping[str, int]


def fresh_days(rows: Iterable[Row], known: Mapping[str, int]) -> dict[str, int]:
    """The day (since the epoch) of the last use of each key that is not `known` to have it."""
    fresh: dict[str, int] = {}
    for row in rows:
        key_id, day = row[_KEY], row[_AT] // _DAY_US
        if key_id is not None and known.get(key_id, -1) < day and fresh.get(key_id, -1) < day:
            fresh[key_id] = day
    return fresh


def record_columns(record: UsageRecord) -> Row:
    """The columns after the record's worker and number, in the table's order."""
    return (
        to_us(record.at),
        _clean_or_none(record.key_id),
        _clean_or_none(record.account_id),
        _clean_or_none(record.secret_id),
        _clean_or_none(record.route),
        clean(record.method),
        clean(record.path),
        record.status,
        record.outcome,
        record.bytes_in,
        record.bytes_out,
        to_us(record.duration_seconds),
        clean(record.address),
        clean(record.request_id),
    )


def clean(text: str) -> str:
    """`text` without what PostgreSQL cannot keep: U+0000, and bytes that were no UTF-8 when they came in."""
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


def _clean_or_none(text: str | None) -> str | None:
    return None if text is None else clean(text)


def write_sqlite(connection: sqlite3.Connection, batch: UsageBatch) -> None:
    """Store the batch; blocks, so it is to be run in the connection's thread. Raises what sqlite3 raises.

    All statements in one visit to that thread: each time it is asked something, the interpreter's lock
    goes to and fro between it and the one that serves requests, which costs a busy worker more than the
    writing itself (docs/performance.md).
    """
    try:
        connection.execute("BEGIN IMMEDIATE")
        for uses in _parts(_uses(_add(connection, batch.rows))):
            connection.execute(_insert_uses(len(uses)), _flat(uses))
        for day, key_ids in _by_day(batch.days):
            connection.execute(_mark(len(key_ids)), (day, day, *key_ids))
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise


def _add(connection: sqlite3.Connection, rows: Sequence[Row]) -> Sequence[Row]:
    """Store the rows; returns those that were not there already."""
    if _insert_all(connection, rows) == len(rows):
        return rows
    # The batch, or a part of it, was written before: which, can only be seen without it.
    connection.rollback()
    connection.execute("BEGIN IMMEDIATE")
    known = {
        sequence
        for (sequence,) in connection.execute(
            "SELECT sequence FROM usage_records WHERE worker = ? AND sequence BETWEEN ? AND ?",
            (rows[0][_WORKER], rows[0][_SEQUENCE], rows[-1][_SEQUENCE]),
        )
    }
    new = [row for row in rows if row[_SEQUENCE] not in known]
    _insert_all(connection, new)
    return new


def _insert_all(connection: sqlite3.Connection, rows: Sequence[Row]) -> int:
    return sum(
        connection.execute(_insert_records(len(part)), _flat(part)).rowcount
        for part in _parts(rows)
    )


def _uses(rows: Iterable[Row]) -> Sequence[Row]:
    """The last use of each secret among the rows, and how many there are."""
    last: dict[str, Row] = {}
    counts: dict[str, int] = {}
    for row in rows:
        secret_id = row[_SECRET]
        if secret_id is None or row[_KEY] is None:
            continue
        counts[secret_id] = counts.get(secret_id, 0) + 1
        known = last.get(secret_id)
        if known is None or row[_AT] >= known[_AT]:
            last[secret_id] = row
    return [
        (secret_id, row[_KEY], row[_AT], row[_ADDRESS], row[_ROUTE], counts[secret_id])
        for secret_id, row in last.items()
    ]


def _by_day(days: Mapping[str, int]) -> Iterator[tuple[int, Sequence[str]]]:
    of_day: dict[int, list[str]] = {}
    for key_id, day in days.items():
        of_day.setdefault(day, []).append(key_id)
    for day, key_ids in of_day.items():
        for part in _parts(key_ids):
            yield day, part


def _parts(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """As many at once as fit into a statement, in powers of two: so there are ten statements, not one for each length.

    The driver keeps 128 prepared ones. With one for each length they took 240 MiB and were seldom met again, and a
    record cost 5.1 us; it is 1.4 us with these (docs/performance.md).
    """
    start = 0
    while left := len(items) - start:
        size = min(_ROWS_AT_ONCE, 1 << (left.bit_length() - 1))
        yield items[start : start + size]
        start += size


def _flat(rows: Iterable[Row]) -> Row:
    return tuple(itertools.chain.from_iterable(rows))


@lru_cache(maxsize=16)
def _insert_records(count: int) -> str:
    return (
        f"INSERT INTO usage_records ({_COLUMNS}) VALUES {_places(count, len(_NAMES))}"  # noqa: S608 -- our own
        " ON CONFLICT DO NOTHING"
    )


@lru_cache(maxsize=64)
def _insert_uses(count: int) -> str:
    return f"INSERT INTO secret_uses ({_USE_COLUMNS}) VALUES {_places(count, 6)} {_ADD_USE}"  # noqa: S608


@lru_cache(maxsize=64)
def _mark(count: int) -> str:
    return f"UPDATE keys SET used_day = ? WHERE used_day < ? AND id IN {_places(1, count)}"  # noqa: S608


def _places(rows: int, columns: int) -> str:
    row = f"({', '.join('?' * columns)})"
    return ", ".join([row] * rows)


async def write_postgresql(connection: AsyncConnection, batch: UsageBatch) -> None:
    """Store the batch in one statement, which is its own transaction. Raises what SQLAlchemy raises."""
    columns = [list(column) for column in zip(*batch.rows, strict=True)]
    days = list(batch.days.items())
    await connection.exec_driver_sql(
        _POSTGRESQL, (*columns, [key_id for key_id, _ in days], [day for _, day in days])
    )


_ARRAYS: Final = ", ".join(
    f"${number}::{column.type.compile(postgresql.dialect())}[]"  # type: ignore[no-untyped-call]
    for number, column in enumerate(usage_records.columns, 1)
)
# Rows are locked in the order of their ids: two workers then cannot wait for each other in a circle.
_POSTGRESQL: Final = f"""
WITH added AS (
    INSERT INTO usage_records ({_COLUMNS}) SELECT * FROM unnest({_ARRAYS})
    ON CONFLICT DO NOTHING
    RETURNING key_id, secret_id, at_us, address, route
), uses AS (
    SELECT DISTINCT ON (secret_id)
        {_USE_COLUMNS.removesuffix("count")} count(*) OVER (PARTITION BY secret_id) AS count
    FROM added WHERE secret_id IS NOT NULL AND key_id IS NOT NULL
    ORDER BY secret_id, at_us DESC
), marked AS (
    UPDATE keys SET used_day = fresh.day FROM (
        SELECT keys.id, given.day
        FROM keys JOIN unnest(${len(_NAMES) + 1}::text[], ${len(_NAMES) + 2}::bigint[]) AS given (id, day)
        USING (id) WHERE keys.used_day < given.day ORDER BY keys.id FOR UPDATE OF keys
    ) AS fresh WHERE keys.id = fresh.id
)
INSERT INTO secret_uses ({_USE_COLUMNS}) SELECT {_USE_COLUMNS} FROM uses ORDER BY secret_id {_ADD_USE}
"""  # noqa: S608 -- names of our own
