"""The OpenAPI 3.1 document of the admin API, made from the endpoints and the models that serve them."""

__all__ = ["openapi_document"]

import re
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any, Final

from aiohttp import hdrs

from admin.api.examples import ANSWERS, BODIES, IDS
from admin.api.openapi_parts import (
    TAGS,
    Mode,
    Schema,
    parameters_of,
    problem_responses,
    problem_schema,
    reference,
    schemas,
    tag_of,
)
from admin.api.openapi_streams import stream_operation
from admin.api.terms import body_bytes_max, needs_body, takes_idempotency_key, takes_if_match
from admin.wire.endpoints import CREATED, ENDPOINTS, Endpoint
from admin.wire.streams import STREAMS

_DESCRIPTION: Final = """\
Everything that happens to accounts, users and keys. Every answer is JSON; every error is a problem
document (RFC 9457) with a `code` to decide by.

**Lists** are pages: hand `next_cursor` back as `cursor` until it is null.
**Changes** may carry `If-Match` with the `ETag` that was read: 412 if somebody was faster.
**A lost answer** to a POST can be had again, secret included, for ten minutes: send the same
request with the same `Idempotency-Key`.
"""

_TEXT: Final = {"type": "string"}
_HEADERS: Final[dict[str, Schema]] = {
    "X-Request-Id": {
        "description": "Yours when you sent a sane one, else a fresh one. The audit log keeps it.",
        "schema": _TEXT,
    },
    "ETag": {
        "description": "The version, for If-Match and If-None-Match (RFC 9110).",
        "schema": _TEXT,
        "example": '"7"',
    },
    "Location": {
        "description": "Where what was created is found.",
        "schema": {"type": "string", "format": "uri-reference"},
    },
    "Retry-After": {
        "description": "Seconds to wait before asking again.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "WWW-Authenticate": {"description": "RFC 6750's challenge.", "schema": _TEXT},
}
_PARAMETERS: Final[dict[str, Schema]] = {
    "X-Request-Id": {
        "name": "X-Request-Id",
        "in": "header",
        "description": "1 to 128 of A-Z a-z 0-9 . _ -; anything else is replaced.",
        "schema": _TEXT,
    },
    "If-Match": {
        "name": "If-Match",
        "in": "header",
        "description": "Change it only if it still is one of these versions: ETags, or `*`.",
        "schema": {"type": "string", "pattern": r'^(\*|"[0-9]{1,18}")$'},
    },
    "If-None-Match": {
        "name": "If-None-Match",
        "in": "header",
        "description": "Send it only if it is none of these: 304 otherwise.",
        "schema": {"type": "string", "pattern": r'^(\*|(W/)?"[0-9a-f-]{1,40}")$'},
    },
    "Last-Event-ID": {
        "name": "Last-Event-ID",
        "in": "header",
        "description": "The `id` of the last event that came: what came in since is told first.",
        "schema": {"type": "string", "pattern": "^[0-9]{1,18}$"},
    },
    "Idempotency-Key": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "1 to 255 visible ASCII characters, new for each thing you want done: the same request"
        " with the same key is done once, and answered again for ten minutes.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    },
}
_PLACEHOLDER: Final = re.compile(r"\{(\w+)\}")
# What a change may run into, and what anything may.
_ALWAYS: Final = (400, 401, 422, 429, 500, 503)
_WITH_BODY: Final = (408, 413, 415)


def openapi_document(docs_url: str) -> dict[str, Any]:
    """The whole document; `docs_url` is where the pages about problems live."""
    found, components = schemas()
    paths: dict[str, dict[str, Schema]] = {}
    for one in ENDPOINTS:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one, found, components)
    for each in STREAMS:
        ids = [_id(name) for name in _PLACEHOLDER.findall(each.path)]
        query = components[each.query.__name__]
        paths[each.path] = {"get": stream_operation(each, ids, query)}
    for model in (*(one.query for one in ENDPOINTS), *(each.query for each in STREAMS)):
        if model is not None:
            components.pop(model.__name__, None)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Keywright admin API",
            "version": version("keywright"),
            "description": _DESCRIPTION,
        },
        "servers": [{"url": "/", "description": "This installation."}],
        "tags": [{"name": n, "description": d} for n, d in dict.fromkeys(TAGS.values())],
        "security": [{"admin_token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "admin_token": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "kwadmin_…",
                    "description": "`keywright tokens create` makes the first one.",
                }
            },
            "headers": _HEADERS,
            "parameters": _PARAMETERS,
            "responses": problem_responses(docs_url),
            "schemas": {**dict(sorted(components.items())), "Problem": problem_schema()},
        },
    }


def _operation(one: Endpoint, found: dict[Any, Schema], components: dict[str, Schema]) -> Schema:
    parameters: list[Schema] = [_id(name) for name in _PLACEHOLDER.findall(one.path)]
    if one.query is not None:
        parameters += parameters_of(components[one.query.__name__])
    parameters += [reference("parameters", name) for name in _header_parameters(one)]
    operation = {
        "operationId": one.name,
        "summary": one.summary,
        "description": _description(one),
        "tags": [tag_of(one.name)],
        "parameters": parameters,
        "responses": dict(_responses(one, _of(found, one.answer, "serialization"))),
    }
    if one.body is not None:
        operation["requestBody"] = {
            "required": needs_body(one),
            "content": {
                "application/json": {
                    "schema": _of(found, one.body, "validation"),
                    "example": BODIES[one.name],
                }
            },
        }
    return operation


def _of(found: dict[Any, Schema], model: type, mode: Mode) -> Schema:
    return found[model, mode]


def _id(name: str) -> Schema:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": f"The {name.removesuffix('_id')}'s id.",
        "schema": {"type": "string", "pattern": "^[0-9A-Za-z_]{1,64}$"},
        "example": IDS[name],
    }


def _description(one: Endpoint) -> str:
    needs = "Every token may." if one.permission is None else f"Needs `{one.permission}`."
    if one.body is None:
        return needs
    return f"{needs} The body may have {body_bytes_max(one) >> 20} MiB."


def _header_parameters(one: Endpoint) -> Iterator[str]:
    yield "X-Request-Id"
    if takes_if_match(one):
        yield "If-Match"
    elif one.is_versioned and one.method == hdrs.METH_GET:
        yield "If-None-Match"
    if takes_idempotency_key(one):
        yield "Idempotency-Key"


def _responses(one: Endpoint, answer: Schema) -> Iterator[tuple[str, Schema]]:
    headers = {"X-Request-Id": reference("headers", "X-Request-Id")}
    if one.is_versioned:
        headers["ETag"] = reference("headers", "ETag")
    if one.status == CREATED:
        headers["Location"] = reference("headers", "Location")
    yield (
        str(one.status),
        {
            "description": "Created." if one.status == CREATED else "Done.",
            "headers": headers,
            "content": {"application/json": {"schema": answer, "example": ANSWERS[one.name]}},
        },
    )
    if one.is_versioned and one.method == hdrs.METH_GET:
        yield "304", {"description": "It is as you have it.", "headers": headers}
    for status in sorted(_problems(one)):
        yield str(status), reference("responses", f"Problem{status}")


def _problems(one: Endpoint) -> set[int]:
    statuses = set(_ALWAYS)
    if one.permission is not None:
        statuses |= {403, 404}
    if one.method != hdrs.METH_GET:
        statuses.add(409)
    if one.body is not None:
        statuses |= set(_WITH_BODY)
    if takes_if_match(one):
        statuses.add(412)
    return statuses
