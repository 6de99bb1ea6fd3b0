"""What is summed up of usage, on either database: all of it, once, however it was written."""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.core.latency import BYTES_MAX, Latency
from gateway.core.record import UsageRecord, row_of
from gateway.ports import UsageRun
from gateway.stores.sql_engine import read_rows, write_transaction
from gateway.stores.sql_usage import SqlUsageStore
from gateway.stores.sql_usage_totals import Span, SqlUsageTotals, Total, spans
from gateway.stores.tables import usage_records
from gateway.stores.usage_tables import STEPS, usage_positions, usage_rollups
from tests.contracts.test_usage_store import RECORD

# 2026-11-21 00:00 UTC.
MIDNIGHT = 1_795_219_200


def at(second: float, **more: Any) -> UsageRecord:  # noqa: ANN401 -- a record's fields
    """A request so many seconds after midnight."""
    return dataclasses.replace(RECORD, at=MIDNIGHT + second, bytes_in=1, bytes_out=10, **more)


async def sums(engine: AsyncEngine, **wanted: object) -> list[tuple[object, ...]]:
    """Of the roll-ups with these columns: bucket, route, class, outcome, requests, bytes and time."""
    rows = usage_rollups.c
    found = await read_rows(
        engine,
        "look",
        select(*list(rows)[3:11])
        .where(*(rows[name] == value for name, value in wanted.items()))
        .order_by(*list(rows)[:7]),
    )
    return [tuple(row) for row in found]


async def test_requests_are_summed_up_by_all_that_tells_them_apart(sql_engine: AsyncEngine) -> None:
    """A minute has one row for each route, class of status and outcome; time and bytes add up in it."""
    records = [
        at(1),
        at(59.9),
        at(2, status=204),
        at(3, status=404),
        at(4, route=None, status=429, outcome="rate_limited"),
        at(61),
    ]
    await SqlUsageStore(sql_engine).write("w1", 0, records)

    assert await sums(sql_engine, key_id="key_1", step_seconds=60) == [
        (MIDNIGHT, "", 4, "rate_limited", 1, 1, 10, 250_000),
        (MIDNIGHT, "dns", 2, "served", 3, 3, 30, 750_000),
        (MIDNIGHT, "dns", 4, "served", 1, 1, 10, 250_000),
        (MIDNIGHT + 60, "dns", 2, "served", 1, 1, 10, 250_000),
    ]


async def test_accounts_and_the_gateway_are_summed_up_too(sql_engine: AsyncEngine) -> None:
    """The rows of an account are those of its keys, the gateway's those of all accounts, in each step."""
    records = [
        at(1),
        at(2, key_id="key_2"),
        at(3600, key_id="key_3", account_id="acc_2"),
        at(4, key_id="key_4", account_id=None),
        at(5, key_id=None, account_id=None),
    ]
    await SqlUsageStore(sql_engine).write("w1", 0, records)

    for step in STEPS:
        totals: dict[tuple[str, str], int] = {}
        rows = usage_rollups.c
        for row in await read_rows(
            sql_engine, "look", select(usage_rollups).where(rows.step_seconds == step)
        ):
            name = (row.key_id, row.account_id)
            totals[name] = totals.get(name, 0) + row.requests
        assert totals == {
            ("", ""): 5,
            ("", "acc_1"): 2,
            ("", "acc_2"): 1,
            ("key_1", "acc_1"): 1,
            ("key_2", "acc_1"): 1,
            ("key_3", "acc_2"): 1,
            ("key_4", ""): 1,
        }
    assert len(await sums(sql_engine, key_id="", account_id="", step_seconds=3600)) == 2
    assert len(await sums(sql_engine, key_id="", account_id="", step_seconds=86_400)) == 1


async def test_a_late_request_counts_in_its_own_time(sql_engine: AsyncEngine) -> None:
    """What comes out of a journal a day later is added to the day on which it happened."""
    store = SqlUsageStore(sql_engine)
    await store.write("w1", 0, [at(86_400)])
    await store.write("w2", 0, [at(-1), at(86_401)])

    assert [row[0:5:4] for row in await sums(sql_engine, key_id="key_1", step_seconds=86_400)] == [
        (MIDNIGHT - 86_400, 1),
        (MIDNIGHT + 86_400, 2),
    ]


