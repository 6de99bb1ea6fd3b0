"""What the usage store owes the ledger and its reader, on either database."""

import dataclasses

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.core.errors import StoreError
from gateway.core.record import UsageRecord
from gateway.stores.sql_engine import read_rows
from gateway.stores.sql_usage import SqlUsageStore
from gateway.stores.tables import refused_requests
from tests.hostile import HOSTILE
from tests.usage_rows import stored_records

RECORD = UsageRecord(
    at=1_795_239_000.123456,
    key_id="key_1",
    account_id="acc_1",
    secret_id="0123456789AB",
    route="dns",
    method="GET",
    path="/v1/dns/zones/é",
    status=200,
    outcome="served",
    bytes_in=10,
    bytes_out=5_000_000_000,
    duration_seconds=0.25,
    address="2001:db8::1",
    request_id="r-1",
)


def named(*names: str) -> list[UsageRecord]:
    """Records that begin one second after the other."""
    return [
        dataclasses.replace(RECORD, request_id=name, at=RECORD.at + second)
        for second, name in enumerate(names)
    ]


async def names_of(engine: AsyncEngine) -> list[str]:
    """The request ids of the key's newest records."""
    return [record.request_id for record in await stored_records(engine, "key_1")]


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(RECORD, id="served"),
        pytest.param(dataclasses.replace(RECORD, route=None, status=499), id="client-went-away"),
        pytest.param(
            dataclasses.replace(RECORD, account_id=None, secret_id=None), id="little-is-known"
        ),
    ],
)
async def test_record_comes_back_whole(sql_engine: AsyncEngine, record: UsageRecord) -> None:
    """What a customer is shown of a request is what happened."""
    await SqlUsageStore(sql_engine).write("w1", 1, [record])

    assert await stored_records(sql_engine, "key_1") == (record,)


async def test_written_again_changes_nothing(sql_engine: AsyncEngine) -> None:
    """A batch whose answer was lost is sent again, and no request is counted twice."""
    store = SqlUsageStore(sql_engine)
    await store.write("w1", 1, named("a", "b"))
    await store.write("w1", 1, named("a", "b"))
    await store.write("w1", 2, named("other", "c"))

    assert sorted(await names_of(sql_engine)) == ["a", "b", "c"]


async def test_workers_number_on_their_own(sql_engine: AsyncEngine) -> None:
    """Two workers with the same sequence both keep their records."""
    store = SqlUsageStore(sql_engine)
    await store.write("w1", 1, named("a"))
    await store.write("w2", 1, named("b"))

    assert sorted(await names_of(sql_engine)) == ["a", "b"]


async def test_batch_is_all_or_nothing(sql_engine: AsyncEngine) -> None:
    """A batch that fails leaves no part of itself, so that sending it again is right."""
    broken = dataclasses.replace(RECORD, request_id="broken", bytes_in=2**80)
    with pytest.raises((StoreError, OverflowError)):
        await SqlUsageStore(sql_engine).write("w1", 1, [*named("a"), broken])

    assert await names_of(sql_engine) == []


async def test_empty_batches_are_nothing(sql_engine: AsyncEngine) -> None:
    """A writer with nothing to say may say so."""
    store = SqlUsageStore(sql_engine)
    await store.write("w1", 1, [])
    await store.count_refused("w1", {})

    assert await names_of(sql_engine) == []


async def test_a_thousand_at_once(sql_engine: AsyncEngine) -> None:
    """A batch of the size that a busy worker makes is stored whole."""
    await SqlUsageStore(sql_engine).write("w1", 1, named(*map(str, range(1000))))

    assert len(await names_of(sql_engine)) == 1000


async def test_only_the_keys_own(sql_engine: AsyncEngine) -> None:
    """Nobody sees another key's requests."""
    other = dataclasses.replace(RECORD, key_id="key_2")
    nobody = dataclasses.replace(RECORD, key_id=None)
    await SqlUsageStore(sql_engine).write("w1", 1, [*named("mine"), other, nobody])

    assert await names_of(sql_engine) == ["mine"]


async def test_the_highest_total_of_refusals_stands(sql_engine: AsyncEngine) -> None:
    """A flood is one row per minute, worker and reason; totals that are written again, or late, change nothing."""
    store = SqlUsageStore(sql_engine)
    await store.count_refused("w1", {(7, "unknown_key"): 3, (8, "unknown_key"): 1})
    await store.count_refused("w1", {(7, "unknown_key"): 7})
    await store.count_refused("w1", {(7, "unknown_key"): 3, (8, "unknown_key"): 1})
    await store.count_refused("w2", {(7, "unknown_key"): 1})
    order = refused_requests.select().order_by(refused_requests.c.minute, refused_requests.c.worker)

    assert [tuple(row) for row in await read_rows(sql_engine, "look", order)] == [
        (7, "w1", "unknown_key", 7),
        (7, "w2", "unknown_key", 1),
        (8, "w1", "unknown_key", 1),
    ]


async def test_hostile_texts_are_kept_as_texts(sql_engine: AsyncEngine) -> None:
    """What an attacker puts into a request is stored, or its unstorable characters replaced; nothing runs."""
    records = [
        dataclasses.replace(RECORD, path=text, method=text[:20], request_id=str(number))
        for number, text in enumerate(HOSTILE)
    ]
    await SqlUsageStore(sql_engine).write("w1", 1, records)
    latest = await stored_records(sql_engine, "key_1")
    stored = {record.request_id: record.path for record in latest}

    assert len(stored) == len(HOSTILE)
    for number, text in enumerate(HOSTILE):
        assert stored[str(number)] in {text, text.replace("\0", "\ufffd")} or not text.isprintable()
