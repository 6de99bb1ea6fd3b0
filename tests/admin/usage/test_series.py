"""What somebody is told who asks what a key, an account or the gateway used."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.core.caller import Role
from admin.core.faults import NotAllowed, NotFound
from admin.core.series import Figures, Report, RolledUp, report_of
from admin.core.span import Span
from admin.services.usage import EVERYTHING, RollupFilter, Timeframe, of_account, of_key
from gateway.core.errors import Misuse
from gateway.core.latency import Latency
from tests.admin.usage.stand import AT, UsageStand, a_record
from tests.admin.world import OPERATOR, caller_of

TWO_HOURS = Timeframe(AT, AT + 7200, "hour")


@pytest.fixture
async def stand(sql_engine: AsyncEngine) -> UsageStand:
    """Two accounts with three keys, and nothing used yet."""
    stand = UsageStand(sql_engine)
    await stand.two_accounts()
    return stand


async def some_use(stand: UsageStand) -> None:
    """Ada's two keys and Bob's: 4, 2 and 1 requests in one hour, and 1 of the first in the next."""
    ada, bob = await stand.account_ids()
    own = {"account_id": ada, "bytes_in": 10, "bytes_out": 1000, "duration_seconds": 0.1}
    await stand.write(
        a_record("a", 0, **own),
        a_record("b", 60, **own),
        a_record("c", 3599, **own, status=404),
        a_record(
            "d", 3599.9, **{**own, "duration_seconds": 0.9}, status=429, outcome="rate_limited"
        ),
        a_record("e", 3600, **own, route="mail"),
        a_record("f", 5, **own, key_id="key_2"),
        a_record("g", 6, **own, key_id="key_2"),
        a_record("h", 7, key_id="key_3", account_id=bob),
    )


def counts(report: Report) -> list[int]:
    """How many requests each point has."""
    return [bucket.figures.requests for bucket in report.series]


async def test_a_key_has_its_points_and_groups(stand: UsageStand) -> None:
    """All that a key did is in the sums, once in each grouping, and in the point in which it began."""
    await some_use(stand)
    report = await stand.usage.series(OPERATOR, of_key("key_1"), TWO_HOURS)

    assert counts(report) == [4, 1]
    assert [bucket.at for bucket in report.series] == [AT, AT + 3600]
    assert report.series[0].statuses == {"2xx": 2, "4xx": 2}
    totals = report.totals
    assert (totals.requests, totals.refused, totals.bytes_in, totals.bytes_out) == (5, 1, 50, 5000)
    assert totals.mean_ms == pytest.approx(260)
    assert totals.p50_ms == pytest.approx(100, rel=0.011)
    assert totals.p99_ms == pytest.approx(100, rel=0.011)
    assert report.series[0].figures.p50_ms == pytest.approx(100, rel=0.011)
    grouped = [
        {group.name: group.figures.requests for group in groups}
        for groups in (report.by_route, report.by_outcome, report.by_status)
    ]
    assert grouped == [
        {"dns": 4, "mail": 1},
        {"served": 4, "rate_limited": 1},
        {"2xx": 3, "4xx": 2},
    ]
    assert [group.name for group in report.by_route] == ["dns", "mail"]


async def test_an_account_and_the_gateway_have_all_of_it(stand: UsageStand) -> None:
    """An account's sums are those of its keys, the operator's those of all accounts, the same at every step."""
    await some_use(stand)
    ada, bob = await stand.account_ids()
    found = {}
    for name, subject in (("ada", of_account(ada)), ("bob", of_account(bob)), ("all", EVERYTHING)):
        for step in ("minute", "hour", "day"):
            time = Timeframe(AT, AT + 7200, step)
            found[name, step] = (await stand.usage.totals(OPERATOR, subject, time)).requests

    assert {name: found[name, "hour"] for name in ("ada", "bob", "all")} == {
        "ada": 7,
        "bob": 1,
        "all": 8,
    }
    assert all(count == found[name, "hour"] for (name, _), count in found.items())


async def test_empty_points_are_there_as_zeros(stand: UsageStand) -> None:
    """A chart has no gaps where nothing happened, and nothing is taken for a latency of zero."""
    ada, _ = await stand.account_ids()
    await stand.write(a_record("a", 2 * 60, account_id=ada))
    report = await stand.usage.series(OPERATOR, of_key("key_1"), Timeframe(AT, AT + 300, "minute"))
    nothing = await stand.usage.series(OPERATOR, of_key("key_2"), Timeframe(AT, AT + 60))

    assert counts(report) == [0, 0, 1, 0, 0]
    assert report.series[0].figures == Figures()
    assert nothing.totals == Figures()
    assert nothing.totals.p99_ms is None
    assert nothing.by_route == ()


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        pytest.param(RollupFilter(route="mail"), 1, id="route"),
        pytest.param(RollupFilter(outcome="rate_limited"), 1, id="outcome"),
        pytest.param(RollupFilter(status_class=4), 2, id="status"),
        pytest.param(RollupFilter(status_class=4, outcome="served"), 1, id="both"),
        pytest.param(RollupFilter(route="none"), 0, id="none"),
    ],
)
async def test_only_what_fits_is_counted(
    stand: UsageStand, wanted: RollupFilter, expected: int
) -> None:
    """Each word narrows."""
    await some_use(stand)

    assert (
        await stand.usage.totals(OPERATOR, of_key("key_1"), TWO_HOURS, wanted)
    ).requests == expected


async def test_what_is_written_counts_at_once(stand: UsageStand) -> None:
    """Whoever looks again sees what was recorded meanwhile, in the same point."""
    ada, _ = await stand.account_ids()
    before = await stand.usage.totals(OPERATOR, of_key("key_1"), TWO_HOURS)
    await stand.write(a_record("a", account_id=ada))
    await stand.write(a_record("b", account_id=ada))
    after = await stand.usage.totals(OPERATOR, of_key("key_1"), TWO_HOURS)

    assert (before.requests, after.requests) == (0, 2)


@pytest.mark.parametrize("role", [Role.MEMBER, Role.VIEWER])
async def test_members_see_their_own_account_alone(stand: UsageStand, role: Role) -> None:
    """What belongs to another account is not found, and is in no sum that they see."""
    await some_use(stand)
    ada, bob = await stand.account_ids()
    caller = caller_of(role, ada)
    told = []
    for subject in (of_key("key_3"), of_key("key_9"), of_account(bob), of_account("acc_9")):
        with pytest.raises(NotFound) as caught:
            await stand.usage.series(caller, subject, TWO_HOURS)
        told.append(str(caught.value).replace(subject.id, "ID"))

    assert told[0] == told[1]
    assert told[2] == told[3]
    assert (await stand.usage.totals(caller, EVERYTHING, TWO_HOURS)).requests == 7
    nobody = dataclasses.replace(caller, permissions=frozenset())
    with pytest.raises(NotAllowed):
        await stand.usage.series(nobody, EVERYTHING)


async def test_a_hostile_word_is_refused_before_the_database_sees_it(stand: UsageStand) -> None:
    """What no route can be called is a mistake, and no fault of the database."""
    with pytest.raises(Misuse):
        await stand.usage.series(OPERATOR, EVERYTHING, TWO_HOURS, RollupFilter(route="\0"))


def rolled_up(at: int, durations: list[float], **more: Any) -> RolledUp:  # noqa: ANN401
    """A row with these latencies."""
    latency = Latency()
    for seconds in durations:
        latency.add(seconds)
    row = RolledUp(
        at,
        "dns",
        2,
        "served",
        len(durations),
        0,
        0,
        round(sum(durations) * 1_000_000),
        latency.to_bytes(),
    )
    return row._replace(**more)


@pytest.mark.parametrize(
    ("of", "share"),
    [
        (lambda figures: figures.p50_ms, 0.5),
        (lambda figures: figures.p95_ms, 0.95),
        (lambda figures: figures.p99_ms, 0.99),
    ],
    ids=["p50", "p95", "p99"],
)
def test_quantiles_of_merged_sketches_are_those_of_all_requests(
    of: Callable[[Figures], float], share: float
) -> None:
    """However the requests are spread over rows, the quantile is that of all of them, within one percent."""
    durations = [0.001 * 1.01**number for number in range(1000)]
    rows = [
        rolled_up(number % 2 * 60, durations[number::7], route=f"r{number}") for number in range(7)
    ]
    report = report_of(Span(0, 120, "minute"), rows)
    expected = durations[round(share * 999)] * 1000

    assert report.totals.requests == 1000
    assert of(report.totals) == pytest.approx(expected, rel=0.03)
    # Rows in one point are put together as rows in several are.
    together = report_of(Span(0, 120, "minute"), [row._replace(at=0) for row in rows])
    assert of(together.totals) == of(report.totals) == of(together.series[0].figures)
