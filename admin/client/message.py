"""A call as an HTTP request, and an answer as a document or a fault. Pure: the two clients send what is made here."""

__all__ = ["Message", "in_path", "message", "params", "problem", "read"]

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote

from pydantic import BaseModel, SecretStr, ValidationError

from admin.client.call import Call
from admin.client.faults import ApiError, BadId, FieldError

Answer = TypeVar("Answer", bound=BaseModel)

_NO_IDS = frozenset({"", ".", ".."})


class Message(NamedTuple):
    """A request but for the token and the server's address."""

    method: str
    path: str
    params: dict[str, str]
    headers: dict[str, str]
    content: bytes | None

    def __repr__(self) -> str:
        """Without the content: it may hold a key."""
        return f"Message({self.method} {self.path})"


def message(call: Call[Any], idempotency_key: str) -> Message:
    """The request for this call; the key is what makes repeating a POST safe. Raises BadId."""
    headers = {"Accept": "application/json, application/problem+json"}
    content = None
    if call.body is not None:
        headers["Content-Type"] = "application/json"
        content = json.dumps(call.body.model_dump(exclude_unset=True), default=_told).encode()
    if call.endpoint.method == "POST":
        headers["Idempotency-Key"] = call.idempotency_key or idempotency_key
    if call.expected is not None:
        headers["If-Match"] = f'"{call.expected}"'
    path = call.endpoint.path.format_map({name: in_path(id_) for name, id_ in call.ids.items()})
    return Message(call.endpoint.method, path, params(call.query), headers, content)


def read(call: Call[Answer], status: int, headers: Mapping[str, str], content: bytes) -> Answer:
    """The document in the answer; one that a newer server has added fields to is understood, too. Raises ApiError."""
    if status != call.endpoint.status:
        raise problem(status, headers, content)
    try:
        return call.answer.model_validate_json(content, extra="ignore")
    except ValidationError:
        detail = "The answer is none that the admin API gives. Is this its address, and is its release newer?"
        raise ApiError(
            status, "unexpected_answer", detail, request_id=headers.get("X-Request-Id")
        ) from None


def _told(value: object) -> str:
    """What only leaves its hiding place on its way to the server."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    raise TypeError(f"no field of a request is a {type(value).__name__}")


def in_path(id_: str) -> str:
    """An id as a part of a path. Raises BadId."""
    if id_ in _NO_IDS:
        raise BadId(f"'{id_}' is not an id.")
    return quote(id_, safe="")


def params(query: BaseModel | None) -> dict[str, str]:
    """A query as the parameters of a URL."""
    if query is None:
        return {}
    values = query.model_dump(mode="json", exclude_unset=True, exclude_none=True)
    return {name: _param(value) for name, value in values.items()}


def _param(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def problem(status: int, headers: Mapping[str, str], content: bytes) -> ApiError:
    """What a problem document says (RFC 9457); of any other answer, only its status is told."""
    try:
        said = json.loads(content)
    except (ValueError, RecursionError):
        said = None
    told: Mapping[str, Any] = said if isinstance(said, dict) else {}
    return ApiError(
        status,
        str(told.get("code") or "unexpected_answer"),
        str(told.get("detail") or told.get("title") or f"The server answered {_phrase(status)}."),
        errors=_errors(told.get("errors")),
        request_id=headers.get("X-Request-Id"),
        retry_after=_seconds(headers.get("Retry-After")),
    )


def _phrase(status: int) -> str:
    known = {one.value: one.phrase for one in HTTPStatus}
    return f"{status} {known.get(status, '')}".rstrip()


def _errors(said: object) -> list[FieldError]:
    several = said if isinstance(said, list) else []
    return [
        FieldError(str(one.get("field", "")), str(one.get("message", "")))
        for one in several
        if isinstance(one, dict)
    ]


def _seconds(text: str | None) -> float | None:
    """Whole seconds; a date is not understood, and then the usual pauses are made."""
    return float(text) if text is not None and text.isascii() and text.isdigit() else None
