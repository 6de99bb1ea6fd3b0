"""What the page at /docs shows, read from the OpenAPI document and nothing else."""

__all__ = ["Field", "Group", "Operation", "groups"]

import json
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

from admin.api.examples import IDS, QUERIES

Json = Mapping[str, Any]

_ENUM_MAX = 8
_DEPTH_MAX = 3
_LINE_MAX = 72


class Field(NamedTuple):
    """A row of a table: a parameter, or a field of a body or an answer."""

    name: str
    type: str
    required: bool
    description: str


class Status(NamedTuple):
    """A status that an operation can have."""

    code: str
    phrase: str
    description: str


class Operation(NamedTuple):
    """One endpoint as the page has it."""

    id: str
    method: str
    path: str
    summary: str
    description: str
    parameters: tuple[Field, ...]
    body: tuple[Field, ...]
    body_words: str
    answer: tuple[Field, ...]
    statuses: tuple[Status, ...]
    curl: str
    example: str


class Group(NamedTuple):
    """The operations of one tag."""

    name: str
    description: str
    anchor: str
    operations: tuple[Operation, ...]


def groups(document: Json, words: str = "") -> tuple[Group, ...]:
    """The operations in which each of `words` occurs, by tag; a tag without any is left out."""
    wanted = words.lower().split()
    reader = _Reader(document)
    found = [
        Group(
            tag["name"],
            tag["description"],
            tag["name"].lower().replace(" ", "-"),
            tuple(one for one in reader.operations(tag["name"]) if _has(one, wanted)),
        )
        for tag in document["tags"]
    ]
    return tuple(group for group in found if group.operations)


def _has(one: Operation, wanted: list[str]) -> bool:
    names = " ".join(field.name for field in (*one.parameters, *one.body))
    text = " ".join((one.id, one.method, one.path, one.summary, names)).lower()
    return all(word in text for word in wanted)


class _Reader:
    def __init__(self, document: Json) -> None:
        self._document = document

    def operations(self, tag: str) -> Iterator[Operation]:
        for path, methods in self._document["paths"].items():
            for method, operation in methods.items():
                if tag in operation["tags"]:
                    yield self._operation(method.upper(), path, operation)

    def _operation(self, method: str, path: str, operation: Json) -> Operation:
        responses = operation["responses"]
        good = next(content for status, content in responses.items() if status.startswith("2"))
        answer = next(iter(good["content"].values()))
        body = operation.get("requestBody", {}).get("content", {}).get("application/json")
        return Operation(
            id=operation["operationId"],
            method=method,
            path=path,
            summary=operation["summary"],
            description=operation["description"],
            parameters=tuple(map(self._parameter, operation["parameters"])),
            body=() if body is None else tuple(self._fields(body["schema"])),
            body_words="" if body is None else self._at(body["schema"]).get("description", ""),
            answer=tuple(self._fields(answer["schema"])),
            statuses=tuple(self._status(code, one) for code, one in responses.items()),
            curl=_curl(operation["operationId"], method, path, body),
            example=_example(answer["example"]),
        )

    def _at(self, schema: Json) -> Json:
        """What a reference leads to; anything else as it is."""
        here = schema
        if "$ref" in schema:
            here = self._document
            for part in schema["$ref"].removeprefix("#/").split("/"):
                here = here[part]
        return here

    def _parameter(self, given: Json) -> Field:
        one = self._at(given)
        place = "" if one["in"] == "query" else f", {one['in']}"
        words = self._words(one["schema"]) + place
        told = _description({**one["schema"], "description": one["description"]})
        return Field(one["name"], words, one.get("required", False), told)

    def _fields(self, given: Json, path: str = "", depth: int = 0) -> Iterator[Field]:
        """The fields of an object, each followed by those of the objects in it: `limits[].quota`."""
        schema = self._at(given)
        required = schema.get("required", ())
        for name, field in schema.get("properties", {}).items():
            whole = f"{path}{name}"
            yield Field(whole, self._words(field), name in required, _description(field))
            inner, mark = self._inner(field)
            if inner is not None and depth < _DEPTH_MAX:
                yield from self._fields(inner, f"{whole}{mark}.", depth + 1)

    def _inner(self, field: Json) -> tuple[Json | None, str]:
        """The object that a field holds, if it holds any, and how a path into it goes on."""
        for choice in field.get("anyOf", (field,)):
            if choice.get("type") == "array" and "properties" in self._at(choice.get("items", {})):
                return choice["items"], "[]"
            if "properties" in self._at(choice):
                return choice, ""
        return None, ""

    def _words(self, given: Json) -> str:
        """A type in words."""
        schema = self._at(given)
        if "enum" in schema:
            values = schema["enum"]
            more = " …" if len(values) > _ENUM_MAX else ""
            return " | ".join(map(str, values[:_ENUM_MAX])) + more
        if "anyOf" in schema:
            return " or ".join(self._words(one) for one in schema["anyOf"])
        match schema.get("type"):
            case "array" if "items" in schema:
                return f"list of {self._words(schema['items'])}"
            case "object":
                return "object"
            case str() as word:
                return "time" if schema.get("format") == "date-time" else word
            case _:
                return "any"

    def _status(self, code: str, given: Json) -> Status:
        return Status(code, HTTPStatus(int(code)).phrase, self._at(given)["description"])


def _description(field: Json) -> str:
    words = [str(field["description"])] if "description" in field else []
    match field.get("default"):
        case bool() as value:
            words.append(f"Default: {str(value).lower()}.")
        case str() | int() as value if value != "":
            words.append(f"Default: {value}.")
    return " ".join(words)


def _example(example: Any) -> str:  # noqa: ANN401 -- any JSON
    if isinstance(example, str):
        return example
    return json.dumps(example, indent=2, ensure_ascii=False)


def _curl(name: str, method: str, path: str, body: Json | None) -> str:
    """A command that can be pasted into a shell; its ids are examples."""
    for placeholder, value in IDS.items():
        path = path.replace(f"{{{placeholder}}}", value)
    verb = "" if method == "GET" else f"-X {method} "
    lines = [f'curl {verb}"$KEYWRIGHT{path}{QUERIES.get(name, "")}"']
    lines.append('-H "Authorization: Bearer $TOKEN"')
    if body is not None:
        lines.append('-H "Content-Type: application/json"')
        text = json.dumps(body["example"], ensure_ascii=False)
        if len(text) > _LINE_MAX:
            text = json.dumps(body["example"], ensure_ascii=False, indent=2)
        text = text.replace("'", "'\\''")
        lines.append(f"-d '{text}'")
    return " \\\n  ".join(lines)
