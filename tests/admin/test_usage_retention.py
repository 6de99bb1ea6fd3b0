"""Usage is kept for as long as was asked for, on either database, and no longer."""

from collections.abc import Sequence

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.services.usage_retention import Kept, UsageRetention
from admin.stores.usage_retention import UsageRetentionStore
from gateway.core.record import UsageRecord
from gateway.stores.sql_engine import read_rows, write_transaction
from gateway.stores.sql_usage import SqlUsageStore
from gateway.stores.sql_usage_totals import SqlUsageTotals
from gateway.stores.tables import from_us, refused_requests, usage_records
from gateway.stores.usage_days import partition_day, partition_name
from gateway.stores.usage_tables import STEPS, usage_positions, usage_rollups
from tests.contracts.test_usage_rollups import MIDNIGHT, at
from tests.doubles import ManualClock

DAY = 86_400.0
TODAY = MIDNIGHT // 86_400
KEPT = Kept(3 * DAY, {60: 2 * DAY, 3600: 35 * DAY, 86_400: 400 * DAY})


def retention(engine: AsyncEngine, now: float, rows_at_once: int = 1000) -> UsageRetention:
    """What deletes old usage, `now` seconds after midnight."""
    clock = ManualClock()
    clock.advance(MIDNIGHT + now - clock.now())
    return UsageRetention(UsageRetentionStore(engine, rows_at_once), clock, KEPT)


async def days_kept(engine: AsyncEngine) -> list[float]:
    """Of all records, on which day after today they began."""
    rows = await read_rows(engine, "look", select(usage_records.c.at_us))
    return sorted((from_us(row.at_us) - MIDNIGHT) // DAY for row in rows)


async def buckets(engine: AsyncEngine) -> dict[int, int]:
    """How many rows of roll-ups there are of each step, of the gateway as a whole."""
    rows = usage_rollups.c
    found = await read_rows(
        engine, "look", select(rows.step_seconds).where(rows.key_id == "", rows.account_id == "")
    )
    return {step: sum(row.step_seconds == step for row in found) for step in STEPS}


def daily(*days: float) -> Sequence[UsageRecord]:
    """A request in the middle of each day."""
    return [at(day * DAY + DAY / 2) for day in days]


async def test_old_records_go_and_their_sums_stay(sql_engine: AsyncEngine) -> None:
    """What a key did is forgotten in detail after the time that was asked for, and counted for much longer."""
    await SqlUsageStore(sql_engine).write("w", 0, daily(-401, -36, -5, -4, -3, -2, -1, 0))
    await retention(sql_engine, DAY).once()

    assert await days_kept(sql_engine) == [-2, -1, 0]
    assert await buckets(sql_engine) == {60: 2, 3600: 6, 86_400: 7}
    total = await SqlUsageTotals(sql_engine).of_account(
        "acc_1", MIDNIGHT - 400 * DAY, MIDNIGHT + DAY
    )
    assert total.requests == 7


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_many_old_records_go_in_small_steps(sql_engine: AsyncEngine) -> None:
    """However much is old, nobody waits for more than a few rows; what a wrong clock dated is in nobody's way."""
    store = SqlUsageStore(sql_engine)
    records = [*daily(*[50] * 25), *daily(*[-9] * 60), *daily(-9, 0, -9, 0)]
    await store.write("w", 0, records)
    await retention(sql_engine, DAY, rows_at_once=10).once()

    assert await days_kept(sql_engine) == [0, 0, *[50] * 25]


async def test_nothing_is_old_enough(sql_engine: AsyncEngine) -> None:
    """A new installation loses nothing, and an empty one is no error."""
    await retention(sql_engine, 0).once()
    await SqlUsageStore(sql_engine).write("w", 0, daily(-2, 0))
    await retention(sql_engine, DAY).once()
    await retention(sql_engine, DAY).once()

    assert await days_kept(sql_engine) == [-2, 0]


async def test_what_comes_late_is_kept_all_the_same(sql_engine: AsyncEngine) -> None:
    """A journal that turns up after its day was dropped is shipped and counted, then it goes, too."""
    store = SqlUsageStore(sql_engine)
    await store.write("w1", 0, daily(-9, 0))
    await retention(sql_engine, DAY).once()
    await store.write("w2", 0, daily(-9))
    assert await days_kept(sql_engine) == [-9, 0]
    await retention(sql_engine, DAY).once()

    assert await days_kept(sql_engine) == [0]
    assert (await buckets(sql_engine))[86_400] == 2


async def test_counts_and_positions_go_too(sql_engine: AsyncEngine) -> None:
    """Neither refusals nor workers that were gone long ago pile up."""
    store = SqlUsageStore(sql_engine)
    await store.count_refused("w", {(MIDNIGHT // 60 - 9 * 1440, "x"): 1, (MIDNIGHT // 60, "x"): 1})
    await store.write("old", 0, daily(-402))
    await store.write("new", 0, daily(-4))
    await retention(sql_engine, DAY).once()
    minutes = await read_rows(sql_engine, "look", select(refused_requests.c.minute))
    workers = await read_rows(sql_engine, "look", select(usage_positions.c.worker))

    assert [row.minute for row in minutes] == [MIDNIGHT // 60]
    assert [row.worker for row in workers] == ["new"]


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_days_to_come_have_their_partition(sql_engine: AsyncEngine) -> None:
    """At midnight no request waits for a table to be made, and several nodes may make it."""
    for _ in range(2):
        await retention(sql_engine, 0).once()
    names = text("inhrelid::regclass::text")
    found = await read_rows(
        sql_engine,
        "look",
        select(names)
        .select_from(text("pg_inherits"))
        .where(text("inhparent = 'usage_records'::regclass")),
    )
    assert sorted(row[0] for row in found) == [partition_name(TODAY + day) for day in range(4)]

    await SqlUsageStore(sql_engine).write("w", 0, daily(0, 1, 3))
    in_own = select(func.count()).select_from(text(partition_name(TODAY + 1)))
    assert (await read_rows(sql_engine, "look", in_own))[0][0] == 1


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_a_ledger_goes_on_when_a_partition_is_gone(sql_engine: AsyncEngine) -> None:
    """A day that was dropped behind the ledger's back is made again for what comes late."""
    store = SqlUsageStore(sql_engine)
    await store.write("w1", 0, daily(0))
    async with write_transaction(sql_engine, "drop") as connection:
        await connection.execute(text(f"DROP TABLE {partition_name(TODAY)}"))
    with pytest.raises(Exception, match="write usage"):
        await store.write("w1", 1, daily(0))
    await store.write("w1", 1, daily(0))

    assert await days_kept(sql_engine) == [0]
    assert (await buckets(sql_engine))[86_400] == 1


@pytest.mark.parametrize("day", [0, TODAY, 2_932_896, 2_932_897, 10**8])
def test_a_partition_is_known_by_its_name(day: int) -> None:
    """Whatever a clock said, the table of a day can be told from all others."""
    assert partition_day(partition_name(day)) == day
    assert partition_day("usage_records") is None
    assert partition_day("usage_records_backup") is None
