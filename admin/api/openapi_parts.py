"""What operations of the OpenAPI document share: schemas out of the wire's models, headers, problems."""

__all__ = [
    "TAGS",
    "parameters_of",
    "problem_responses",
    "problem_schema",
    "reference",
    "schemas",
    "tag_of",
]

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from admin.api.examples import PROBLEM
from admin.api.field_words import FIELD_WORDS
from admin.api.problems import PROBLEM_TYPE, Problem
from admin.wire.endpoints import ENDPOINTS
from admin.wire.streams import STREAMS

Schema = dict[str, Any]
Mode = Literal["validation", "serialization"]

_TEMPLATE: Final = "#/components/schemas/{model}"

# By the first word of an endpoint's name, in the order of the page.
TAGS: Final[Mapping[str, tuple[str, str]]] = {
    "accounts": ("Accounts", "Who holds keys, on which plan."),
    "access": ("API access", "Whether an account's keys are let through at all: on request."),
    "users": ("Users", "People, and what their keys may do at most."),
    "keys": ("Keys", "Their whole life: create, change, rotate, revoke, import, export."),
    "quota": ("Quotas", "What an account may use in a month, and what it has used."),
    "alerts": ("Alerts", "What an account is warned of, and what stands now."),
    "inbox": ("Notifications", "Who is told of what happens: the inbox, webhooks, e-mail, chat."),
    "channels": (
        "Notifications",
        "Who is told of what happens: the inbox, webhooks, e-mail, chat.",
    ),
    "deliveries": (
        "Notifications",
        "Who is told of what happens: the inbox, webhooks, e-mail, chat.",
    ),
    "verify": ("Checks", "Whether a key may be used, and why not."),
    "explain": ("Checks", "Whether a key may be used, and why not."),
    "usage": ("Usage", "What was used: request by request under keys and accounts, and in sums."),
    "tokens": ("Admin tokens", "For machines that use this API."),
    "me": ("Installation", "Who asks, what is configured, what has happened."),
    "plans": ("Installation", "Who asks, what is configured, what has happened."),
    "audit": ("Installation", "Who asks, what is configured, what has happened."),
    "events": ("Installation", "Who asks, what is configured, what has happened."),
}


def tag_of(name: str) -> str:
    """The tag of the endpoint of this name."""
    return TAGS[name.partition(".")[0]][0]


def reference(kind: str, name: str) -> dict[str, str]:
    """A pointer into the components."""
    return {"$ref": f"#/components/{kind}/{name}"}


def schemas() -> tuple[dict[Any, Schema], dict[str, Schema]]:
    """Where each model of the endpoints is described, and all descriptions by name."""
    wanted: list[tuple[type[BaseModel], Mode]] = []
    for one in ENDPOINTS:
        wanted.append((one.answer, "serialization"))
        wanted += [(model, "validation") for model in (one.body, one.query) if model is not None]
    wanted += [(each.query, "validation") for each in STREAMS]
    found, whole = models_json_schema(list(dict.fromkeys(wanted)), ref_template=_TEMPLATE)
    definitions: dict[str, Schema] = whole["$defs"]
    for one in ENDPOINTS:
        if one.method == "PATCH" and one.body is not None:
            # What is left out of a PATCH stays as it is: the model's defaults are never seen.
            for field in definitions[one.body.__name__]["properties"].values():
                field.pop("default", None)
    for model, schema in definitions.items():
        for name, field in schema.get("properties", {}).items():
            _describe(model, name, field)
    return found, {name: _bare(schema) for name, schema in definitions.items()}


def _describe(model: str, name: str, field: Schema) -> None:
    words = FIELD_WORDS.get(f"{model}.{name}") or FIELD_WORDS.get(name)
    if words is not None and "description" not in field:
        # Of a choice with null, the other part may say how it is written.
        more = [one["description"] for one in field.get("anyOf", ()) if "description" in one]
        field["description"] = " ".join([words, *more])


def _bare(schema: Any) -> Any:  # noqa: ANN401 -- any JSON
    """Without the titles that only repeat names."""
    if isinstance(schema, list):
        return [_bare(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: {inner: _bare(one) for inner, one in value.items()}
        if name == "properties"
        else _bare(value)
        for name, value in schema.items()
        if name != "title"
    }


def parameters_of(query: Schema) -> list[Schema]:
    """A query model's fields as parameters."""
    return [_parameter(name, field) for name, field in query["properties"].items()]


def _parameter(name: str, field: Schema) -> Schema:
    schema = dict(field)
    description = schema.pop("description", name)
    if "anyOf" in schema:
        # Left out is how a query says null.
        kept = [dict(one) for one in schema.pop("anyOf") if one != {"type": "null"}]
        for one in kept:
            one.pop("description", None)
        schema = (kept[0] if len(kept) == 1 else {"anyOf": kept}) | schema
    if schema.get("default", ...) is None:
        del schema["default"]
    return {"name": name, "in": "query", "description": description, "schema": schema}


def problem_schema() -> Schema:
    """The problem document (RFC 9457), with what ours hold beside the standard's members."""
    text = {"type": "string"}
    return {
        "type": "object",
        "description": "Why not (RFC 9457). Decide by `code`; `detail` is for people.",
        "required": ["type", "title", "status", "detail", "code", "request_id"],
        "properties": {
            "type": {"type": "string", "format": "uri", "description": "A page about `code`."},
            "title": {**text, "description": "What `code` means, in a few words."},
            "status": {
                "type": "integer",
                "minimum": 400,
                "maximum": 599,
                "description": "The same as the answer's own.",
            },
            "detail": {**text, "description": "What is wrong here, and what to do."},
            "code": {
                "type": "string",
                "enum": sorted({row.code for row in Problem}),
                "description": "Never changes its meaning.",
            },
            "request_id": {
                **text,
                "description": "Finds the request in the audit log and the log.",
            },
            "errors": {
                "type": "array",
                "description": "All that is wrong, field by field.",
                "items": {
                    "type": "object",
                    "required": ["field", "message"],
                    "properties": {"field": text, "message": text},
                    "additionalProperties": False,
                },
            },
        },
        "additionalProperties": False,
    }


def problem_responses(docs_url: str) -> dict[str, Schema]:
    """A response for each status that a problem can have, by name: `Problem404`, …"""
    rows = defaultdict(list)
    for row in Problem:
        rows[row.status].append(row)
    return {f"Problem{status}": _response(found, docs_url) for status, found in rows.items()}


def _response(rows: list[Problem], docs_url: str) -> Schema:
    status = rows[0].status
    headers = {"X-Request-Id": reference("headers", "X-Request-Id")}
    if status in {429, 503}:
        headers["Retry-After"] = reference("headers", "Retry-After")
    if status == 401:  # noqa: PLR2004
        headers["WWW-Authenticate"] = reference("headers", "WWW-Authenticate")
    examples = {
        row.code: {
            "value": {
                **PROBLEM,
                "type": f"{docs_url.rstrip('/')}/problems/{row.code}",
                "title": row.title,
                "status": status,
                "detail": row.text,
                "code": row.code,
            }
        }
        for row in rows
    }
    for row in rows:
        if row is not Problem.INVALID_REQUEST:
            del examples[row.code]["value"]["errors"]
    return {
        "description": " ".join(f"`{row.code}`: {_first_sentence(row.text)}" for row in rows),
        "headers": headers,
        "content": {
            PROBLEM_TYPE: {"schema": reference("schemas", "Problem"), "examples": examples}
        },
    }


def _first_sentence(text: str) -> str:
    found = re.match(r".*?\.(?= |$)", text)
    return found[0] if found else text
