"""Token buckets: the promise over every interval, the clock, debts, and sums that Lua can repeat."""

import itertools
import math
from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.core.limits import (
    MICRO,
    QUOTA_MAX,
    WINDOW_SECONDS_MAX,
    BucketLevel,
    Limit,
    filled,
    retry_after_header,
    take,
    take_all,
)

# The default plan: 1000 per 60 s.
STARTER = Limit("default", 1000, 60)
NOW = 1_800_000_000 * MICRO
SECOND = MICRO

limits = st.builds(
    Limit,
    st.just("x"),
    st.integers(1, 50) | st.integers(1, QUOTA_MAX),
    st.integers(1, 100) | st.integers(1, WINDOW_SECONDS_MAX),
)


@st.composite
def levels(draw: st.DrawFn, limit: Limit) -> BucketLevel:
    """What a bucket of that limit may hold, debts included, now or earlier or (the clock) later."""
    most = limit.quota * MICRO
    span = 3 * limit.window_seconds * MICRO
    return BucketLevel(draw(st.integers(-most, most)), NOW - draw(st.integers(-span, span)))


@st.composite
def situations(draw: st.DrawFn) -> tuple[Limit, BucketLevel, int]:
    """A limit, a level of its bucket, and a cost within its quota."""
    limit = draw(limits)
    return limit, draw(levels(limit)), draw(st.integers(1, limit.quota))


@pytest.mark.parametrize(
    ("level", "cost", "allowed", "remaining", "wait"),
    [
        pytest.param(None, 1, True, 999, 0.0, id="never-seen-is-full"),
        pytest.param(None, 1000, True, 0, 0.0, id="whole-burst"),
        pytest.param(None, 1001, False, 1000, 0.06, id="more-than-the-quota-ever-holds"),
        pytest.param((5 * MICRO, NOW), 5, True, 0, 0.0, id="exactly-enough"),
        pytest.param((5 * MICRO, NOW), 6, False, 5, 0.06, id="one-too-few"),
        pytest.param((5 * MICRO - 1, NOW), 5, False, 4, 1e-6, id="a-micro-token-too-few"),
        pytest.param((0, NOW - 60_000), 1, True, 0, 0.0, id="one-just-minted"),
        pytest.param((0, NOW - 59_999), 1, False, 0, 2e-6, id="a-microsecond-too-early"),
        pytest.param((0, NOW - 60 * SECOND), 1000, True, 0, 0.0, id="full-after-a-window"),
        pytest.param((0, NOW - 10**6 * SECOND), 1001, False, 1000, 0.06, id="never-above-quota"),
        pytest.param((9 * MICRO, NOW + SECOND), 9, True, 0, 0.0, id="clock-back-still-spends"),
        pytest.param((0, NOW + SECOND), 1, False, 0, 1.06, id="clock-back-mints-nothing"),
        pytest.param((-3 * MICRO, NOW), 1, False, 0, 0.24, id="debt-is-paid-off-first"),
        pytest.param((-3 * MICRO, NOW - 240_000), 1, True, 0, 0.0, id="debt-paid-off"),
        pytest.param((-3 * MICRO, NOW), 0, False, 0, 0.18, id="in-debt-even-nothing-is-dear"),
        pytest.param((2000 * MICRO, NOW), 1, True, 999, 0.0, id="plan-made-smaller"),
        pytest.param((-9999 * MICRO, NOW - 120 * SECOND), 1, True, 999, 0.0, id="deepest-debt"),
    ],
)
def test_take(
    level: tuple[int, int] | None, cost: int, allowed: bool, remaining: int, wait: float
) -> None:
    """A request passes exactly when its tokens are there, and is otherwise told exactly when they will be."""
    before = None if level is None else BucketLevel(*level)

    after, grant = take(before, STARTER, cost, NOW)

    assert (grant.allowed, grant.retry_after_seconds) == (allowed, wait)
    assert grant.states[0].remaining == remaining
    assert grant.violated == (() if allowed else ("default",))
    assert not grant.is_degraded
    if not allowed:
        assert after is before


@pytest.mark.parametrize(
    ("level", "cost", "seconds"),
    [
        pytest.param(None, 0, 0.0, id="full"),
        pytest.param(None, 60, 3.6, id="sixty-taken"),
        pytest.param(None, 1000, 60.0, id="empty"),
        pytest.param(BucketLevel(1000 * MICRO, NOW + SECOND), 1, 1.06, id="clock-back"),
        pytest.param(BucketLevel(-1000 * MICRO, NOW), 1, 120.0, id="deepest-debt"),
    ],
)
def test_full_in_seconds(level: BucketLevel | None, cost: int, seconds: float) -> None:
    """The RateLimit field tells when the whole quota is there again; a forgotten bucket may be forgotten then."""
    _, grant = take(level, STARTER, cost, NOW)

    assert grant.states[0].full_in_seconds == seconds


