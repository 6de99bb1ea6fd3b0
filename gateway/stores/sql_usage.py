"""Usage in SQL: written in batches, read back for one key."""

__all__ = ["SqlUsageStore"]

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.core.record import UsageRecord, row_of
from gateway.ports import UsageRun
from gateway.stores.sql_engine import (
    WRITE_SECONDS,
    store_errors,
    write_transaction,
)
from gateway.stores.sql_sqlite import run_in_thread
from gateway.stores.tables import refused_requests
from gateway.stores.usage_batch import UsageBatch, batch_of
from gateway.stores.usage_days import DAY_US
from gateway.stores.usage_sqlite import write_sqlite

# What is forgotten is written once more, in vain.
_DAYS_MAX = 200_000
# Of so many days, the newest in a batch, the tables are looked for once.
_DAYS_KNOWN = 2


class SqlUsageStore:
    """Implements the UsageStore port; with the records it keeps when, and from where, each secret was last used."""

    def __init__(self, engine: AsyncEngine, deadline_seconds: float = WRITE_SECONDS) -> None:
        """Each call raises StoreError after `deadline_seconds`."""
        self._engine = engine
        self._is_sqlite = engine.dialect.name == "sqlite"
        self._deadline_seconds = deadline_seconds
        # Of which keys the day of their last use is known to stand in SQL.
        self._days: dict[str, int] = {}
        # Which days have a table of their own to be written to.
        self._partitions: set[int] = set()

    async def write(self, worker: str, first_sequence: int, records: Sequence[UsageRecord]) -> None:
        """Store `records`, numbered upwards from `first_sequence`. Raises StoreError.

        Below the highest number that was ever stored of `worker` nothing is: that is taken for stored.
        """
        await self.ship([UsageRun(worker, first_sequence, [*map(row_of, records)])])

    async def ship(self, runs: Sequence[UsageRun]) -> None:
        """Store what is not stored yet, with all that is counted of it, in one transaction. Raises StoreError."""
        positions: Mapping[str, int] = {}
        while True:
            # Thousands of rows: whatever else this process answers does not wait for them.
            batch = await asyncio.to_thread(batch_of, runs, positions, self._days)
            if not batch.rows:
                return
            positions = await self._write(batch)
            if not batch.is_behind(positions):
                break
        if len(self._days) > _DAYS_MAX:
            self._days.clear()
        self._days.update(batch.days)

    async def _write(self, batch: UsageBatch) -> Mapping[str, int]:
        async with (
            store_errors("write usage", self._deadline_seconds),
            self._engine.connect() as opened,
        ):
            if self._is_sqlite:
                return await run_in_thread(opened, partial(write_sqlite, batch=batch))
            return await self._write_postgresql(opened, batch)

    async def _write_postgresql(
        self, opened: AsyncConnection, batch: UsageBatch
    ) -> Mapping[str, int]:
        # Here, because the driver is installed only where PostgreSQL is used.
        from gateway.stores.usage_postgresql import make_days, write_postgresql  # noqa: PLC0415

        connection = await opened.execution_options(isolation_level="AUTOCOMMIT")
        days = {row[0] // DAY_US for row in batch.rows}
        try:
            if days - self._partitions:
                await make_days(connection, days)
                # Older ones may be dropped any time.
                self._partitions = {day for day in days if day > max(days) - _DAYS_KNOWN}
            return await write_postgresql(connection, batch)
        except BaseException:
            # Somebody may have dropped one.
            self._partitions.clear()
            raise

    async def count_refused(self, worker: str, totals: Mapping[tuple[int, str], int]) -> None:
        """Raise what stands for (minute since the epoch, outcome) of `worker` to these totals. Raises StoreError."""
        if not totals:
            return
        # In one order: two who write the same rows cannot wait for each other in a circle.
        rows = [
            {"minute": minute, "worker": worker, "outcome": outcome, "count": total}
            for (minute, outcome), total in sorted(totals.items())
        ]
        adding = _insert(self._engine, refused_requests)
        statement = adding.on_conflict_do_update(
            index_elements=list(refused_requests.primary_key.columns),
            set_={"count": adding.excluded["count"]},
            where=refused_requests.c.count < adding.excluded["count"],
        )
        async with write_transaction(
            self._engine, "count refusals", self._deadline_seconds
        ) as connection:
            await connection.execute(statement, rows)


def _insert(engine: AsyncEngine, table: Table) -> postgresql.Insert | sqlite.Insert:
    # The same words in both languages, but SQLAlchemy has them once for each.
    if engine.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)
