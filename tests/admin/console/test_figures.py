"""Numbers and times as people read them."""

import pytest

from admin.console import figures

NOON = 1_769_860_800.0  # 2026-01-31 12:00:00 UTC


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        pytest.param(0, "0", id="nothing"),
        pytest.param(0.25, "0.25", id="a-part"),
        pytest.param(12.34, "12.3", id="three-digits"),
        pytest.param(999, "999", id="no-letter-yet"),
        pytest.param(1000, "1k", id="no-zeros-that-say-nothing"),
        pytest.param(1_234_567, "1.23M", id="millions"),
        pytest.param(5_000_000_000_000, "5T", id="a-lot"),
    ],
)
def test_short_numbers(number: float, expected: str) -> None:
    """A number on an axis takes few characters and tells its size."""
    assert figures.short(number) == expected


@pytest.mark.parametrize(
    ("number", "expected"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1 KiB"), (1_572_864, "1.5 MiB"), (2**40, "1 TiB")],
)
def test_sizes(number: float, expected: str) -> None:
    """Bytes are shown in the unit that keeps them short."""
    assert figures.size(number) == expected


@pytest.mark.parametrize(
    ("passed", "expected"),
    [
        pytest.param(-5, "just now", id="a-clock-ahead"),
        pytest.param(59, "just now", id="seconds"),
        pytest.param(60, "1 minute ago", id="a-minute"),
        pytest.param(7199, "1 hour ago", id="rounded-down"),
        pytest.param(86_400 * 3, "3 days ago", id="days"),
        pytest.param(86_400 * 800, "2 years ago", id="years"),
    ],
)
def test_ages(passed: float, expected: str) -> None:
    """An age is one number and one unit, and never more than it was."""
    assert figures.ago(NOON - passed, NOON) == expected


def test_times_to_come_and_spans() -> None:
    """What lies ahead, and how long a setting is, read as somebody would say it."""
    assert figures.ahead(NOON + 86_400 * 2 + 5, NOON) == "in 2 days"
    assert figures.ahead(NOON - 1, NOON) == "now"
    assert figures.length(0) == "0 seconds"
    assert figures.length(90) == "90 seconds"
    assert figures.length(86_400) == "1 day"


def test_times_name_their_zone() -> None:
    """A time without its zone would be read as the reader's own."""
    assert figures.moment(NOON) == "2026-01-31 12:00 UTC"
    assert figures.day(NOON) == "2026-01-31"
    assert figures.clock(NOON + 61) == "12:01:01"


def test_shares_counts_and_latencies() -> None:
    """Of nothing any share is 0 %, thousands have commas, and long answers are told in seconds."""
    assert figures.percent(1, 3) == "33.3 %"
    assert figures.percent(5, 0) == "0 %"
    assert figures.count(1_234_567) == "1,234,567"
    assert figures.latency(4.321) == "4.32 ms"
    assert figures.latency(1500) == "1.5 s"
