"""Records of usage through an upgrade: all are there, are summed up, and none comes in again."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.services.schema import migrate
from gateway.core.record import UsageRecord
from gateway.stores.sql_engine import open_engine, read_rows, write_transaction
from gateway.stores.sql_usage import SqlUsageStore
from gateway.stores.sql_usage_totals import SqlUsageTotals, Total
from gateway.stores.tables import to_us, usage_records
from gateway.stores.usage_tables import usage_positions, usage_rollups
from tests.admin.test_migrate import downgraded, make_older
from tests.contracts.test_usage_rollups import MIDNIGHT, at
from tests.usage_rows import stored_records

BEFORE = "0003"
# One of them on the day before, one of nobody.
RECORDS = [
    dataclasses.replace(record, request_id=str(number))
    for number, record in enumerate((at(-1), at(5), at(65, route=None), at(3600, account_id=None)))
]


def row_of(record: UsageRecord, worker: str, sequence: int) -> dict[str, object]:
    """A record as the older release kept it."""
    values = dataclasses.asdict(record)
    began, took = values.pop("at"), values.pop("duration_seconds")
    return {
        "worker": worker,
        "sequence": sequence,
        "at_us": to_us(began),
        "duration_us": to_us(took),
        **values,
    }


async def make_with_usage(url: str) -> None:
    """A database as the older release left it, with two workers' records."""
    await make_older(url, BEFORE)
    rows = [row_of(each, f"w{n % 2}", 7 + n) for n, each in enumerate(RECORDS)]
    names = ", ".join(rows[0])
    places = ", ".join(f":{name}" for name in rows[0])
    engine = open_engine(url)
    async with write_transaction(engine, "prepare") as connection:
        await connection.execute(
            text(f"INSERT INTO usage_records ({names}) VALUES ({places})"),  # noqa: S608
            rows,
        )
    await engine.dispose()


async def every(engine: AsyncEngine, *columns: Any) -> Sequence[Any]:  # noqa: ANN401
    """Rows of these columns, sorted."""
    return sorted(await read_rows(engine, "look", select(*columns)), key=tuple)


async def test_records_survive_an_upgrade(empty_sql_url: str) -> None:
    """What a key did before the upgrade is shown and counted after it."""
    await make_with_usage(empty_sql_url)
    await migrate(empty_sql_url)
    engine = open_engine(empty_sql_url)

    assert await stored_records(engine, "key_1") == tuple(reversed(RECORDS))
    totals = SqlUsageTotals(engine)
    assert await totals.of_account("acc_1", MIDNIGHT, MIDNIGHT + 86_400) == Total(2, 2, 20)
    assert await totals.of_account("acc_1", MIDNIGHT - 60, MIDNIGHT + 60) == Total(2, 2, 20)
    rows = usage_rollups.c
    summed = await every(engine, rows.step_seconds, rows.key_id, rows.account_id, rows.requests)
    assert sum(row.requests for row in summed if row.step_seconds == 60 and row.key_id) == 4
    assert sum(row.requests for row in summed if not row.key_id and not row.account_id) == 3 * 4
    await engine.dispose()


async def test_what_was_shipped_before_is_not_shipped_again(empty_sql_url: str) -> None:
    """A ledger that was cut off by the upgrade goes on behind what the one before it had written."""
    await make_with_usage(empty_sql_url)
    await migrate(empty_sql_url)
    engine = open_engine(empty_sql_url)
    store = SqlUsageStore(engine)
    await store.write("w0", 7, [at(0), at(0), at(0), at(7)])
    await store.write("w1", 9, [at(0), at(0), at(8)])

    positions = usage_positions.c
    assert await every(engine, positions.worker, positions.next_sequence) == [
        ("w0", 11),
        ("w1", 12),
    ]
    ((count,),) = await every(engine, func.count(usage_records.c.id))
    assert count == len(RECORDS) + 2
    await engine.dispose()


async def test_records_survive_a_way_back(empty_sql_url: str) -> None:
    """An operator who goes back to the older release still has all records, and may come again."""
    await make_with_usage(empty_sql_url)
    await migrate(empty_sql_url)
    await downgraded(empty_sql_url, BEFORE)
    await migrate(empty_sql_url)
    engine = open_engine(empty_sql_url)

    assert await stored_records(engine, "key_1") == tuple(reversed(RECORDS))
    await engine.dispose()
