"""The OpenAPI document says what the server does, and nothing that it does not."""

import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from pydantic import BaseModel
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from admin.api.examples import ANSWERS, BODIES, QUERIES
from admin.api.openapi import openapi_document
from admin.api.problems import Problem
from admin.api.reading import parsed_query
from admin.wire.endpoints import ENDPOINTS, Endpoint
from tests.admin.api.stand import DOCS_URL, Api

DOCUMENT = openapi_document(DOCS_URL)

every_endpoint = pytest.mark.parametrize("one", ENDPOINTS, ids=lambda one: one.name)


def operation(one: Endpoint) -> Any:  # noqa: ANN401 -- JSON
    """What the document says of an endpoint."""
    return DOCUMENT["paths"][one.path][one.method.lower()]


def against(schema: object, document: object) -> list[str]:
    """What is wrong with `document` under a schema of the OpenAPI document."""
    whole = {**DOCUMENT, "$ref": "#/$defs/it", "$defs": {"it": schema}}
    validator = jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
    return [error.message for error in validator.iter_errors(document)]


def references(node: object) -> Iterator[str]:
    """Every $ref in the document."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_document_is_openapi() -> None:
    """A tool that knows OpenAPI 3.1 takes the document."""
    problems = [error.message for error in OPENAPI_31_VALIDATOR.iter_errors(DOCUMENT)]

    assert problems == []


def test_every_reference_leads_somewhere_and_every_schema_is_used() -> None:
    """Nothing in the document points into the void, and nothing lies about that nobody points at."""
    used = set(references(DOCUMENT))
    schemas = {f"#/components/schemas/{name}" for name in DOCUMENT["components"]["schemas"]}

    for reference in used:
        here: Any = DOCUMENT
        for part in reference.removeprefix("#/").split("/"):
            here = here[part]
    assert schemas - used == set()


def test_every_field_and_parameter_is_explained() -> None:
    """Whoever reads the document need not guess what a word stands for."""
    fields = [
        f"{model}.{name}"
        for model, schema in DOCUMENT["components"]["schemas"].items()
        for name, field in schema.get("properties", {}).items()
        if "description" not in field
    ]
    parameters = [
        f"{one.name} {parameter['name']}"
        for one in ENDPOINTS
        for parameter in operation(one)["parameters"]
        if parameter.get("description", "") == parameter.get("name")
    ]

    assert (fields, [name for name in parameters if not name.endswith(" None")]) == ([], [])


def test_every_problem_is_in_the_document() -> None:
    """A client made from the document knows every code."""
    schema = DOCUMENT["components"]["schemas"]["Problem"]
    named = {
        (code, int(name.removeprefix("Problem")))
        for name, response in DOCUMENT["components"]["responses"].items()
        for code in response["content"]["application/problem+json"]["examples"]
    }

    assert set(schema["properties"]["code"]["enum"]) == {row.code for row in Problem}
    assert named == {(row.code, row.status) for row in Problem}


@every_endpoint
def test_endpoint_is_described_whole(one: Endpoint) -> None:
    """Each operation has a tag, words, its ids as parameters, and every status that it can have."""
    said = operation(one)
    ids = [p["name"] for p in said["parameters"] if p.get("in") == "path"]
    required = {"400", "401", "422", "429", "500", "503", str(one.status)}

    assert said["operationId"] == one.name
    assert said["tags"][0] in {tag["name"] for tag in DOCUMENT["tags"]}
    assert ids == re.findall(r"\{(\w+)\}", one.path)
    assert required <= set(said["responses"])
    assert ("requestBody" in said) is (one.body is not None)


@every_endpoint
def test_examples_are_what_the_endpoint_takes_and_gives(one: Endpoint) -> None:
    """Whoever copies an example from the document has a request without a mistake."""
    said = operation(one)
    answer = said["responses"][str(one.status)]["content"]["application/json"]

    assert against(answer["schema"], answer["example"]) == []
    assert isinstance(one.answer.model_validate_json(json.dumps(ANSWERS[one.name])), BaseModel)
    if one.body is not None:
        body = said["requestBody"]["content"]["application/json"]
        assert against(body["schema"], body["example"]) == []
        one.body.model_validate_json(json.dumps(BODIES[one.name]), strict=True)
    if one.name in QUERIES:
        assert parsed_query(one.query, QUERIES[one.name].removeprefix("?")) is not None


def test_examples_of_problems_are_problems() -> None:
    """The errors that the document shows look like those that the server sends."""
    for response in DOCUMENT["components"]["responses"].values():
        content = response["content"]["application/problem+json"]
        for example in content["examples"].values():
            assert against(content["schema"], example["value"]) == []


async def test_document_is_served_to_everybody_and_kept_by_whoever_has_it(api: Api) -> None:
    """A client can be made before there is a token, and need not fetch the document twice."""
    first = await api.client.get("/openapi.json")
    tag = first.headers["ETag"]
    again = await api.client.get("/openapi.json", headers={"If-None-Match": f'W/"x", {tag}'})

    assert (first.status_code, first.json()) == (200, DOCUMENT)
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
