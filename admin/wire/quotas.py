"""Quotas: what an account may use in a month, and what it has used."""

__all__ = [
    "BillingPage",
    "BillingQuery",
    "BillingRow",
    "QuotaChanged",
    "QuotaDocument",
    "QuotaUse",
    "RaiseDocument",
    "RaiseRequest",
]

from pydantic import Field

from admin.wire.receipt import ReceiptDocument
from admin.wire.shapes import Document, Duration, PageQuery, Request, Text, Timestamp, Word
from gateway.core.limits import QUOTA_MAX
from gateway.core.quota import AtLimit


class QuotaUse(Document):
    """Of requests or bytes: what the plan allows, what raises allow on top, and what is used."""

    limit: int
    extra: int
    used: int
    remaining: int


class RaiseDocument(Document):
    """So much more, until a time."""

    id: str
    requests: int
    bytes: int
    reason: str
    created_at: Timestamp
    until: Timestamp


class QuotaDocument(Document):
    """One account's present month. What has no limit is null, and `at_limit` is null without a quota."""

    account: str
    plan: str
    month: str
    starts_at: Timestamp
    ends_at: Timestamp
    at_limit: AtLimit | None
    requests: QuotaUse | None
    bytes: QuotaUse | None
    raises: tuple[RaiseDocument, ...]


class RaiseRequest(Request):
    """How much more, for how long: one of `until` and `lasts`."""

    requests: int = Field(default=0, ge=0, le=QUOTA_MAX)
    bytes: int = Field(default=0, ge=0, le=1 << 50)
    until: Timestamp | None = None
    lasts: Duration | None = None
    reason: Text


class QuotaChanged(Document):
    """The quota after a change, which raise it was, and who enforces it."""

    quota: QuotaDocument
    raise_id: str
    enforced: ReceiptDocument | None


class BillingQuery(PageQuery):
    """Which month, the present one if none is given, and whose."""

    month: str | None = Field(default=None, pattern="^[0-9]{4}-(0[1-9]|1[0-2])$")
    account: Word | None = None


class BillingRow(Document):
    """What one account used in one month."""

    account: str
    name: str
    plan: str
    month: str
    requests: int
    bytes_in: int
    bytes_out: int


class BillingPage(Document):
    """Some accounts, in the order of their ids."""

    rows: tuple[BillingRow, ...]
    next_cursor: str | None
