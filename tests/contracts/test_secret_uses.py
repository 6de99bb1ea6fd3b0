"""What the usage store keeps of each secret's last use, on either database: with the records, and once."""

import asyncio
import dataclasses
import time
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Row, Table, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.core.errors import StoreError
from gateway.core.record import UsageRecord
from gateway.stores.sql_engine import open_engine, read_rows, store_errors, write_transaction
from gateway.stores.sql_sqlite import run_in_thread
from gateway.stores.sql_usage import SqlUsageStore
from gateway.stores.tables import accounts, keys, secret_uses, to_us, usage_records
from gateway.stores.usage_tables import usage_positions
from tests.contracts.test_sql_faults import ANSWER_SECONDS, ENDLESS
from tests.contracts.test_usage_store import RECORD

DAY_SECONDS = 86_400
DAY = int(RECORD.at // DAY_SECONDS)


def use(
    at: float = 0.0,
    letter: str = "A",
    key: str = "key_1",
    **more: Any,  # noqa: ANN401 -- a record's fields
) -> UsageRecord:
    """A request `at` seconds after the usual one; the letter makes the secret's id."""
    values = {"secret_id": letter * 12, "key_id": key, **more}
    return dataclasses.replace(RECORD, at=RECORD.at + at, **values)


async def uses(engine: AsyncEngine) -> dict[str, tuple[int, str, str | None, int]]:
    """Time, address, route and count of each secret."""
    rows = await read_rows(engine, "look", select(secret_uses))
    return {row.secret_id: (row.at_us, row.address, row.route, row[-1]) for row in rows}


async def add_keys(engine: AsyncEngine, *ids: str) -> None:
    """Keys that were never used."""
    times = {"version": 1, "created_us": 0, "updated_us": 0, "status": "active"}
    texts = {"account_id": "acc_1", "name": "k", "type": "sk", "environment": "live"}
    lists: dict[str, Any] = {"scopes": [], "addresses": [], "origins": [], "limits": []}
    async with write_transaction(engine, "add keys") as connection:
        await connection.execute(
            insert(accounts).values(
                id="acc_1", name="Ada", plan="starter", api_access="approved", **times
            )
        )
        await connection.execute(
            insert(keys), [{"id": each, "metadata": {}, **texts, **times, **lists} for each in ids]
        )


async def days(engine: AsyncEngine) -> dict[str, int]:
    """The day of each key's last use."""
    return {row.id: row.used_day for row in await read_rows(engine, "look", select(keys))}


async def test_last_use_is_kept(sql_engine: AsyncEngine) -> None:
    """One row tells when, from where and on which route a secret was last used, and how often."""
    latest = use(5, address="192.0.2.9", route="mail")
    await SqlUsageStore(sql_engine).write("w", 1, [use(1), latest, use(3), use(2, "B", "key_2")])

    assert await uses(sql_engine) == {
        "A" * 12: (to_us(latest.at), "192.0.2.9", "mail", 3),
        "B" * 12: (to_us(RECORD.at + 2), RECORD.address, RECORD.route, 1),
    }


async def test_earlier_news_change_only_the_count(sql_engine: AsyncEngine) -> None:
    """A slow worker's batch does not put the clock back."""
    store = SqlUsageStore(sql_engine)
    await store.write("w1", 1, [use(5, address="192.0.2.9", route=None)])
    await store.write("w2", 1, [use(1, address="192.0.2.1")])

    assert await uses(sql_engine) == {"A" * 12: (to_us(RECORD.at + 5), "192.0.2.9", None, 2)}


async def test_without_a_secret_there_is_no_use(sql_engine: AsyncEngine) -> None:
    """A request that proved no secret is nobody's use."""
    await SqlUsageStore(sql_engine).write("w", 1, [use(secret_id=None), use(key_id=None)])

    assert await uses(sql_engine) == {}


async def test_failed_batch_counts_nothing(sql_engine: AsyncEngine) -> None:
    """Uses are of the same transaction as the records: none without the others."""
    store = SqlUsageStore(sql_engine)
    await add_keys(sql_engine, "key_1")
    with pytest.raises((StoreError, OverflowError)):
        await store.write("w", 1, [use(), use(bytes_in=2**80)])
    assert await uses(sql_engine) == {}
    assert await days(sql_engine) == {"key_1": 0}

    await store.write("w", 1, [use(), use()])
    assert (await uses(sql_engine))["A" * 12][3] == 2
    assert await days(sql_engine) == {"key_1": DAY}


@given(
    writes=st.lists(
        st.tuples(st.integers(0, 12), st.integers(1, 8), st.sampled_from(["w1", "w2"])), max_size=6
    )
)
@settings(
    max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
async def test_counts_are_those_of_the_records(
    sql_engine: AsyncEngine, writes: Sequence[tuple[int, int, str]]
) -> None:
    """Whatever is written again, in whole or in part, each stored record counts once, and no other."""
    store = SqlUsageStore(sql_engine)
    async with write_transaction(sql_engine, "begin again") as connection:
        await connection.execute(delete(usage_records))
        await connection.execute(delete(secret_uses))
        await connection.execute(delete(usage_positions))
    for first, length, worker in writes:
        batch = [use(n, "AB"[n % 2]) for n in range(first, first + length)]
        await store.write(worker, first, batch)

    stored = await read_rows(sql_engine, "look", select(usage_records))
    assert {name: told[3] for name, told in (await uses(sql_engine)).items()} == counted(stored)
    for secret_id, (at_us, *_) in (await uses(sql_engine)).items():
        assert at_us == max(row.at_us for row in stored if row.secret_id == secret_id)


def counted(rows: Sequence[Row[Any]]) -> dict[str, int]:
    """How many of the records each secret has."""
    ids = [row.secret_id for row in rows]
    return {secret_id: ids.count(secret_id) for secret_id in ids}


async def test_workers_add_up(sql_engine: AsyncEngine) -> None:
    """Workers that write the same secrets at once, in whatever order, wait for each other, and lose nothing."""
    await add_keys(sql_engine, *(f"key_{n}" for n in range(20)))
    batch = [use(n, chr(65 + n % 20), f"key_{n % 20}") for n in range(200)]
    orders = (batch, batch[::-1], batch[100:] + batch[:100], batch[::-1])

    async def work(number: int) -> None:
        store = SqlUsageStore(sql_engine, 20)
        for turn in range(5):
            await store.write(f"w{number}", turn * 200, orders[number])

    await asyncio.gather(*map(work, range(4)))

    assert {told[3] for told in (await uses(sql_engine)).values()} == {4 * 5 * 10}
    assert set((await days(sql_engine)).values()) == {DAY}


async def test_more_than_one_statement_holds(sql_engine: AsyncEngine) -> None:
    """The largest batch there is, each request with a secret of its own, is stored whole."""
    batch = [use(secret_id=f"{n:012d}", key_id=f"key_{n}") for n in range(10_000)]
    await SqlUsageStore(sql_engine, 30).write("w", 0, batch)

    assert len(await uses(sql_engine)) == 10_000


async def test_the_day_of_a_key_grows(sql_engine: AsyncEngine) -> None:
    """A key is known by the latest day on which it was used."""
    store = SqlUsageStore(sql_engine)
    await add_keys(sql_engine, "key_1", "key_2")
    await store.write("w", 1, [use(), use(DAY_SECONDS), use(-DAY_SECONDS)])
    assert await days(sql_engine) == {"key_1": DAY + 1, "key_2": 0}

    await SqlUsageStore(sql_engine).write("other", 1, [use()])
    assert await days(sql_engine) == {"key_1": DAY + 1, "key_2": 0}


async def test_a_key_is_written_once_a_day(sql_engine: AsyncEngine) -> None:
    """A key in steady use is not written with each batch: what somebody else did to the day stays."""
    store = SqlUsageStore(sql_engine)
    await add_keys(sql_engine, "key_1")
    await store.write("w", 1, [use()])
    async with write_transaction(sql_engine, "spoil") as connection:
        await connection.execute(keys.update().values(used_day=7))

    await store.write("w", 2, [use(1)])
    assert await days(sql_engine) == {"key_1": 7}
    await store.write("w", 3, [use(DAY_SECONDS)])
    assert await days(sql_engine) == {"key_1": DAY + 1}


@pytest.mark.parametrize("table", [secret_uses, usage_records], ids=str)
async def test_hostile_texts_of_a_use(sql_engine: AsyncEngine, table: Table) -> None:
    """Characters that no database keeps are replaced, in the records as in the uses."""
    await SqlUsageStore(sql_engine).write("w", 1, [use(route="a\0b", address="\ud800")])
    (row,) = await read_rows(sql_engine, "look", select(table))

    assert (row.route, row.address) == ("a\N{REPLACEMENT CHARACTER}b", "?")


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_a_visit_that_hangs_is_given_up(sql_url: str) -> None:
    """Work in SQLite's thread that does not return is cut off, and the next caller is served."""
    engine = open_engine(sql_url)
    began = time.monotonic()
    with pytest.raises(StoreError, match="TimeoutError"):
        async with store_errors("hang", 0.4), engine.connect() as opened:
            await run_in_thread(opened, lambda connection: connection.execute(ENDLESS).fetchall())
    assert time.monotonic() - began < ANSWER_SECONDS

    await SqlUsageStore(engine).write("w", 1, [use()])
    assert len(await uses(engine)) == 1
    await engine.dispose()
