"""Numbers, sizes, times and ages as people read them. Times are seconds since the epoch, shown in UTC."""

__all__ = [
    "ago",
    "ahead",
    "clock",
    "count",
    "day",
    "latency",
    "length",
    "moment",
    "percent",
    "short",
    "size",
]

from datetime import UTC, datetime
from typing import Final

_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86_400
_YEAR: Final = 365 * _DAY

_UNITS: Final = (
    (_YEAR, "year"),
    (_DAY, "day"),
    (_HOUR, "hour"),
    (_MINUTE, "minute"),
    (1, "second"),
)
_THOUSANDS: Final = ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k"))
_BYTES: Final = ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))


def count(number: float) -> str:
    """A whole number with commas between its thousands."""
    return f"{round(number):,}"


def short(number: float) -> str:
    """A number in few characters: 950, 1.2k, 3.4M."""
    for factor, letter in _THOUSANDS:
        if abs(number) >= factor:
            return f"{_three_digits(number / factor)}{letter}"
    return _three_digits(number)


def size(number: float) -> str:
    """Bytes in the unit that keeps them short."""
    for factor, unit in _BYTES:
        if abs(number) >= factor:
            return f"{_three_digits(number / factor)} {unit}"
    return f"{round(number)} B"


def percent(part: float, whole: float) -> str:
    """How much of `whole` a part is; of nothing it is nothing."""
    share = 100 * part / whole if whole else 0.0
    return f"{_three_digits(share)} %"


def latency(milliseconds: float) -> str:
    """A time that an answer took."""
    if milliseconds >= 1000:  # noqa: PLR2004 -- a second
        return f"{_three_digits(milliseconds / 1000)} s"
    return f"{_three_digits(milliseconds)} ms"


def length(seconds: float) -> str:
    """A span of time in its largest whole unit: 90 seconds are 90 seconds, 7200 are 2 hours."""
    whole = round(seconds)
    if whole == 0:
        return "0 seconds"
    unit, name = next((unit, name) for unit, name in _UNITS if whole % unit == 0 and unit != _YEAR)
    return _counted(whole // unit, name)


def ago(at: float, now: float) -> str:
    """How long ago, in one unit, rounded down; `just now` within a minute (and for what a clock puts ahead)."""
    passed = int(now - at)
    return "just now" if passed < _MINUTE else f"{_largest(passed)} ago"


def ahead(at: float, now: float) -> str:
    """How long until, in one unit, rounded down."""
    left = int(at - now)
    return "now" if left <= 0 else f"in {_largest(left)}"


def moment(at: float) -> str:
    """The minute, such as 2026-01-31 09:00 UTC."""
    return f"{_utc(at):%Y-%m-%d %H:%M} UTC"


def day(at: float) -> str:
    """The day, such as 2026-01-31."""
    return f"{_utc(at):%Y-%m-%d}"


def clock(at: float) -> str:
    """The second of the day, such as 09:00:00."""
    return f"{_utc(at):%H:%M:%S}"


def _utc(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def _largest(seconds: int) -> str:
    unit, name = next((unit, name) for unit, name in _UNITS if seconds >= unit)
    return _counted(seconds // unit, name)


def _counted(number: int, name: str) -> str:
    return f"{number:,} {name}" if number == 1 else f"{number:,} {name}s"


def _three_digits(number: float) -> str:
    """About three digits, without zeros that say nothing."""
    places = 0 if abs(number) >= 100 else 1 if abs(number) >= 10 else 2  # noqa: PLR2004
    text = f"{number:.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
