"""A batch of usage written into PostgreSQL, in which records are divided by day."""

__all__ = ["make_days", "write_postgresql"]

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.core.latency import BYTES_MAX, compact
from gateway.stores.sql_postgresql import run_in_transaction
from gateway.stores.usage_batch import RECORD_COLUMNS, UsageBatch
from gateway.stores.usage_days import DAY_US, partition_name
from gateway.stores.usage_rollup import Rollup
from gateway.stores.usage_tables import usage_rollups
from gateway.stores.usage_words import (
    ADD_USE,
    ROLLUP_COLUMNS,
    ROLLUP_KEY,
    USE_COLUMNS,
    add_rollup,
)

# Whoever waits for a lock on a table makes all behind it wait, too.
_LOCK_WAIT: Final = "SET LOCAL lock_timeout = '2s'"
_LOCKED_WHILE_DIVIDED: Final = 0x6B770004


async def write_postgresql(opened: AsyncConnection, batch: UsageBatch) -> Mapping[str, int]:
    """Store the batch, unless some of it is stored already: then nothing of it is.

    Returns up to which number each of its workers has entries in SQL, as it was before. Raises DBAPIError.
    """

    async def write(driver: Any) -> Mapping[str, int]:  # noqa: ANN401 -- asyncpg has no types
        # Also locks them: a ledger that was given up may still be about to commit.
        found = await driver.fetch(_POSITIONS, sorted(batch.begins))
        before = {row["worker"]: row["next_sequence"] for row in found}
        if not batch.is_behind(before):
            await _write(driver, batch)
        return before

    return await run_in_transaction(opened, write)


async def _write(driver: Any, batch: UsageBatch) -> None:  # noqa: ANN401 -- asyncpg has no types
    await driver.copy_records_to_table(
        "usage_records", records=batch.rows, columns=list(RECORD_COLUMNS)
    )
    ends = batch.ends
    await driver.execute(_MOVE, list(ends), list(ends.values()), batch.at_us)
    if batch.days:
        await driver.execute(_MARK, list(batch.days), list(batch.days.values()))
    await driver.execute(_ADD_USES, *_columns(batch.uses, 6))
    # Last: other machines add to the same rows, and wait for this one until it is done.
    for row in await driver.fetch(_ADD_ROLLUPS, *_columns(batch.rollups, len(Rollup._fields))):
        *key, sketch = row
        await driver.execute(_COMPACT, *key, compact(sketch))


async def make_days(opened: AsyncConnection, days: Collection[int]) -> None:
    """Make the partitions of these days (since the epoch) that are not there yet. Raises DBAPIError."""

    async def make(driver: Any) -> None:  # noqa: ANN401 -- asyncpg has no types
        await driver.execute(_LOCK_WAIT)
        await driver.execute(f"SELECT pg_advisory_xact_lock({_LOCKED_WHILE_DIVIDED})")
        for day in sorted(days):
            name = partition_name(day)
            if await driver.fetchval("SELECT to_regclass($1)", name) is None:
                # In two steps, because attaching locks out nobody who reads or writes.
                await driver.execute(
                    f"CREATE TABLE {name} (LIKE usage_records INCLUDING ALL EXCLUDING IDENTITY)"
                )
                await driver.execute(
                    f"ALTER TABLE usage_records ATTACH PARTITION {name}"
                    f" FOR VALUES FROM ({day * DAY_US}) TO ({(day + 1) * DAY_US})"
                )

    await run_in_transaction(opened, make)


def _columns(rows: Sequence[Sequence[Any]], width: int) -> Iterable[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[]] * width


_POSITIONS: Final = """
INSERT INTO usage_positions (worker, next_sequence, at_us) SELECT given, 0, 0 FROM unnest($1::text[]) AS given
ON CONFLICT (worker) DO UPDATE SET worker = excluded.worker RETURNING worker, next_sequence
"""
_MOVE: Final = """
UPDATE usage_positions SET next_sequence = given.next_sequence, at_us = $3
FROM unnest($1::text[], $2::bigint[]) AS given (worker, next_sequence) WHERE usage_positions.worker = given.worker
"""
# Rows are locked in the order of their ids: two ledgers then cannot wait for each other in a circle.
_MARK: Final = """
UPDATE keys SET used_day = fresh.day FROM (
    SELECT keys.id, given.day FROM keys JOIN unnest($1::text[], $2::bigint[]) AS given (id, day) USING (id)
    WHERE keys.used_day < given.day ORDER BY keys.id FOR UPDATE OF keys
) AS fresh WHERE keys.id = fresh.id
"""
_ADD_USES: Final = f"""
INSERT INTO secret_uses ({USE_COLUMNS})
SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::bigint[]) {ADD_USE}
"""  # noqa: S608 -- names of our own
_ROLLUP_ARRAYS: Final = ", ".join(
    f"${number}::{column.type.compile(postgresql.dialect())}[]"  # type: ignore[no-untyped-call]
    for number, column in enumerate(usage_rollups.columns, 1)
)
_ROLLUP_NAME: Final = ", ".join(f'"{name}"' for name in ROLLUP_KEY)
_ADD_ROLLUPS: Final = f"""
WITH added AS (
    INSERT INTO usage_rollups ({ROLLUP_COLUMNS}) SELECT * FROM unnest({_ROLLUP_ARRAYS})
    {add_rollup("usage_rollups.sketch || excluded.sketch")}
    RETURNING {_ROLLUP_NAME}, sketch
)
SELECT * FROM added WHERE length(sketch) > {BYTES_MAX}
"""  # noqa: S608 -- names of our own
_COMPACT: Final = (
    "UPDATE usage_rollups SET sketch = $8 WHERE "  # noqa: S608 -- names of our own
    + " AND ".join(f'"{name}" = ${number}' for number, name in enumerate(ROLLUP_KEY, 1))
)
