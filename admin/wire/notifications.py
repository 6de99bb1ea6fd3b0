"""The inbox, channels, and what was sent to them."""

__all__ = [
    "AttemptDocument",
    "ChannelCreated",
    "ChannelDocument",
    "ChannelPage",
    "ChannelPatch",
    "ChannelQuery",
    "DeliveryDetails",
    "DeliveryDocument",
    "DeliveryPage",
    "DeliveryQuery",
    "InboxPage",
    "InboxQuery",
    "InboxRead",
    "InboxReadRequest",
    "NewChannelRequest",
    "NoticeDocument",
    "RotateSecretRequest",
]

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from admin.wire.shapes import Document, PageQuery, Request, Text, Timestamp, Word
from admin.wire.words import ChannelKind, ChannelStatus, DeliveryState, Severity

Url = Annotated[str, StringConstraints(max_length=2000)]


class NoticeDocument(Document):
    """Something that its reader ought to know."""

    sequence: int
    at: Timestamp
    account: str | None
    key: str | None
    kind: str
    severity: Severity
    title: str
    text: str
    is_read: bool


class InboxPage(Document):
    """Some notices, newest first."""

    notices: tuple[NoticeDocument, ...]
    unread: int
    next_cursor: str | None


class InboxQuery(PageQuery):
    """Which notices."""

    account: Word | None = None
    severity: Severity = Severity.INFO
    unread: bool = False


class InboxReadRequest(Request):
    """What the caller has read."""

    notices: tuple[Annotated[int, Field(ge=1, le=2**62)], ...] = Field(default=(), max_length=200)
    up_to: Annotated[int, Field(ge=0, le=2**62)] | None = None


class InboxRead(Document):
    """How many are left."""

    unread: int


class ChannelDocument(Document):
    """Where notifications go. Of a chat service's URL only its beginning is shown: the rest is a secret."""

    id: str
    account: str | None
    kind: ChannelKind
    name: str
    url: str | None
    recipients: tuple[str, ...]
    events: tuple[str, ...]
    severity: Severity
    status: ChannelStatus
    reason: str | None
    failures: int
    failing_since: Timestamp | None
    delivered_at: Timestamp | None
    old_secret_ends_at: Timestamp | None
    created_at: Timestamp
    updated_at: Timestamp
    version: int


class ChannelCreated(ChannelDocument):
    """A webhook's secret, this once; null for other kinds."""

    secret: str | None = Field(repr=False)


class ChannelPage(Document):
    """Some channels, oldest first."""

    channels: tuple[ChannelDocument, ...]
    next_cursor: str | None


class ChannelQuery(PageQuery):
    """Which channels."""

    account: Word | None = None
    kind: ChannelKind | None = None


class NewChannelRequest(Request):
    """A webhook or chat service has a URL, e-mail has recipients."""

    kind: ChannelKind
    name: Text
    account: str | None = None
    url: Url | None = Field(default=None, repr=False)
    recipients: tuple[Text, ...] = ()
    events: tuple[Text, ...] = ("*",)
    severity: Severity | None = None


class ChannelPatch(Request):
    """What is to be different; `active` switches on again what was switched off."""

    name: Text = ""
    url: Url = Field(default="", repr=False)
    recipients: tuple[Text, ...] = ()
    events: tuple[Text, ...] = ()
    severity: Severity = Severity.INFO
    status: Literal["active", "paused"] = "active"


class RotateSecretRequest(Request):
    """For how long the old secret signs, too: 0s to 30d."""

    overlap: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,7}[smhdw]$")] = "24h"


class DeliveryDocument(Document):
    """One event for one channel. `id` is what a webhook says in `webhook-id`, at each attempt."""

    id: str
    channel: str
    event: int | None
    kind: str
    severity: Severity
    title: str
    state: DeliveryState
    attempts: int
    created_at: Timestamp
    next_attempt_at: Timestamp | None
    finished_at: Timestamp | None
    last_status: int | None
    last_detail: str | None


class DeliveryPage(Document):
    """Some deliveries, newest first."""

    deliveries: tuple[DeliveryDocument, ...]
    next_cursor: str | None


class DeliveryQuery(PageQuery):
    """Which deliveries."""

    state: DeliveryState | None = None


class AttemptDocument(Document):
    """One of the times it was tried."""

    number: int
    at: Timestamp
    duration_ms: float
    outcome: str
    status: int | None
    detail: str | None


class DeliveryDetails(DeliveryDocument):
    """The same with what is sent, and each attempt."""

    body: dict[str, Any]
    log: tuple[AttemptDocument, ...]
