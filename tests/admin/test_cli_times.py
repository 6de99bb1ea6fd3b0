"""Times and durations on the command line."""

from datetime import UTC, datetime, timedelta

import pytest

from admin.cli.times import ago, ahead, duration, told
from gateway.core.errors import Misuse

NOW = datetime(2027, 1, 15, 8, tzinfo=UTC)
DAY = 86_400


@pytest.mark.parametrize(
    ("text", "written"),
    [
        pytest.param("45s", "45s", id="seconds"),
        pytest.param("90d", "90d", id="days"),
        pytest.param(" 2W ", "2w", id="weeks-typed-loosely"),
        pytest.param(None, None, id="none-given"),
    ],
)
def test_durations(text: str | None, written: str | None) -> None:
    """A key lives as long as its maker said."""
    assert duration(text) == written


@pytest.mark.parametrize("text", ["", "90", "d", "-1d", "0d", "1.5h", "1y", "1d1h", "9999999999d"])
def test_what_is_no_duration(text: str) -> None:
    """A duration that could be misread is refused, with an example of a good one."""
    with pytest.raises(Misuse, match="such as 90d"):
        duration(text)


@pytest.mark.parametrize(
    ("text", "before", "after"),
    [
        pytest.param("2d", NOW - timedelta(days=2), NOW + timedelta(days=2), id="duration"),
        pytest.param("2027-03-01", *[datetime(2027, 3, 1, tzinfo=UTC)] * 2, id="day"),
        pytest.param("2027-03-01T09:00:00Z", *[datetime(2027, 3, 1, 9, tzinfo=UTC)] * 2, id="utc"),
        pytest.param("2027-03-01t09:00z", *[datetime(2027, 3, 1, 9, tzinfo=UTC)] * 2, id="short"),
        pytest.param(
            "2027-03-01T09:00:00+02:00", *[datetime(2027, 3, 1, 7, tzinfo=UTC)] * 2, id="elsewhere"
        ),
        pytest.param(None, None, None, id="none-given"),
    ],
)
def test_moments(text: str | None, before: datetime | None, after: datetime | None) -> None:
    """A time is written out, or counted from now: back where one looks back, forth where one plans."""
    assert ago(text, NOW) == before
    assert ahead(text, NOW) == after


@pytest.mark.parametrize(
    "text", ["", "now", "1800000000", "2027-02-30", "2027-03-01T09:00:00", "2027-W01", "20270301"]
)
def test_what_is_no_moment(text: str) -> None:
    """A time without its zone, or that could be misread, is refused with examples of good ones."""
    with pytest.raises(Misuse, match="is not a time; write it as 2027-01-31T09:00:00Z"):
        ahead(text, NOW)


def test_a_moment_is_in_the_calendar() -> None:
    """What no calendar has is told, not computed."""
    with pytest.raises(Misuse, match="is too long"):
        ahead("999999999w", NOW)


@pytest.mark.parametrize(
    ("distance", "expected"),
    [
        pytest.param(0, "just now", id="now"),
        pytest.param(-1.9, "just now", id="two-seconds-ago-nearly"),
        pytest.param(-2, "2 s ago", id="seconds"),
        pytest.param(-120, "2 min ago", id="minutes"),
        pytest.param(-3600, "1 h ago", id="an-hour"),
        pytest.param(-47 * 3600, "47 h ago", id="hours-up-to-two-days"),
        pytest.param(-2 * DAY, "2 days ago", id="days"),
        pytest.param(90 * DAY - 0.5, "in 90 days", id="just-made-to-last-90-days"),
        pytest.param(30, "in 30 s", id="soon"),
    ],
)
def test_told(distance: float, expected: str) -> None:
    """A list says when in words that need no calculating."""
    assert told(NOW + timedelta(seconds=distance), NOW) == expected


def test_no_time_at_all() -> None:
    """A key without an expiry never expires."""
    assert told(None, NOW) == "never"
