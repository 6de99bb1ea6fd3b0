"""How numbers, sizes and days are said in a sentence."""

__all__ = ["Measure", "amount", "day", "moment", "month_end", "month_start", "period_of"]

from datetime import UTC, datetime
from typing import Final, Literal

Measure = Literal["requests", "bytes"]

_UNITS: Final = ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))
_DECEMBER: Final = 12


def amount(measure: Measure, count: int) -> str:
    """`1,000 requests`, `1.5 GiB`."""
    if measure == "requests":
        return f"{count:,} request{'' if count == 1 else 's'}"
    size, unit = next(((size, unit) for size, unit in _UNITS if count >= size), (1, "bytes"))
    return f"{count} bytes" if size == 1 else f"{count / size:.1f} {unit}"


def day(seconds: float) -> str:
    """The day of a moment, UTC, as `2026-11-21`."""
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()


def moment(seconds: float) -> str:
    """A moment as RFC 3339 writes it, to the second."""
    at = datetime.fromtimestamp(int(seconds), UTC)
    return at.isoformat().replace("+00:00", "Z")


def period_of(seconds: float) -> str:
    """The calendar month of a moment, UTC, as `2026-11`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m")


def month_start(seconds: float) -> float:
    """The first moment of its calendar month, UTC."""
    at = datetime.fromtimestamp(seconds, UTC)
    return datetime(at.year, at.month, 1, tzinfo=UTC).timestamp()


def month_end(seconds: float) -> float:
    """The first moment of the month after."""
    at = datetime.fromtimestamp(seconds, UTC)
    is_last = at.month == _DECEMBER
    following = datetime(at.year + is_last, 1 if is_last else at.month + 1, 1, tzinfo=UTC)
    return following.timestamp()
