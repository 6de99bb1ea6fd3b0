"""Numbers and times as people read them."""

import pytest

from admin.console import figures


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
    ("seconds", "expected"),
    [
        (0, "0 seconds"),
        (1, "1 second"),
        (90, "90 seconds"),
        (3600, "1 hour"),
        (86_400, "1 day"),
    ],
)
def test_spans(seconds: float, expected: str) -> None:
    """A setting's span reads as somebody would say it, in its largest whole unit."""
    assert figures.length(seconds) == expected


@pytest.mark.parametrize(
    ("milliseconds", "expected"), [(4.321, "4.32 ms"), (999, "999 ms"), (1500, "1.5 s")]
)
def test_latencies(milliseconds: float, expected: str) -> None:
    """Long answers are told in seconds."""
    assert figures.latency(milliseconds) == expected
