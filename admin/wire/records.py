"""What has happened: audit entries, events."""

__all__ = [
    "AuditDocument",
    "AuditPage",
    "AuditQuery",
    "AuditVerdict",
    "AuditVerifyQuery",
    "EventDocument",
    "EventPage",
    "EventQuery",
]

from typing import Any

from pydantic import Field

from admin.wire.shapes import Document, PageQuery, Request, Timestamp, Word


class AuditDocument(Document):
    """Who did what to what. `before` and `after` hold what differs, never a secret."""

    sequence: int
    at: Timestamp
    actor_kind: str
    actor_id: str
    actor_name: str
    address: str
    request_id: str
    action: str
    target_kind: str
    target_id: str
    account: str | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    hash: str


class AuditPage(Document):
    """Some entries, newest first."""

    entries: tuple[AuditDocument, ...]
    next_cursor: str | None


class AuditQuery(PageQuery):
    """Which entries."""

    account: Word | None = None
    target: Word | None = None
    actor: Word | None = None
    action: Word | None = None
    since: Timestamp | None = None
    until: Timestamp | None = None


class AuditVerifyQuery(Request):
    """Whether an end that was noted before is still in the log: who rewrote all of it is then found, too."""

    expect: str | None = Field(
        default=None,
        pattern=r"^[1-9][0-9]{0,17}:[0-9a-f]{64}$",
        description="`head_sequence:head_hash` of an earlier answer.",
    )


class AuditVerdict(Document):
    """Whether the chain is whole; if not, at which entry it first breaks, and how."""

    ok: bool
    entries: int
    head_sequence: int
    head_hash: str
    broken_at: int | None = None
    problem: str | None = None


class EventDocument(Document):
    """Something somebody may want to be told of."""

    sequence: int
    at: Timestamp
    kind: str
    account: str | None
    key: str | None
    data: dict[str, Any]


class EventPage(Document):
    """Some events, oldest first; ask again with `after` of the last."""

    events: tuple[EventDocument, ...]
    last_sequence: int


class EventQuery(Request):
    """Those behind this number."""

    after: int = Field(default=0, ge=0, le=2**62)
    limit: int = Field(default=50, ge=1, le=200)
    account: Word | None = None
