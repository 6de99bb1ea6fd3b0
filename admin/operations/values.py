"""Times, durations and receipts, between services and the wire."""

__all__ = [
    "given",
    "looked_back",
    "moment",
    "moment_or_none",
    "page_request",
    "receipt_document",
    "seconds",
    "seconds_in",
]

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from pydantic import BaseModel

from admin.core.page import PageRequest
from admin.core.unset import UNSET
from admin.wire.receipt import ReceiptDocument
from admin.wire.shapes import PageQuery
from gateway.core.changes import Receipt
from gateway.core.errors import Misuse

_SECONDS_MAX: Final = 100 * 366 * 86_400
_UNITS: Final[Mapping[str, int]] = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def moment(seconds_since_epoch: float) -> datetime:
    """A service's time as a document's."""
    return datetime.fromtimestamp(seconds_since_epoch, UTC)


def moment_or_none(seconds_since_epoch: float | None) -> datetime | None:
    """As `moment`, for what may never have been."""
    return None if seconds_since_epoch is None else moment(seconds_since_epoch)


def seconds(at: datetime | None) -> float | None:
    """A document's time as a service's."""
    return None if at is None else at.timestamp()


def seconds_in(duration: str | None) -> float | None:
    """`90d` in seconds. The wire has checked its form; raises Misuse for one that no calendar has room for."""
    if duration is None:
        return None
    length = float(int(duration[:-1]) * _UNITS[duration[-1]])
    if length > _SECONDS_MAX:
        raise Misuse(f"'{duration}' is longer than 100 years. Give a shorter time, or none.")
    return length


def looked_back(moment_or_duration: str | None, now: float) -> float | None:
    """A wire's moment as a service's time: `24h` lies that long before `now`. Raises Misuse."""
    if moment_or_duration is None:
        return None
    if moment_or_duration[-1] in _UNITS:
        return now - (seconds_in(moment_or_duration) or 0.0)
    return datetime.fromisoformat(moment_or_duration.upper()).timestamp()


def given(request: BaseModel, name: str) -> Any:  # noqa: ANN401 -- the field's type
    """The field of a PATCH; UNSET for what was left out."""
    return getattr(request, name) if name in request.model_fields_set else UNSET


def page_request(query: PageQuery) -> PageRequest:
    """Which page is asked for."""
    return PageRequest(query.limit, query.cursor)


def receipt_document(receipt: Receipt | None) -> ReceiptDocument | None:
    """Who enforces a change."""
    if receipt is None:
        return None
    return ReceiptDocument(
        workers=receipt.workers,
        acknowledged=receipt.acknowledged,
        ms=receipt.milliseconds,
        missing=receipt.missing,
        announced=receipt.is_announced,
    )