def test_a_burst_then_the_rate() -> None:
    """Whoever hammers a full bucket gets its quota at once, then 16 or 17 a second, for ever."""
    level: BucketLevel | None = None
    passed = []
    for millisecond in range(10_000):
        level, grant = take(level, STARTER, 1, NOW + millisecond * 1000)
        if millisecond == 0:
            for _ in range(1999):
                level, more = take(level, STARTER, 1, NOW)
                passed += [0] * more.allowed
        passed += [millisecond] * grant.allowed

    assert passed.count(0) == 1000
    per_second = [sum(1 for at in passed if 0 < at - 1000 * s <= 1000) for s in range(9)]
    assert set(per_second) <= {16, 17}


@settings(max_examples=300)
@given(
    limit=st.builds(Limit, st.just("x"), st.integers(1, 20), st.integers(1, 40)),
    steps=st.lists(
        st.tuples(
            st.integers(-20 * SECOND, 60 * SECOND) | st.integers(0, 2 * SECOND) | st.just(0),
            st.integers(0, 5),
            st.just(0) | st.integers(0, 25),
        ),
        min_size=1,
        max_size=40,
    ),
)
@example(limit=Limit("x", 3, 10), steps=[(0, 1, 0)] * 6)
@example(limit=Limit("x", 3, 7), steps=[(1, 1, 0)] * 3 + [(2_333_333, 1, 0), (1, 1, 0)] * 5)
def test_the_promise_over_every_interval(limit: Limit, steps: list[tuple[int, int, int]]) -> None:
    """No client ever gets more than `quota + T x quota/window` in any interval, however the clock runs."""
    level: BucketLevel | None = None
    clock = latest = NOW
    spent: list[tuple[int, int]] = []
    for step, cost, debt in steps:
        clock += step
        # A clock that stepped back counts from when it has caught up.
        latest = max(latest, clock)
        level, grant = take(level, limit, cost, clock, debt)
        if grant.allowed:
            spent.append((latest, cost))

    rate = Fraction(limit.quota, limit.window_seconds * MICRO)
    for first, last in itertools.combinations_with_replacement(range(len(spent)), 2):
        admitted = sum(cost for _, cost in spent[first : last + 1])
        assert admitted <= limit.quota + rate * (spent[last][0] - spent[first][0])


@given(
    st.builds(Limit, st.just("x"), st.integers(1, 20), st.integers(1, 40)),
    st.lists(st.integers(0, 3 * SECOND), min_size=1, max_size=60),
)
def test_nobody_is_given_less_than_the_rate(limit: Limit, gaps: list[int]) -> None:
    """What rounding takes from a client is less than a micro-token for each admitted request."""
    level: BucketLevel | None = None
    at, admitted = NOW, 0
    exact = Fraction(limit.quota)
    for gap in gaps:
        at += gap
        exact = min(
            exact + Fraction(gap * limit.quota, limit.window_seconds * MICRO), Fraction(limit.quota)
        )
        level, grant = take(level, limit, 1, at)
        if grant.allowed:
            exact -= 1
            admitted += 1
        assert level is not None
        held = Fraction(filled(level, limit, at).microtokens, MICRO)
        assert exact - Fraction(admitted + 1, MICRO) <= held <= exact


@given(situations(), st.integers(0, 2 * QUOTA_MAX))
def test_a_refusal_takes_nothing(situation: tuple[Limit, BucketLevel, int], ahead: int) -> None:
    """Asking again and again while refused never moves the moment at which one gets in."""
    limit, level, cost = situation
    after, grant = take(level, limit, cost, NOW)

    if not grant.allowed:
        assert after is level
        assert take(after, limit, cost, NOW + ahead) == take(level, limit, cost, NOW + ahead)


@given(situations())
def test_the_wait_is_enough_and_no_more(situation: tuple[Limit, BucketLevel, int]) -> None:
    """A client that waits as told gets in, and none could have come earlier by a micro-token's time."""
    limit, level, cost = situation
    _, grant = take(level, limit, cost, NOW)
    wait_us = round(grant.retry_after_seconds * MICRO)
    slack_us = 1 + math.ceil(limit.window_seconds / limit.quota)

    assert take(level, limit, cost, NOW + wait_us)[1].allowed
    if not grant.allowed:
        assert not take(level, limit, cost, NOW + wait_us - slack_us)[1].allowed
    assert retry_after_header(grant.retry_after_seconds) * MICRO >= wait_us


@given(situations())
def test_full_when_said(situation: tuple[Limit, BucketLevel, int]) -> None:
    """A bucket can be forgotten once it says it is full: nothing is lost or won by that."""
    limit, level, cost = situation
    after, grant = take(level, limit, cost, NOW)
    full_at = NOW + round(grant.states[0].full_in_seconds * MICRO)

    assert filled(after, limit, full_at).microtokens == limit.quota * MICRO


@given(situations(), st.integers(1, 2 * QUOTA_MAX))
def test_a_debt_is_charged_whatever_the_answer(
    situation: tuple[Limit, BucketLevel, int], debt: int
) -> None:
    """What was let through while Redis was away is paid back, but nobody is locked out beyond two windows."""
    limit, level, cost = situation
    held = filled(level, limit, NOW).microtokens
    owing = max(held - debt * MICRO, -limit.quota * MICRO)

    after, grant = take(level, limit, cost, NOW, debt)

    assert grant.allowed is (owing >= cost * MICRO)
    assert after is not None
    assert after.microtokens == owing - (cost * MICRO if grant.allowed else 0)
    assert after.at_microseconds == max(NOW, level.at_microseconds)


