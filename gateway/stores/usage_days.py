"""How records are divided by day in PostgreSQL."""

__all__ = ["DAY_US", "partition_day", "partition_name"]

from datetime import UTC, datetime, timedelta
from typing import Final

DAY_US: Final = 86_400_000_000
_PREFIX: Final = "usage_records_"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def partition_name(day: int) -> str:
    """The table of the requests that began on this day since the epoch: `usage_records_20261121`."""
    try:
        return f"{_PREFIX}{_EPOCH + timedelta(days=day):%Y%m%d}"
    except OverflowError:
        # A clock that is centuries off must not keep all others' records out.
        return f"{_PREFIX}day_{day}"


def partition_day(name: str) -> int | None:
    """The day whose records are in the table with this name; None if it is no partition of ours."""
    words = name.removeprefix(_PREFIX)
    if words == name:
        return None
    if words.startswith("day_"):
        return int(words.removeprefix("day_"))
    try:
        return (datetime.strptime(words, "%Y%m%d").replace(tzinfo=UTC) - _EPOCH).days
    except ValueError:
        return None
