"""What the admin API sends piece by piece: files of requests, and requests as they come in."""

__all__ = [
    "CSV",
    "EVENTS",
    "FILE_TYPES",
    "JSONL",
    "STREAMS",
    "RequestExportQuery",
    "RequestTailQuery",
    "Stream",
    "stream",
]

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from pydantic import BaseModel, Field

from admin.core.caller import Permission
from admin.wire.shapes import Moment, Request, Word
from admin.wire.usage import RequestDocument, Status

CSV: Final = "text/csv"
JSONL: Final = "application/jsonl"
EVENTS: Final = "text/event-stream"
# The media type of a file, by the name of its form.
FILE_TYPES: Final[Mapping[str, str]] = {
    "csv": f"{CSV}; charset=utf-8; header=present",
    "jsonl": JSONL,
}


class RequestTailQuery(Request):
    """Which requests: those that fit every word given; and for how long."""

    status: Status | None = None
    outcome: Word | None = None
    route: Word | None = None
    method: Word | None = None
    path: Word | None = None
    address: Word | None = None
    request_id: Word | None = None
    seconds: int = Field(default=3600, ge=0, le=3600)


class RequestExportQuery(Request):
    """Which requests, in which form."""

    format: Literal["csv", "jsonl"] = "csv"
    since: Moment | None = None
    until: Moment | None = None
    status: Status | None = None
    outcome: Word | None = None
    route: Word | None = None
    method: Word | None = None
    path: Word | None = None
    address: Word | None = None
    request_id: Word | None = None


@dataclass(frozen=True, slots=True)
class Stream:
    """One thing that can be asked and is answered piece by piece, each of which is a `line`."""

    name: str
    path: str
    summary: str
    permission: Permission
    query: type[BaseModel]
    media_types: tuple[str, ...]
    line: type[BaseModel] = RequestDocument

    @property
    def is_endless(self) -> bool:
        """Whether it goes on until somebody ends it."""
        return self.media_types == (EVENTS,)


STREAMS: Final = (
    Stream(
        "keys.export_requests",
        "/v1/keys/{key_id}/requests/export",
        "A key's requests as a file, oldest first.",
        Permission.USAGE_READ,
        RequestExportQuery,
        (CSV, JSONL),
    ),
    Stream(
        "accounts.export_requests",
        "/v1/accounts/{account_id}/requests/export",
        "The requests of all of an account's keys as a file, oldest first.",
        Permission.USAGE_READ,
        RequestExportQuery,
        (CSV, JSONL),
    ),
    Stream(
        "keys.tail_requests",
        "/v1/keys/{key_id}/requests/tail",
        "A key's requests as they come in, as server-sent events.",
        Permission.USAGE_READ,
        RequestTailQuery,
        (EVENTS,),
    ),
    Stream(
        "accounts.tail_requests",
        "/v1/accounts/{account_id}/requests/tail",
        "The requests of all of an account's keys as they come in, as server-sent events.",
        Permission.USAGE_READ,
        RequestTailQuery,
        (EVENTS,),
    ),
)

_BY_NAME: Final = {one.name: one for one in STREAMS}


def stream(name: str) -> Stream:
    """The stream of that name. Raises KeyError."""
    return _BY_NAME[name]