def test_a_debt_is_charged_to_a_bucket_never_seen() -> None:
    """A Redis that came back empty learns of what was spent in the meantime."""
    after, grant = take(None, STARTER, 1, NOW, debt=1000)

    assert not grant.allowed
    assert after == BucketLevel(0, NOW)


def _in_doubles(level: BucketLevel, limit: Limit, now: int) -> float:
    """`filled` as Lua computes it: doubles only, `math.floor` for whole numbers."""
    quota, window = float(limit.quota), float(limit.window_seconds)
    elapsed = min(max(float(now) - float(level.at_microseconds), 0.0), 2.0 * window * MICRO)
    whole = math.floor(elapsed / window)
    rest = elapsed - whole * window
    minted = whole * quota + math.floor(rest * quota / window)
    return min(max(float(level.microtokens), -quota * MICRO) + minted, quota * MICRO)


@settings(max_examples=500)
@given(situations())
@example(
    (
        Limit("x", QUOTA_MAX, WINDOW_SECONDS_MAX),
        BucketLevel(-QUOTA_MAX * MICRO, NOW - 2 * WINDOW_SECONDS_MAX * MICRO + 1),
        1,
    )
)
@example(
    (
        Limit("x", QUOTA_MAX - 1, WINDOW_SECONDS_MAX - 1),
        BucketLevel(0, NOW - WINDOW_SECONDS_MAX + 2),
        1,
    )
)
def test_doubles_give_the_same_integers(situation: tuple[Limit, BucketLevel, int]) -> None:
    """Redis and a worker on its own never disagree by rounding, up to the largest limits allowed."""
    limit, level, _ = situation

    assert _in_doubles(level, limit, NOW) == filled(level, limit, NOW).microtokens
    assert limit.quota * limit.window_seconds < 2**53


HOURLY = Limit("hourly", 3, 3600)
MINUTE = Limit("minute", 2, 60)


def test_all_or_nothing() -> None:
    """A request that one policy refuses costs nothing under the others."""
    before = (BucketLevel(0, NOW), None)

    after, grant = take_all(before, (HOURLY, MINUTE), 1, NOW)

    assert after == before
    assert grant.violated == ("hourly",)
    assert grant.retry_after_seconds == 1200.0
    assert [state.remaining for state in grant.states] == [0, 2]
    assert [state.full_in_seconds for state in grant.states] == [3600.0, 0.0]


def test_all_are_taken_from() -> None:
    """A request that every policy allows is counted under each."""
    after, grant = take_all((None, None), (HOURLY, MINUTE), 2, NOW)

    assert grant.allowed
    assert after == (BucketLevel(1 * MICRO, NOW), BucketLevel(0, NOW))
    assert [state.limit for state in grant.states] == [HOURLY, MINUTE]
    assert [state.remaining for state in grant.states] == [1, 0]


def test_every_refusing_policy_is_named_and_the_slowest_waited_for() -> None:
    """Retry-After never sends a client into the next refusal."""
    empty = BucketLevel(0, NOW)

    _, grant = take_all((empty, empty), (MINUTE, HOURLY), 1, NOW)

    assert grant.violated == ("minute", "hourly")
    assert grant.retry_after_seconds == 1200.0


def test_a_debt_is_charged_even_if_another_policy_refuses() -> None:
    """Each bucket is charged its own debt; only the cost is all or nothing."""
    empty = BucketLevel(0, NOW)

    after, grant = take_all((empty, None), (HOURLY, MINUTE), 1, NOW, (0, 1))

    assert grant.violated == ("hourly",)
    assert after == (empty, BucketLevel(1 * MICRO, NOW))
    assert grant.states[1].remaining == 1


def test_no_limit_is_no_refusal() -> None:
    """A plan without limits lets everything through."""
    after, grant = take_all((), (), 1, NOW)

    assert after == ()
    assert grant.allowed
    assert grant.retry_after_seconds == 0.0


@given(st.lists(situations(), min_size=1, max_size=4))
def test_several_are_as_each_alone(several: list[tuple[Limit, BucketLevel, int]]) -> None:
    """A policy decides the same whether it stands alone or beside others."""
    own, held, _ = zip(*several, strict=True)
    alone = [take(level, limit, 1, NOW) for level, limit in zip(held, own, strict=True)]

    after, grant = take_all(held, own, 1, NOW)

    assert grant.allowed is all(one.allowed for _, one in alone)
    assert grant.retry_after_seconds == max(one.retry_after_seconds for _, one in alone)
    assert after == (tuple(level for level, _ in alone) if grant.allowed else held)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0.0, 1), (1e-6, 1), (1.0, 1), (1.000001, 2), (59.01, 60), (3600.0, 3600)],
)
def test_retry_after_header(seconds: float, expected: int) -> None:
    """Retry-After is at least a second, and never before the bucket has its token."""
    assert retry_after_header(seconds) == expected
