"""Numbers and spans of time as people read them. Moments and sizes are written by the templates (rendering.py)."""

__all__ = ["latency", "length", "short"]

from typing import Final

_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86_400

_UNITS: Final = (
    (_DAY, "day"),
    (_HOUR, "hour"),
    (_MINUTE, "minute"),
    (1, "second"),
)
_THOUSANDS: Final = ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k"))


def short(number: float) -> str:
    """A number in few characters: 950, 1.2k, 3.4M."""
    for factor, letter in _THOUSANDS:
        if abs(number) >= factor:
            return f"{_three_digits(number / factor)}{letter}"
    return _three_digits(number)


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
    unit, name = next((unit, name) for unit, name in _UNITS if whole % unit == 0)
    return _counted(whole // unit, name)


def _counted(number: int, name: str) -> str:
    return f"{number:,} {name}" if number == 1 else f"{number:,} {name}s"


def _three_digits(number: float) -> str:
    """About three digits, without zeros that say nothing."""
    places = 0 if abs(number) >= 100 else 1 if abs(number) >= 10 else 2  # noqa: PLR2004
    text = f"{number:.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
