"""Alerts: what an account wants to be told of, and what stands now."""

__all__ = [
    "AlertDocument",
    "AlertPage",
    "AlertQuery",
    "AlertSettingsDocument",
    "AlertSettingsPatch",
]

from typing import Annotated, Any

from pydantic import Field

from admin.core.alerts.kinds import AlertKind, Severity
from admin.core.alerts.wishes import THRESHOLD_MAX, THRESHOLDS_MAX
from admin.wire.shapes import Document, PageQuery, Request, Timestamp, Word

Percent = Annotated[int, Field(ge=1, le=THRESHOLD_MAX, strict=True)]


class AlertSettingsDocument(Document):
    """What an account is told of. What is `chosen` is its own choice; the rest is the configuration's."""

    account: str
    thresholds: tuple[int, ...]
    thresholds_chosen: bool
    default_thresholds: tuple[int, ...]
    kinds: dict[str, bool]
    chosen: tuple[str, ...]
    version: int


class AlertSettingsPatch(Request):
    """What is to change; what is left out stays, and null goes back to the configuration's."""

    thresholds: Annotated[tuple[Percent, ...], Field(max_length=THRESHOLDS_MAX)] | None = None
    kinds: dict[AlertKind, bool | None] = Field(default_factory=dict)


class AlertDocument(Document):
    """Something that an account was told of, and that still is so. `key` None: it is about the account."""

    account: str
    key: str | None
    kind: AlertKind
    severity: Severity
    title: str
    text: str
    data: dict[str, Any]
    told_at: Timestamp


class AlertPage(Document):
    """Some alerts that stand now."""

    alerts: tuple[AlertDocument, ...]
    next_cursor: str | None


class AlertQuery(PageQuery):
    """Which alerts."""

    account: Word | None = None
    key: Word | None = None
    kind: AlertKind | None = None
    severity: Severity | None = None
