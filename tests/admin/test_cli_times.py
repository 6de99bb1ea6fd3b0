"""Times and durations on the command line."""

import pytest

from admin.cli.times import duration_seconds, timestamp, told
from gateway.core.errors import Misuse

NOW = 1_800_000_000.0
DAY = 86_400


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        pytest.param("45s", 45, id="seconds"),
        pytest.param("30m", 1800, id="minutes"),
        pytest.param("12h", 43_200, id="hours"),
        pytest.param("90d", 90 * DAY, id="days"),
        pytest.param(" 2W ", 14 * DAY, id="weeks-typed-loosely"),
    ],
)
def test_durations(text: str, seconds: int) -> None:
    """A key lives as long as its maker said."""
    assert duration_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "90", "d", "-1d", "0d", "1.5h", "1y", "1d1h", "9999999999d"])
def test_what_is_no_duration(text: str) -> None:
    """A duration that could be misread is refused, with an example of a good one."""
    with pytest.raises(Misuse, match="such as 90d"):
        duration_seconds(text)


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
    assert told(NOW + distance, NOW) == expected


def test_no_time_at_all() -> None:
    """A key without an expiry never expires, and has none in a document."""
    assert told(None, NOW) == "never"
    assert timestamp(None) is None


def test_timestamp() -> None:
    """Programs get RFC 3339 in UTC."""
    assert timestamp(NOW + 0.5) == "2027-01-15T08:00:00.500Z"