async def test_latencies_of_many_batches_are_kept_short(sql_engine: AsyncEngine) -> None:
    """However many batches add to one row, its latencies are all there, and it does not grow with them."""
    store = SqlUsageStore(sql_engine)
    count, batches = 40, 30
    for number in range(batches):
        records = [at(1, duration_seconds=(n + 1) / 1000) for n in range(count)]
        await store.write("w1", number * count, records)
    kept = await read_rows(sql_engine, "look", select(usage_rollups.c.sketch))

    assert len(kept) == 9
    for (sketch,) in kept:
        assert isinstance(sketch, bytes)
        assert len(sketch) < 2 * BYTES_MAX
        latency = Latency.from_bytes(sketch)
        assert latency.count == count * batches
        assert latency.quantiles([0.5]) == [pytest.approx(0.020, rel=0.011)]


async def test_a_batch_in_part_known_adds_the_rest(sql_engine: AsyncEngine) -> None:
    """Of runs of several workers each is taken up where SQL has come to, and all else is left out."""
    store = SqlUsageStore(sql_engine)
    await store.write("w1", 0, [at(1), at(2)])
    runs = [
        UsageRun("w1", 0, [row_of(at(second)) for second in (1, 2, 3)]),
        UsageRun("w1", 7, [row_of(at(4))]),
        UsageRun("w2", 0, [row_of(at(5))]),
    ]
    await store.ship(runs)
    await SqlUsageStore(sql_engine).ship(runs)
    positions = await read_rows(sql_engine, "look", select(usage_positions))

    assert [row[4] for row in await sums(sql_engine, key_id="key_1", step_seconds=86_400)] == [5]
    assert {row.worker: row.next_sequence for row in positions} == {"w1": 8, "w2": 1}


@given(
    writes=st.lists(
        st.tuples(st.integers(0, 12), st.integers(1, 8), st.sampled_from(["w1", "w2"])), max_size=6
    )
)
@settings(
    max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
async def test_sums_are_those_of_the_records(
    sql_engine: AsyncEngine, writes: Sequence[tuple[int, int, str]]
) -> None:
    """Whatever is written again, in whole or in part, sums and records agree in every step."""
    store = SqlUsageStore(sql_engine)
    async with write_transaction(sql_engine, "begin again") as connection:
        for table in (usage_records, usage_rollups, usage_positions):
            await connection.execute(delete(table))
    for first, length, worker in writes:
        await store.write(worker, first, [at(40.0 * n) for n in range(first, first + length)])
    stored = await read_rows(sql_engine, "look", select(usage_records))

    for step in STEPS:
        expected: dict[int, int] = {}
        for row in stored:
            begin = row.at_us // 1_000_000 // step * step
            expected[begin] = expected.get(begin, 0) + 1
        found = await sums(sql_engine, key_id="", account_id="acc_1", step_seconds=step)
        assert {row[0]: row[4] for row in found} == expected


@given(st.integers(0, 7000), st.integers(0, 7000))
def test_spans_cover_the_time_once(since: int, minutes: int) -> None:
    """A time is put together from whole buckets without a gap, and in few of them."""
    found = list(spans(60 * since, 60 * (since + minutes)))

    assert sum(span.until - span.since for span in found) == 60 * minutes
    assert all(one.until == next_.since for one, next_ in itertools.pairwise(found))
    assert all(
        span.since % span.step_seconds == span.until % span.step_seconds == 0 for span in found
    )
    assert len(found) <= 5


def test_a_month_is_days() -> None:
    """What a quota asks for is one span."""
    assert list(spans(MIDNIGHT, MIDNIGHT + 30 * 86_400)) == [
        Span(86_400, MIDNIGHT, MIDNIGHT + 30 * 86_400)
    ]


@pytest.mark.parametrize(
    ("since", "until", "requests"),
    [
        pytest.param(0, 86_400, 6, id="a-day"),
        pytest.param(0, 3600, 4, id="an-hour"),
        pytest.param(0, 60, 2, id="a-minute"),
        pytest.param(60, 86_400, 4, id="from-the-second-minute-on"),
        pytest.param(0, 7201, 6, id="to-the-middle-of-a-minute"),
        pytest.param(30, 3600.5, 5, id="minutes-in-part-are-counted-whole"),
        pytest.param(5, 5, 0, id="no-time"),
        pytest.param(9, 5, 0, id="backwards"),
    ],
)
async def test_totals_of_an_account(
    sql_engine: AsyncEngine, since: float, until: float, requests: int
) -> None:
    """Any time has the requests that began in it, and were served; no others'."""
    times = (0, 59, 60, 3599, 3600, 7200)
    others = (at(1, account_id="acc_2"), at(1, outcome="rate_limited"), at(1, account_id=None))
    await SqlUsageStore(sql_engine).write("w1", 0, [*map(at, times), *others])
    total = await SqlUsageTotals(sql_engine).of_account("acc_1", MIDNIGHT + since, MIDNIGHT + until)

    assert total == Total(requests, requests, 10 * requests)
