"""What becomes of a quota in real stores when one of them is lost under workers that live on (docs/quotas.md)."""

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.core.meters import Meters
from gateway.core.quota import Month, Quota, QuotaTally, Ruling, month_at
from gateway.core.record import SERVED, UsageRecord
from gateway.stores.quota_desk import QuotaDesk
from gateway.stores.quota_pots import QuotaPots, pot_key
from gateway.stores.quota_settling import QuotaSettler
from gateway.stores.quota_tables import quota_months
from gateway.stores.quota_view import QuotaView
from gateway.stores.redis_client import RedisStore
from gateway.stores.sql_engine import database_path, open_engine
from gateway.stores.sql_quotas import SqlQuotas
from gateway.stores.sql_usage import SqlUsageStore
from gateway.stores.sql_usage_totals import SqlUsageTotals
from tests.doubles import ManualClock
from tests.fixtures_valkey import ValkeyServer

ACCOUNT = "acc_1"
LIMIT = 300
SQL_SECONDS = 10.0
BUSY_SECONDS = 0.1


class Worker:
    """One process's meter and desk, on the stores that all share."""

    def __init__(self, name: str, engine: AsyncEngine, redis: RedisStore) -> None:
        meters = Meters()
        sets_aside = SqlQuotas(engine, SqlUsageTotals(engine), SQL_SECONDS)
        self.clock = ManualClock(time.time())
        self.desk = QuotaDesk(meters, QuotaPots(redis, name), sets_aside, self.clock, lambda: 2)
        self.meter = meters.of(ACCOUNT, Quota(LIMIT))

    async def serve(self, times: int) -> int:
        """So many requests, one after the other; how many are let through."""
        served = 0
        for _ in range(times):
            ruling = self.meter.judge(self.clock.monotonic(), is_critical=False)
            while ruling is Ruling.ASK:
                await self.desk.fill(self.meter)
                ruling = self.meter.judge(self.clock.monotonic(), is_critical=False)
            if ruling is Ruling.SERVE:
                served += 1
                self.meter.ended(0, is_counted=True)
        return served

    async def look(self) -> None:
        """Tell all, as after a while in which nothing is asked."""
        await self.desk.look(self.meter)


@pytest.fixture
async def own_store(own_valkey: ValkeyServer) -> AsyncIterator[RedisStore]:
    """The client, on a server that may be killed."""
    async with RedisStore.open(own_valkey.url, deadline_seconds=10.0) as store:
        await store.check()
        yield store


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Nobody can write to SQLite meanwhile."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield
        connection.execute("ROLLBACK")


async def heals(store: RedisStore) -> None:
    """Until the client has found its server again."""
    async with asyncio.timeout(15):
        while not store.is_healthy:  # noqa: ASYNC110 -- it tells one listener alone
            await asyncio.sleep(0.01)


def this_month() -> Month:
    """The one that Redis's clock is in, too."""
    return month_at(time.time_ns() // 1000)


async def recorded(engine: AsyncEngine, count: int) -> None:
    """So many requests stand in the usage records."""
    at = time.time() - 1
    records = [
        UsageRecord(
            at,
            "key_1",
            ACCOUNT,
            "0" * 12,
            "dns",
            "GET",
            "/",
            200,
            SERVED,
            0,
            0,
            0.1,
            "::1",
            f"r{n}",
        )
        for n in range(count)
    ]
    await SqlUsageStore(engine).write("w", 1, records)


@pytest.mark.parametrize("database", ["sqlite"])
async def test_redis_is_killed_and_comes_back_empty(
    sql_engine: AsyncEngine, own_valkey: ValkeyServer, own_store: RedisStore
) -> None:
    """Requests go on meanwhile and after, and of all together never more than the quota are let through."""
    workers = [Worker(f"w_{number}", sql_engine, own_store) for number in range(2)]
    assert [await one.serve(30) for one in workers] == [30, 30]
    own_valkey.kill()
    assert [await one.serve(30) for one in workers] == [30, 30]
    own_valkey.start()
    await heals(own_store)
    after = [await one.serve(LIMIT) for one in workers]

    assert LIMIT - 120 - 10 <= sum(after) <= LIMIT - 120


@pytest.mark.parametrize("database", ["sqlite"])
async def test_redis_is_away_for_a_while(
    sql_engine: AsyncEngine, own_valkey: ValkeyServer, own_store: RedisStore
) -> None:
    """What was served meanwhile is counted when it is back, and stands in what accounts are shown."""
    worker = Worker("w_1", sql_engine, own_store)
    assert await worker.serve(30) == 30
    month = this_month().name
    before = own_valkey.command("DUMP", pot_key(ACCOUNT, month))
    own_valkey.kill()
    assert await worker.serve(40) == 40
    own_valkey.start()
    own_valkey.command("RESTORE", pot_key(ACCOUNT, month), 0, before)
    await heals(own_store)
    await worker.look()
    seen = await QuotaView(own_store).seen(ACCOUNT, month)

    assert seen is not None
    assert seen.requests == 70
    assert await worker.serve(LIMIT) == LIMIT - 70


@pytest.mark.parametrize("database", ["sqlite"])
async def test_sql_is_away_for_a_while(sql_url: str, redis_store: RedisStore) -> None:
    """Redis goes on up to the quota; once SQL is back it knows of all, and a flush lets nothing more through."""
    engine = open_engine(sql_url, busy_seconds=BUSY_SECONDS)
    worker = Worker("w_1", engine, redis_store)
    assert await worker.serve(2) == 2
    path = database_path(sql_url)
    assert path is not None
    with locked(path):
        assert await worker.serve(LIMIT + 9) == LIMIT - 2
    worker.clock.advance(2.0)
    await worker.look()
    await redis_store.write("flush", "FLUSHALL")
    worker.clock.advance(2.0)
    other = Worker("w_2", engine, redis_store)

    assert await worker.serve(5) + await other.serve(5) == 0
    await engine.dispose()


@pytest.mark.parametrize("database", ["sqlite"])
async def test_what_a_flush_made_unknown_is_settled_by_the_records(
    sql_engine: AsyncEngine, redis_store: RedisStore, tmp_path: Path
) -> None:
    """After a flush a quota is at nothing less than what was used; once the records are in SQL, at nothing more."""
    workers = [Worker(f"w_{number}", sql_engine, redis_store) for number in range(2)]
    assert [await one.serve(50) for one in workers] == [50, 50]
    await redis_store.write("flush", "FLUSHALL")
    for one in workers:
        await one.look()
    view, month = QuotaView(redis_store), this_month()
    seen = await view.seen(ACCOUNT, month.name)
    assert seen is not None
    assert seen.requests >= 100

    await recorded(sql_engine, 100)
    async with sql_engine.begin() as connection:
        # Half a minute ago: so long it is waited for who may yet tell.
        await connection.execute(
            update(quota_months).values(unsettled_us=quota_months.c.unsettled_us - 30_000_000)
        )
    clock = ManualClock(time.time())
    settler = QuotaSettler(sql_engine, redis_store, clock, tmp_path, QuotaTally())
    await settler.join()
    hears = settler.hears(lambda _: None, lambda: True)
    for _ in range(3):
        clock.advance(10.0)
        hears(0.0)
        await settler.settle()
    seen = await view.seen(ACCOUNT, month.name)

    assert seen is not None
    assert seen.requests == 100
    for one in workers:
        one.clock.advance(2.0)
    assert sum([await one.serve(LIMIT) for one in workers]) == LIMIT - 100
