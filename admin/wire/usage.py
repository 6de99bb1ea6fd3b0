"""What keys did: their requests one by one."""

__all__ = ["RequestDocument", "RequestPage", "RequestQuery"]

from typing import Annotated

from pydantic import Field

from admin.wire.shapes import Document, Moment, PageQuery, Timestamp, Word

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
