"""From a request's bytes to what an act is asked: query, body, ids, Idempotency-Key.

Each refuses what can be understood in two ways: a name given twice, a text that no database can hold.
"""

__all__ = ["checked_id", "idempotency", "parsed_body", "parsed_query", "read_body"]

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncIterator, Sequence
from typing import Any, NoReturn, TypeVar
from urllib.parse import parse_qsl

from aiohttp import web
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from admin.api.faults import invalid
from admin.api.problems import Declined, FieldError, Problem
from admin.core.caller import Idempotency
from admin.core.faults import NotFound

_PARAMETERS_MAX = 50
_DEPTH_MAX = 32
_BODY_SECONDS = 30.0
_ID = re.compile(r"[0-9A-Za-z_]{1,64}")
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,18}")
_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_JSON_TYPE = re.compile(r'application/json(?:\s*;\s*charset="?utf-8"?)?', re.IGNORECASE)
_SURROGATES = re.compile(r"[\ud800-\udfff]")

Model = TypeVar("Model", bound=BaseModel)


def checked_id(name: str, text: str) -> str:
    """An id from the path. Raises NotFound for what none of ours can be, so that no store ever sees it."""
    if _ID.fullmatch(text) is None:
        raise NotFound(f"There is nothing with this {name.replace('_', ' ')}.")
    return text


def parsed_query(model: type[Model] | None, raw: str) -> Model | None:
    """The query string as `model`; None where none is taken. Raises Declined naming every mistake."""
    try:
        pairs = parse_qsl(
            raw, keep_blank_values=True, errors="strict", max_num_fields=_PARAMETERS_MAX
        )
    except UnicodeDecodeError:
        raise Declined(Problem.BAD_REQUEST, "The query is not UTF-8.") from None
    except ValueError:
        raise Declined(
            Problem.BAD_REQUEST, f"The query has more than {_PARAMETERS_MAX} parameters."
        ) from None
    fields = {} if model is None else _fields(model)
    names = [name for name, _ in pairs]
    errors = [
        FieldError(name, "There is no such query parameter here.")
        if name not in fields
        else FieldError(name, "This query parameter is given more than once.")
        for name in dict.fromkeys(names)
        if name not in fields or names.count(name) > 1
    ]
    errors += [FieldError(name, problem) for name, text in pairs if (problem := _unfit(text))]
    if errors:
        raise Declined(
            Problem.INVALID_REQUEST, "See 'errors' for what is wrong with the query.", errors
        )
    if model is None:
        return None
    return _validated(
        model, json.dumps({name: _typed(fields[name].annotation, text) for name, text in pairs})
    )


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """By the names that they have on the wire: not each can be a name in Python."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _typed(wanted: object, text: str) -> str | int | bool:
    """A number or a truth value where the model has one, so that one strict reading serves query and body."""
    if wanted is bool and text in {"true", "false"}:
        return text == "true"
    if wanted is int and _WHOLE_NUMBER.fullmatch(text):
        return int(text)
    return text


async def read_body(request: web.Request, size_max: int) -> bytes:
    """The whole body. Raises Declined when it is larger than `size_max` bytes, slow, or packed."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Declined(Problem.UNSUPPORTED_MEDIA_TYPE)
    if (request.content_length or 0) > size_max:
        raise _too_large(size_max)
    _let_it_come(request)
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            return await _at_most(size_max, request.content.iter_any())
    except TimeoutError:
        raise Declined(Problem.REQUEST_TIMEOUT, headers={"Connection": "close"}) from None


async def _at_most(size_max: int, parts: AsyncIterator[bytes]) -> bytes:
    body = bytearray()
    async for part in parts:
        body += part
        if len(body) > size_max:
            raise _too_large(size_max)
    return bytes(body)


def _let_it_come(request: web.Request) -> None:
    # Not before: who may not ask at all need not send the body either (RFC 9110 §10.1.1).
    if request.headers.get("Expect", "").lower() == "100-continue" and request.transport:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")


def _too_large(size_max: int) -> Declined:
    return Declined(
        Problem.BODY_TOO_LARGE,
        f"The body may have {size_max // 1024} KiB.",
        headers={"Connection": "close"},
    )


def parsed_body(
    model: type[Model], body: bytes, media_type: str | None, *, is_needed: bool
) -> Model:
    """The body as `model`; none at all is `{}` where none is needed. Raises Declined naming every mistake."""
    if not body and not is_needed:
        return _validated(model, b"{}")
    if not body:
        raise Declined(Problem.BAD_REQUEST, "This request needs a body, in JSON.")
    if media_type is None or _JSON_TYPE.fullmatch(media_type.strip()) is None:
        raise Declined(Problem.UNSUPPORTED_MEDIA_TYPE, headers={"Accept": "application/json"})
    _require_plain(_loaded(body))
    return _validated(model, body)


def _loaded(body: bytes) -> object:
    try:
        return json.loads(
            body.decode(), object_pairs_hook=_unambiguous, parse_constant=_no_constant
        )
    except (ValueError, RecursionError):
        # The parser's own words may quote the body.
        raise Declined(
            Problem.BAD_REQUEST,
            "The body is not JSON in UTF-8, or a name stands twice in one object (RFC 8259).",
        ) from None


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _no_constant(_word: str) -> NoReturn:
    raise ValueError("NaN and Infinity are no JSON")


def _require_plain(value: object) -> None:
    """Return if the document is shallow and every text in it can be stored. Raises Declined."""
    waiting = [("", value, 0)]
    errors = []
    while waiting:
        path, here, depth = waiting.pop()
        if depth > _DEPTH_MAX:
            raise Declined(
                Problem.BAD_REQUEST, f"The body is nested more than {_DEPTH_MAX} levels deep."
            )
        if isinstance(here, str) and (problem := _unfit(here)):
            errors.append(FieldError(path, problem))
        elif isinstance(here, dict):
            waiting += [(_joined(path, name), name, depth) for name in here]
            waiting += [(_joined(path, name), inner, depth + 1) for name, inner in here.items()]
        elif isinstance(here, list):
            waiting += [(_joined(path, str(n)), one, depth + 1) for n, one in enumerate(here)]
    if errors:
        raise Declined(Problem.INVALID_REQUEST, "See 'errors' for what cannot be stored.", errors)


def _joined(path: str, name: str) -> str:
    plain = _SURROGATES.sub("?", name)
    return f"{path}.{plain}" if path else plain


def _unfit(text: str) -> str | None:
    """Why a database could not hold `text`; None if it can."""
    if "\0" in text:
        return "A text may not hold U+0000."
    if _SURROGATES.search(text):
        return "A text may not hold half of a surrogate pair."
    return None


def _validated(model: type[Model], text: str | bytes) -> Model:
    try:
        return model.model_validate_json(text, strict=True)
    except ValidationError as error:
        raise invalid(error) from None


def idempotency(fields: Sequence[str], method: str, path: str, body: bytes) -> Idempotency | None:
    """What tells a repetition of this request from another one; None without Idempotency-Key. Raises Declined."""
    if not fields:
        return None
    if len(fields) > 1 or _IDEMPOTENCY_KEY.fullmatch(fields[0]) is None:
        raise Declined(
            Problem.BAD_REQUEST,
            "Idempotency-Key is 1 to 255 visible ASCII characters, sent once. A random UUID will do.",
        )
    fingerprint = hashlib.sha256(f"{method}\n{path}\n".encode() + body).hexdigest()
    return Idempotency(fields[0], fingerprint)
