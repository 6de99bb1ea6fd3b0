"""Usage in SQL: written in batches, read back for one key."""

__all__ = ["SqlKeyUsage", "SqlUsageStore"]

import itertools
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Row, Table, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.core.record import UsageRecord
from gateway.stores.sql_engine import (
    READ_SECONDS,
    WRITE_SECONDS,
    read_rows,
    store_errors,
    write_transaction,
)
from gateway.stores.tables import from_us, refused_requests, to_us, usage_records

_NAMES = tuple(usage_records.columns.keys())
# 16 words a row; SQLite takes 32,766 in one statement.
_ROWS_AT_ONCE = 2000


class SqlUsageStore:
    """Implements the UsageStore port."""

    def __init__(self, engine: AsyncEngine, deadline_seconds: float = WRITE_SECONDS) -> None:
        """Each call raises StoreError after `deadline_seconds`."""
        self._engine = engine
        self._deadline_seconds = deadline_seconds

    async def write(self, worker: str, first_sequence: int, records: Sequence[UsageRecord]) -> None:
        """Store `records`, numbered upwards from `first_sequence`; what is there already stays. Raises StoreError."""
        if not records:
            return
        rows = [
            (worker, sequence, *_values(record))
            for sequence, record in enumerate(records, first_sequence)
        ]
        if self._engine.dialect.name == "sqlite" and len(rows) <= _ROWS_AT_ONCE:
            await self._write_at_once(rows)
            return
        statement = _insert(self._engine, usage_records).on_conflict_do_nothing()
        async with write_transaction(
            self._engine, "write usage", self._deadline_seconds
        ) as connection:
            await connection.execute(
                statement, [dict(zip(_NAMES, row, strict=True)) for row in rows]
            )

    async def _write_at_once(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """One statement, which is its own transaction.

        Whatever SQLite's thread is asked passes the interpreter's lock to and fro between it and the
        one that serves requests. A statement for each row, with BEGIN and COMMIT around them, took
        more of a busy worker's time than the writing itself (docs/performance.md).
        """
        words = tuple(itertools.chain.from_iterable(rows))
        async with (
            store_errors("write usage", self._deadline_seconds),
            self._engine.connect() as connection,
        ):
            await connection.exec_driver_sql(_insert_many(len(rows)), words)

    async def count_refused(self, worker: str, counts: Mapping[tuple[int, str], int]) -> None:
        """Add to the counts of unauthenticated refusals by (minute since the epoch, outcome). Raises StoreError."""
        if not counts:
            return
        rows = [
            {"minute": minute, "worker": worker, "outcome": outcome, "count": count}
            for (minute, outcome), count in counts.items()
        ]
        adding = _insert(self._engine, refused_requests)
        statement = adding.on_conflict_do_update(
            index_elements=list(refused_requests.primary_key.columns),
            set_={"count": refused_requests.c.count + adding.excluded["count"]},
        )
        async with write_transaction(
            self._engine, "count refusals", self._deadline_seconds
        ) as connection:
            await connection.execute(statement, rows)


class SqlKeyUsage:
    """Implements the KeyUsageReader port."""

    def __init__(self, engine: AsyncEngine, deadline_seconds: float = READ_SECONDS) -> None:
        """Each call raises StoreError after `deadline_seconds`."""
        self._engine = engine
        self._deadline_seconds = deadline_seconds

    async def latest(self, key_id: str, count: int) -> Sequence[UsageRecord]:
        """The newest `count` records, newest first. Raises StoreError."""
        rows = await read_rows(
            self._engine,
            "read usage",
            select(usage_records)
            .where(usage_records.c.key_id == _clean(key_id))
            .order_by(usage_records.c.at_us.desc(), usage_records.c.sequence.desc())
            .limit(count),
            self._deadline_seconds,
        )
        return tuple(_record(row) for row in rows)


def _insert(engine: AsyncEngine, table: Table) -> postgresql.Insert | sqlite.Insert:
    # The same words in both languages, but SQLAlchemy has them once for each.
    if engine.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)


@lru_cache(maxsize=8)
def _insert_many(count: int) -> str:
    """One statement for `count` rows, as SQLite has it."""
    row = f"({', '.join('?' * len(_NAMES))})"
    return (
        f"INSERT INTO {usage_records.name} ({', '.join(_NAMES)}) "  # noqa: S608 -- names of our own
        f"VALUES {', '.join([row] * count)} ON CONFLICT DO NOTHING"
    )


def _clean(text: str) -> str:
    """`text` without what PostgreSQL cannot keep: U+0000, and bytes that were no UTF-8 when they came in."""
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


def _clean_or_none(text: str | None) -> str | None:
    return None if text is None else _clean(text)


def _values(record: UsageRecord) -> tuple[str | int | None, ...]:
    """The columns after the record's number, in the table's order."""
    return (
        to_us(record.at),
        _clean_or_none(record.key_id),
        _clean_or_none(record.account_id),
        _clean_or_none(record.secret_id),
        _clean_or_none(record.route),
        _clean(record.method),
        _clean(record.path),
        record.status,
        record.outcome,
        record.bytes_in,
        record.bytes_out,
        to_us(record.duration_seconds),
        _clean(record.address),
        _clean(record.request_id),
    )


def _record(row: Row[Any]) -> UsageRecord:
    return UsageRecord(
        at=from_us(row.at_us),
        key_id=row.key_id,
        account_id=row.account_id,
        secret_id=row.secret_id,
        route=row.route,
        method=row.method,
        path=row.path,
        status=row.status,
        outcome=row.outcome,
        bytes_in=row.bytes_in,
        bytes_out=row.bytes_out,
        duration_seconds=from_us(row.duration_us),
        address=row.address,
        request_id=row.request_id,
    )
