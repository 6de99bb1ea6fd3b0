"""What keys did: their requests one by one, and what they amount to."""

__all__ = [
    "FiguresDocument",
    "GroupDocument",
    "PointDocument",
    "RequestDocument",
    "RequestPage",
    "RequestQuery",
    "UsageQuery",
    "UsageReport",
]

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from admin.wire.shapes import Document, Moment, PageQuery, Request, Timestamp, Word

Status = Annotated[str, Field(pattern=r"^[1-5](xx|[0-9]{2})$", examples=["4xx"])]


class RequestDocument(Document):
    """One finished request."""

    at: Timestamp
    key: str
    account: str | None
    secret_id: str | None
    request_id: str
    method: str
    path: str
    route: str | None
    status: int
    outcome: str
    duration_ms: float
    bytes_in: int
    bytes_out: int
    address: str


class RequestPage(Document):
    """Some requests, newest first. A page may be short, or empty, and still have one behind it."""

    requests: tuple[RequestDocument, ...]
    next_cursor: str | None


class RequestQuery(PageQuery):
    """Which requests: those that fit every word given."""

    since: Moment | None = None
    until: Moment | None = None
    status: Status | None = None
    outcome: Word | None = None
    route: Word | None = None
    method: Word | None = None
    path: Word | None = None
    address: Word | None = None
    request_id: Word | None = None


class FiguresDocument(Document):
    """What some requests amount to."""

    requests: int
    refused: int
    bytes_in: int
    bytes_out: int
    mean_ms: float | None
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


class PointDocument(FiguresDocument):
    """The requests that began between one moment and the next point's."""

    at: Timestamp
    statuses: dict[str, int]


class GroupDocument(FiguresDocument):
    """The requests that have something in common."""

    name: str


class UsageReport(Document):
    """What was used in a time: altogether, point by point without a gap, and in groups, the largest first."""

    model_config = ConfigDict(serialize_by_alias=True, validate_by_name=True)

    from_: Timestamp = Field(alias="from")
    to: Timestamp
    step: Literal["minute", "hour", "day"]
    totals: FiguresDocument
    series: tuple[PointDocument, ...]
    by_route: tuple[GroupDocument, ...]
    by_outcome: tuple[GroupDocument, ...]
    by_status: tuple[GroupDocument, ...]


class UsageQuery(Request):
    """Of which time, by which step."""

    model_config = ConfigDict(serialize_by_alias=True, validate_by_name=True)

    from_: Moment | None = Field(default=None, alias="from")
    to: Moment | None = None
    step: Literal["minute", "hour", "day", "auto"] = "auto"
    route: Word | None = None
    outcome: Word | None = None
    status: Annotated[str, Field(pattern="^[1-5]xx$")] | None = None
