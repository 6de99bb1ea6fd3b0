"""Usage that is older than it is to be kept, deleted in steps that hold nobody up."""

__all__ = ["UsageRetentionStore"]

from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Delete, delete, func, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.stores.sql_engine import WRITE_SECONDS, read_rows, store_errors, write_transaction
from gateway.stores.tables import refused_requests, to_us, usage_records
from gateway.stores.usage_days import DAY_US, partition_day
from gateway.stores.usage_tables import usage_positions, usage_rollups

_ROWS_AT_ONCE = 1000
_DAYS_AHEAD = 3
_PARTITIONS = text(
    "SELECT inhrelid::regclass::text AS name FROM pg_inherits"
    " WHERE inhparent = 'usage_records'::regclass ORDER BY 1"
)
# Whoever waits for a lock on a table makes all behind it wait, too: then the next round will do.
_LOCK_WAIT = text("SET LOCAL lock_timeout = '1s'")


class Step(NamedTuple):
    """How many records were deleted, and behind which id to go on; None at the end."""

    deleted: int
    behind: int | None


class UsageRetentionStore:
    """Every method is one short transaction, and raises StoreError when the database cannot answer."""

    def __init__(self, engine: AsyncEngine, rows_at_once: int = _ROWS_AT_ONCE) -> None:
        """`engine` is open, on a database of the present schema."""
        self._engine = engine
        self._rows = rows_at_once
        self.has_partitions = engine.dialect.name == "postgresql"

    async def make_days(self, now: float) -> None:
        """Have partitions for today and some days to come, so that no request of a new day waits for one."""
        # Here, because the driver is installed only where PostgreSQL is used.
        from gateway.stores.usage_postgresql import make_days  # noqa: PLC0415

        today = to_us(now) // DAY_US
        async with (
            store_errors("make partitions", WRITE_SECONDS),
            self._engine.connect() as opened,
        ):
            connection = await opened.execution_options(isolation_level="AUTOCOMMIT")
            await make_days(connection, range(today, today + _DAYS_AHEAD + 1))

    async def drop_day(self, before: float) -> str | None:
        """Drop a partition all of whose requests began before; its name, or None when there is none."""
        async with write_transaction(self._engine, "drop a partition") as connection:
            await connection.execute(_LOCK_WAIT)
            for (name,) in (await connection.execute(_PARTITIONS)).all():
                day = partition_day(name)
                if day is not None and (day + 1) * DAY_US <= to_us(before):
                    await connection.execute(text(f"DROP TABLE {name}"))
                    return str(name)
        return None

    async def delete_records(self, before: float, behind: int) -> Step:
        """Of the next records in the order in which they came, delete those that began before."""
        ids = usage_records.c.id
        some = select(ids).where(ids > behind).order_by(ids).limit(self._rows).subquery()
        columns: list[ColumnElement[Any]] = [func.max(some.c.id), func.count()]
        rows = await read_rows(self._engine, "look for old usage", select(*columns))
        last, count = tuple(rows[0])
        if last is None:
            return Step(0, None)
        deleted = await self._run(
            delete(usage_records).where(
                ids > behind, ids <= last, usage_records.c.at_us < to_us(before)
            )
        )
        return Step(deleted, last if count == self._rows else None)

    async def delete_rollups(self, step_seconds: int, before: float) -> int:
        """Delete the oldest bucket of this step, if it ended before; how many rows that were."""
        rows = usage_rollups.c
        oldest = select(func.min(rows.at)).where(
            rows.step_seconds == step_seconds, rows.at <= int(before) - step_seconds
        )
        return await self._run(
            delete(usage_rollups).where(
                rows.step_seconds == step_seconds, rows.at == oldest.scalar_subquery()
            )
        )

    async def delete_counts(self, before: float) -> int:
        """Delete the counts of refusals without a key of the minutes before; how many rows that were."""
        minute = refused_requests.c.minute
        return await self._run(delete(refused_requests).where(minute < int(before) // 60))

    async def delete_positions(self, before: float) -> int:
        """Forget how far workers came whose last request began before; how many rows that were."""
        at_us = usage_positions.c.at_us
        return await self._run(delete(usage_positions).where(at_us < to_us(before)))

    async def _run(self, statement: Delete) -> int:
        async with write_transaction(self._engine, "delete old usage") as connection:
            done = await connection.execute(statement)
        return done.rowcount
