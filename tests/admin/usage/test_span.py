"""Which points a series has."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin.core.span import POINTS_MAX, STEP_SECONDS, Span, Step, span_of
from gateway.core.errors import Misuse

# A whole day, and some time in it.
DAY = 1_699_920_000
NOW = DAY + 3600 * 9 + 61.5


@pytest.mark.parametrize(
    ("since", "until", "step", "expected"),
    [
        pytest.param(None, None, None, Span(DAY - 54_000, DAY + 36_000, "hour"), id="the-last-day"),
        pytest.param(NOW - 3600, None, None, Span(DAY + 28_860, DAY + 32_520, "minute"), id="hour"),
        pytest.param(
            NOW - 864_000, None, "auto", Span(DAY - 831_600, DAY + 36_000, "hour"), id="10-days"
        ),
        pytest.param(
            NOW - 30 * 86_400, None, None, Span(DAY - 30 * 86_400, DAY + 86_400, "day"), id="month"
        ),
        pytest.param(DAY, DAY + 60, "minute", Span(DAY, DAY + 60, "minute"), id="whole-already"),
        pytest.param(
            DAY + 59, DAY + 61, "minute", Span(DAY, DAY + 120, "minute"), id="both-touched"
        ),
        pytest.param(
            DAY + 1, DAY + 2, "day", Span(DAY, DAY + 86_400, "day"), id="a-second-of-a-day"
        ),
        pytest.param(0, 31 * 86_400, "day", Span(0, 31 * 86_400, "day"), id="from-the-epoch"),
        pytest.param(None, DAY, "day", Span(DAY - 86_400, DAY, "day"), id="the-day-before-then"),
    ],
)
def test_whole_points_cover_the_time(
    since: float | None, until: float | None, step: str | None, expected: Span
) -> None:
    """Points begin at whole minutes, hours and days in UTC; the step is the smallest that a chart can show."""
    assert span_of(since, until, step, NOW) == expected


@given(
    since=st.floats(0, 4e9),
    seconds=st.floats(0.001, 4e8),
    step=st.sampled_from(["auto", *STEP_SECONDS]),
)
def test_every_moment_is_in_one_point(since: float, seconds: float, step: str) -> None:
    """Nothing that was asked for lies outside, and no more than a point on either side is added; or it is too much."""
    until = since + seconds
    try:
        span = span_of(since, until, step, NOW)
    except Misuse:
        assert seconds > (POINTS_MAX - 2) * STEP_SECONDS.get(step, 86_400)  # type: ignore[call-overload]
        return
    starts = span.starts()

    assert starts[0] <= since < starts[0] + span.step_seconds
    assert starts[-1] < until <= starts[-1] + span.step_seconds
    assert all(start % span.step_seconds == 0 for start in (starts[0], starts[-1]))
    assert len(starts) <= POINTS_MAX


KEPT: Mapping[Step, float] = {"minute": 2 * 86_400.0, "hour": 40 * 86_400.0, "day": 80 * 86_400.0}


@pytest.mark.parametrize(
    ("ago_days", "long_days", "expected"),
    [(1, 0.1, "minute"), (3, 0.1, "hour"), (30, 1, "hour"), (50, 1, "day"), (90, 1, "day")],
)
def test_a_step_is_taken_whose_sums_are_there(
    ago_days: float, long_days: float, expected: str
) -> None:
    """What was deleted is not shown as nothing: a larger step, which is kept longer, is taken instead."""
    since = NOW - ago_days * 86_400

    assert span_of(since, since + long_days * 86_400, None, NOW, KEPT).step == expected


@pytest.mark.parametrize(("step", "days"), [("minute", 2), ("hour", 40)])
def test_sums_that_were_deleted_are_not_told_as_zeros(step: str, days: int) -> None:
    """Whoever asks for a step that is not kept so long is told so."""
    with pytest.raises(Misuse, match=f"by the {step} are kept for {days} days"):
        span_of(NOW - 50 * 86_400, NOW - 49.9 * 86_400, step, NOW, KEPT)


@pytest.mark.parametrize(
    ("since", "until", "step", "words"),
    [
        pytest.param(DAY, DAY, None, "before 'to'", id="no-time"),
        pytest.param(DAY + 1, DAY, "day", "before 'to'", id="backwards"),
        pytest.param(-1.0, DAY, None, "1970", id="before-1970"),
        pytest.param(DAY, 1e12, None, "9999", id="after-9999"),
        pytest.param(DAY, float("nan"), None, "9999", id="no-number"),
        pytest.param(DAY, DAY + 86_400, "second", "minute, hour, day", id="no-such-step"),
        pytest.param(
            NOW - 86_400 * 30,
            None,
            "minute",
            "43201 points by the minute.*larger step",
            id="points",
        ),
        pytest.param(0, NOW, "auto", "by the day.*a shorter time.$", id="more-days-than-that"),
    ],
)
def test_what_cannot_be_answered_is_said(
    since: float, until: float | None, step: str | None, words: str
) -> None:
    """Whoever asks for too much, or for nothing, is told what to ask for instead."""
    with pytest.raises(Misuse, match=words):
        span_of(since, until, step, NOW)
