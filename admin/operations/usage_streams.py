"""Requests piece by piece: as lines of a file, and as they come in."""

__all__ = ["EXPORTS", "TAILS", "ArrivedDocuments", "csv_header"]

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Final, NamedTuple, TypeAlias

from admin.core.caller import Caller
from admin.core.csv_cells import csv_row
from admin.operations.asked import Asked
from admin.operations.usage import SubjectKind, request_document, request_filter, subject_of
from admin.services.catalogue import Services
from admin.services.usage_tail import Arrived
from admin.stores.usage_requests import Logged
from admin.wire.streams import RequestExportQuery, RequestTailQuery
from admin.wire.usage import RequestDocument, RequestQuery


class ArrivedDocuments(NamedTuple):
    """Some requests in the order in which they came in; behind `position` comes what is next."""

    position: int
    requests: tuple[RequestDocument, ...]


Export: TypeAlias = Callable[[Services, Caller, Asked], Awaitable[AsyncGenerator[bytes, None]]]
Tail: TypeAlias = Callable[
    [Services, Caller, Asked, int | None], Awaitable[AsyncGenerator[ArrivedDocuments, None]]
]


def csv_header() -> str:
    """The first line of a CSV file."""
    return csv_row(RequestDocument.model_fields)


def _export(kind: SubjectKind) -> Export:
    async def act(services: Services, caller: Caller, asked: Asked) -> AsyncGenerator[bytes, None]:
        query = asked.the_query(RequestExportQuery)
        wanted = request_filter(_as_list(query), services.usage.now)
        parts = await services.usage.export(caller, subject_of(kind, asked), wanted)
        return _lines(parts, is_csv=query.format == "csv")

    return act


async def _lines(
    parts: AsyncGenerator[Sequence[Logged], None], *, is_csv: bool
) -> AsyncGenerator[bytes, None]:
    # With the first part: whoever has a line knows that the database answered.
    head = csv_header() if is_csv else ""
    write = _csv if is_csv else _jsonl
    async with aclosing(parts):
        async for part in parts:
            yield (head + "".join(write(request_document(each)) for each in part)).encode()
            head = ""


def _csv(request: RequestDocument) -> str:
    return csv_row(request.model_dump(mode="json").values())


def _jsonl(request: RequestDocument) -> str:
    return request.model_dump_json() + "\n"


def _tail(kind: SubjectKind) -> Tail:
    async def act(
        services: Services, caller: Caller, asked: Asked, after: int | None
    ) -> AsyncGenerator[ArrivedDocuments, None]:
        query = asked.the_query(RequestTailQuery)
        wanted = request_filter(_as_list(query), services.usage.now)
        parts = await services.usage.tail(caller, subject_of(kind, asked), wanted, after)
        return _documents(parts)

    return act


async def _documents(
    parts: AsyncGenerator[Arrived, None],
) -> AsyncGenerator[ArrivedDocuments, None]:
    async with aclosing(parts):
        async for part in parts:
            yield ArrivedDocuments(part.position, tuple(map(request_document, part.requests)))


def _as_list(query: RequestExportQuery | RequestTailQuery) -> RequestQuery:
    """The same words as in the query of a list."""
    return RequestQuery.model_validate(query.model_dump(exclude={"format", "seconds"}))


EXPORTS: Final[Mapping[str, Export]] = {
    "keys.export_requests": _export("key"),
    "accounts.export_requests": _export("account"),
}
TAILS: Final[Mapping[str, Tail]] = {
    "keys.tail_requests": _tail("key"),
    "accounts.tail_requests": _tail("account"),
}
