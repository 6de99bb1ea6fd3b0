"""A batch of usage written into SQLite."""

__all__ = ["write_sqlite"]

import itertools
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, TypeVar

from gateway.core.latency import BYTES_MAX, compact
from gateway.stores.usage_batch import RECORD_COLUMNS, UsageBatch
from gateway.stores.usage_rollup import Rollup
from gateway.stores.usage_words import (
    ADD_USE,
    ROLLUP_COLUMNS,
    ROLLUP_KEY,
    USE_COLUMNS,
    add_rollup,
)

Item = TypeVar("Item")
Row = tuple[Any, ...]

# 14 words a row; SQLite takes 32,766 in one statement. A power of two, see `_parts`.
_ROWS_AT_ONCE: Final = 512
# The end of the index of each of a thousand keys is held, and written back once for many batches: half of system time.
_SPACE: Final = ("PRAGMA cache_size = -16384", "PRAGMA wal_autocheckpoint = 8192")
_NAMED: Final = " AND ".join(f"{name} = ?" for name in ROLLUP_KEY)
# Put together two blobs become a text, of the same bytes.
_ADD_ROLLUP: Final = add_rollup("CAST(usage_rollups.sketch || excluded.sketch AS BLOB)")


def write_sqlite(connection: sqlite3.Connection, batch: UsageBatch) -> Mapping[str, int]:
    """Store the batch, unless some of it is stored already: then nothing of it is.

    Returns up to which number each of its workers has entries in SQL, as it was before. Blocks, so it is to be run
    in the connection's thread; all statements in one visit, because each time that thread is asked something the
    interpreter's lock goes to and fro between it and the one that serves requests. Raises what sqlite3 raises.
    """
    try:
        for pragma in _SPACE:
            connection.execute(pragma)
        connection.execute("BEGIN IMMEDIATE")
        before = _positions(connection, list(batch.begins))
        if not batch.is_behind(before):
            _write(connection, batch)
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise
    return before


def _positions(connection: sqlite3.Connection, workers: Sequence[str]) -> Mapping[str, int]:
    return dict(
        row
        for part in _parts(workers)
        for row in connection.execute(
            "SELECT worker, next_sequence FROM usage_positions"  # noqa: S608 -- our own
            f" WHERE worker IN {_places(1, len(part))}",
            part,
        )
    )


def _write(connection: sqlite3.Connection, batch: UsageBatch) -> None:
    for rows in _parts(batch.rows):
        connection.execute(_insert_records(len(rows)), _flat(rows))
    for rollups in _parts(batch.rollups):
        _roll_up(connection, rollups)
    for uses in _parts(batch.uses):
        connection.execute(_insert_uses(len(uses)), _flat(uses))
    for day, key_ids in _by_day(batch.days):
        connection.execute(_mark(len(key_ids)), (day, day, *key_ids))
    connection.executemany(
        "INSERT OR REPLACE INTO usage_positions (worker, next_sequence, at_us) VALUES (?, ?, ?)",
        [(worker, end, batch.at_us) for worker, end in batch.ends.items()],
    )


def _roll_up(connection: sqlite3.Connection, rollups: Sequence[Rollup]) -> None:
    lengths = connection.execute(_insert_rollups(len(rollups)), _flat(rollups)).fetchall()
    for row, (length,) in zip(rollups, lengths, strict=True):
        if length > BYTES_MAX:
            _compact(connection, row)


def _compact(connection: sqlite3.Connection, row: Rollup) -> None:
    key = row[:7]
    ((sketch,),) = connection.execute(f"SELECT sketch FROM usage_rollups WHERE {_NAMED}", key)  # noqa: S608
    connection.execute(
        f"UPDATE usage_rollups SET sketch = ? WHERE {_NAMED}",  # noqa: S608 -- our own
        (compact(sketch), *key),
    )


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
    names = ", ".join(RECORD_COLUMNS)
    return f"INSERT INTO usage_records ({names}) VALUES {_places(count, len(RECORD_COLUMNS))}"  # noqa: S608 -- our own


@lru_cache(maxsize=16)
def _insert_rollups(count: int) -> str:
    return (
        f"INSERT INTO usage_rollups ({ROLLUP_COLUMNS}) VALUES {_places(count, 12)}"  # noqa: S608
        f" {_ADD_ROLLUP} RETURNING length(sketch)"
    )


@lru_cache(maxsize=16)
def _insert_uses(count: int) -> str:
    return f"INSERT INTO secret_uses ({USE_COLUMNS}) VALUES {_places(count, 6)} {ADD_USE}"  # noqa: S608


@lru_cache(maxsize=16)
def _mark(count: int) -> str:
    return f"UPDATE keys SET used_day = ? WHERE used_day < ? AND id IN {_places(1, count)}"  # noqa: S608


def _places(rows: int, columns: int) -> str:
    row = f"({', '.join('?' * columns)})"
    return ", ".join([row] * rows)
