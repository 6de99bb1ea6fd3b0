"""Times and durations, as people and programs write them."""

__all__ = ["duration_seconds", "timestamp", "told"]

import datetime as dt
import re

from gateway.core.errors import Misuse

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"([1-9][0-9]{0,8})([smhdw])")

# Each unit is used up to where the next one says it better.
_STEPS = ((60, 1, "s"), (3600, 60, "min"), (2 * 86_400, 3600, "h"), (float("inf"), 86_400, "days"))
_JUST_NOW_SECONDS = 2


def duration_seconds(text: str) -> int:
    """The seconds in `90d`, `12h`, `30m`, `45s` or `2w`. Raises Misuse for anything else."""
    found = _DURATION.fullmatch(text.strip().lower())
    if found is None:
        raise Misuse(
            f"'{text}' is not a duration; write a whole number and s, m, h, d or w, such as 90d"
        )
    return int(found[1]) * _UNITS[found[2]]


def timestamp(at: float | None) -> str | None:
    """Seconds since the epoch in RFC 3339, UTC, for programs; None stays None."""
    if at is None:
        return None
    moment = dt.datetime.fromtimestamp(at, dt.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def told(at: float | None, now: float, never: str = "never") -> str:
    """How one would say it: `2 min ago`, `in 90 days`; `never` when there is no such time."""
    if at is None:
        return never
    distance = abs(at - now)
    if distance < _JUST_NOW_SECONDS:
        return "just now"
    size, unit = next((size, unit) for below, size, unit in _STEPS if distance < below)
    # Rounded, so that what was just made to last 90 days does not say 89.
    amount = f"{round(distance / size)} {unit}"
    return f"in {amount}" if at > now else f"{amount} ago"
