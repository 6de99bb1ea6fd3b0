"""What comes piece by piece, as calls: files of requests, and requests as they come in. Pure."""

__all__ = [
    "EventReader",
    "StreamCall",
    "StreamEnded",
    "export_requests",
    "stream_message",
    "tail_requests",
]

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel

from admin.client.call import given
from admin.client.faults import ClientError
from admin.client.message import Message, in_path, params
from admin.wire.streams import RequestExportQuery, RequestTailQuery, Stream, stream
from admin.wire.usage import RequestDocument


class StreamEnded(ClientError):
    """The server ended a tail, and coming back would be of no use: the token is not good any more."""


@dataclass(frozen=True, slots=True)
class StreamCall:
    """What is asked of a stream. `after` is the position to go on behind; None for from now on."""

    stream: Stream
    ids: Mapping[str, str]
    query: BaseModel
    after: str | None = None

    def behind(self, position: str) -> "StreamCall":
        """The same, from there on."""
        return replace(self, after=position or self.after)


def stream_message(call: StreamCall) -> Message:
    """The request for this call. Raises BadId."""
    headers = {"Accept": f"{', '.join(call.stream.media_types)}, application/problem+json"}
    if call.after is not None:
        headers["Last-Event-ID"] = call.after
    path = call.stream.path.format_map({name: in_path(id_) for name, id_ in call.ids.items()})
    return Message("GET", path, params(call.query), headers, None)


class EventReader:
    """Reads server-sent events line by line (HTML Standard §9.2). `position` is where to go on."""

    def __init__(self) -> None:
        """Nothing is read yet."""
        self.position = ""
        self._kind = ""
        self._data: list[str] = []

    def take(self, line: str) -> RequestDocument | None:
        """The request that this line completes, if it does. Raises StreamEnded."""
        if line:
            self._field(*line.partition(":")[::2])
            return None
        kind, data = self._kind, "\n".join(self._data)
        self._kind, self._data = "", []
        if kind == "request":
            return RequestDocument.model_validate_json(data, extra="ignore")
        if kind == "end" and json.loads(data).get("reason") == "token":
            raise StreamEnded("the token is not good any more: nothing more is told")
        return None

    def _field(self, name: str, value: str) -> None:
        value = value.removeprefix(" ")
        match name:
            case "id":
                self.position = value
            case "event":
                self._kind = value
            case "data":
                self._data.append(value)
            case _:
                # Comments, and what later releases may say.
                pass


def export_requests(of: str, **words: Any) -> StreamCall:  # noqa: ANN401 -- the query's own fields
    """The requests of a key, or an account, as the bytes of a file, oldest first.

    `format` is "csv" or "jsonl"; all else narrows as in a list of requests. Raises ValueError for other words.
    """
    query = RequestExportQuery.model_validate(given(**words))
    return _call(of, "export_requests", query)


def tail_requests(of: str, **words: Any) -> StreamCall:  # noqa: ANN401
    """The requests of a key, or an account, as they come in; each connection lasts `seconds`, an hour if not said.

    All else narrows as in a list of requests. Raises ValueError for other words.
    """
    query = RequestTailQuery.model_validate(given(**words))
    return _call(of, "tail_requests", query)


def _call(of: str, what: str, query: BaseModel) -> StreamCall:
    if of.startswith("acc_"):
        return StreamCall(stream(f"accounts.{what}"), {"account_id": of}, query)
    return StreamCall(stream(f"keys.{what}"), {"key_id": of}, query)
