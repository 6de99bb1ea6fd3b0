"""Times and durations, as people write and read them."""

__all__ = ["ago", "ahead", "duration", "seconds", "told", "wire_moment"]

import re
from datetime import UTC, datetime, timedelta

from gateway.core.errors import Misuse

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"([1-9][0-9]{0,8})([smhdw])")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d))?")

# Each unit is used up to where the next one says it better.
_STEPS = ((60, 1, "s"), (3600, 60, "min"), (2 * 86_400, 3600, "h"), (float("inf"), 86_400, "days"))
_JUST_NOW_SECONDS = 2


def duration(text: str | None) -> str | None:
    """`90d`, `12h`, `30m`, `45s` or `2w`, as the API writes it. Raises Misuse for anything else."""
    if text is None:
        return None
    wanted = text.strip().lower()
    if _DURATION.fullmatch(wanted) is None:
        raise Misuse(
            f"'{text}' is not a duration; write a whole number and s, m, h, d or w, such as 90d"
        )
    return wanted


def seconds(text: str) -> int:
    """The seconds in a duration. Raises Misuse."""
    wanted = duration(text) or ""
    return int(wanted[:-1]) * _UNITS[wanted[-1]]


def ago(text: str | None, now: datetime) -> datetime | None:
    """A time, or as long ago as a duration says. Raises Misuse for anything else."""
    return None if text is None else _moment(text, now, -1)


def ahead(text: str | None, now: datetime) -> datetime | None:
    """A time, or as far ahead as a duration says. Raises Misuse for anything else."""
    return None if text is None else _moment(text, now, 1)


def wire_moment(text: str | None, now: datetime) -> str | None:
    """A time, or how long ago, as the API takes it. Raises Misuse for anything else."""
    if text is None:
        return None
    wanted = text.strip().lower()
    if _DURATION.fullmatch(wanted):
        return wanted
    return _moment(text, now, -1).astimezone(UTC).isoformat().replace("+00:00", "Z")


def _moment(text: str, now: datetime, direction: int) -> datetime:
    """A time in RFC 3339 or a day (its first moment, UTC), or a duration from `now`. Raises Misuse."""
    wanted = text.strip()
    if _DURATION.fullmatch(wanted.lower()):
        return _shifted(text, now, direction * seconds(text))
    try:
        read = datetime.fromisoformat(wanted.upper()) if _MOMENT.fullmatch(wanted.upper()) else None
    except ValueError:
        read = None
    if read is None:
        raise Misuse(
            f"'{text}' is not a time; write it as 2027-01-31T09:00:00Z, 2027-01-31, or a duration such as 7d"
        )
    return read if read.tzinfo is not None else read.replace(tzinfo=UTC)


def _shifted(text: str, now: datetime, by_seconds: int) -> datetime:
    try:
        return now + timedelta(seconds=by_seconds)
    except OverflowError:
        raise Misuse(f"'{text}' is too long: the calendar ends before") from None


def told(at: datetime | None, now: datetime, never: str = "never") -> str:
    """How one would say it: `2 min ago`, `in 90 days`; `never` when there is no such time."""
    if at is None:
        return never
    distance = abs((at - now).total_seconds())
    if distance < _JUST_NOW_SECONDS:
        return "just now"
    size, unit = next((size, unit) for below, size, unit in _STEPS if distance < below)
    # Rounded, so that what was just made to last 90 days does not say 89.
    amount = f"{round(distance / size)} {unit}"
    return f"in {amount}" if at > now else f"{amount} ago"
