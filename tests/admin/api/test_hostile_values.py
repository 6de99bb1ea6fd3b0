"""Whatever stands in a request, it is answered with a document: nothing in it breaks the server."""

import gzip
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from pydantic import BaseModel

from admin.api.examples import BODIES
from admin.wire.endpoints import ENDPOINTS, Endpoint
from tests.admin.api.stand import ON_ONE_DATABASE, Api

ID = "key_0000000000000000"
TEXTS = (
    "",
    " ",
    "a" * 5000,
    "\0",
    "\ud800",
    "\u202e\u0301\U0001f600",
    "'; DROP TABLE keys; --",
    "%' OR 1=1 --",
    "%s%n{0}{{7*7}}${7*7}",
    "../../etc/passwd",
    "-1",
    "9" * 400,
    "\r\nX-Injected: 1",
    "999999999w",
    "9999-12-31T23:59:59Z",
    "0001-01-01T00:00:00+14:00",
    "W10",  # base64 of [], where a cursor is expected
    "WyJhIiwxLCJiIl0",  # ["a",1,"b"]
)
# Anything else than a text, where one is expected, and the other way round.
VALUES: tuple[Any, ...] = (
    *TEXTS,
    None,
    True,
    -1,
    2**63,
    2**70,
    10**400,
    1.5,
    [],
    {},
    {"a": {"b": []}},
    ["\0"],
    {"\0": "x"},
    {"\ud800": "x"},
    ["x"] * 2000,
)


def path_of(one: Endpoint, value: str = ID) -> str:
    """The endpoint's path with `value` in the place of every id."""
    return re.sub(r"\{\w+\}", quote(value.encode("utf-8", "surrogatepass"), safe=""), one.path)


def bodies(one: Endpoint, model: type[BaseModel]) -> Iterator[object]:
    """The example with each of its fields, in turn, as each of the values; and each value alone."""
    for value in VALUES:
        yield value
        for field in (*model.model_fields, "unknown"):
            yield {**BODIES[one.name], field: value}


def is_refused_well(status: int, text: str) -> bool:
    """Whether this is an answer with nothing of the server's inside in it."""
    return status < 500 and "Traceback" not in text and "sqlalchemy" not in text.lower()


def requests(one: Endpoint) -> Iterator[tuple[str, bytes | None]]:
    """Target and body of every request that the endpoint is tried with."""
    if "{" in one.path:
        yield from ((path_of(one, text), None) for text in TEXTS)
    for name in (*(one.query.model_fields if one.query else ()), "unknown"):
        for text in TEXTS:
            value = quote(text.encode("utf-8", "surrogatepass"))
            yield f"{path_of(one)}?{name}={value}", None
    if one.body is not None:
        yield from ((path_of(one), json.dumps(body).encode()) for body in bodies(one, one.body))


@pytest.mark.parametrize("one", ENDPOINTS, ids=lambda one: one.name)
async def test_no_value_breaks_an_endpoint(api: Api, one: Endpoint) -> None:
    """Every parameter and field takes every value with an answer below 500 that shows no inside."""
    headers = {**api.admin.headers, "Content-Type": "application/json"}
    bad = []
    for path, content in requests(one):
        answer = await api.client.request(one.method, path, content=content, headers=headers)
        if not is_refused_well(answer.status_code, answer.text):
            bad.append((path, content, answer.status_code, answer.text))

    assert bad == []


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("content", "status"),
    [
        pytest.param(b"{", 400, id="half"),
        pytest.param(b"", 400, id="empty"),
        pytest.param(b" ", 400, id="blank"),
        pytest.param(b"\xff", 400, id="not-utf-8"),
        pytest.param(b"\xef\xbb\xbf{}", 400, id="byte-order-mark"),
        pytest.param('{"name":"x"}'.encode("utf-16"), 400, id="utf-16"),
        pytest.param(b'{"name":"a","name":"b"}', 400, id="a-name-twice"),
        pytest.param(b'{"name":NaN}', 400, id="nan"),
        pytest.param(b"[" * 100_000, 400, id="deep"),
        pytest.param(b"[" * 100 + b"]" * 100, 400, id="deep-and-whole"),
        pytest.param(b'{"name":"\\ud800"}', 422, id="half-a-surrogate-pair"),
        pytest.param(b'{"name":"\\u0000"}', 422, id="nul"),
        pytest.param(b'{"name":"x"} {}', 400, id="two-documents"),
        pytest.param(b'{"name":"' + b"a" * (1024 * 1024) + b'"}', 413, id="large"),
        pytest.param(b'{"name":' + b"9" * 5000 + b"}", 400, id="a-number-without-end"),
    ],
)
async def test_what_is_no_request(api: Api, content: bytes, status: int) -> None:
    """A body that is no JSON, or JSON that can be read in two ways, is refused in the same form as all."""
    answer = await api.client.post(
        "/v1/accounts",
        content=content,
        headers={**api.admin.headers, "Content-Type": "application/json"},
    )

    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert (await api.ask("GET", "/v1/accounts")).json()["accounts"] == []


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "application/json; charset=utf-8"}, 201),
        ({"Content-Type": 'APPLICATION/JSON ;charset="UTF-8"'}, 201),
        ({"Content-Type": "application/json; charset=latin-1"}, 415),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({}, 415),
        ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, 415),
    ],
)
async def test_kinds_of_bodies(api: Api, headers: dict[str, str], status: int) -> None:
    """JSON in UTF-8 is what is read, so that no form on a web page can send anything."""
    body = b'{"name":"Acme"}'
    if "Content-Encoding" in headers:
        body = gzip.compress(body)
    answer = await api.client.post(
        "/v1/accounts", content=body, headers={**api.admin.headers, **headers}
    )

    assert answer.status_code == status, answer.text


async def test_all_mistakes_are_told_at_once_and_no_secret_is_repeated(api: Api) -> None:
    """Every wrong field is named with what it should be; a token that stands in the wrong place is not."""
    secret = (await api.key(await api.account()))["secret"]
    body = {
        "name": 7,
        "type": secret,
        "limits": [{"quota": 0}],
        secret: "x",
        "expires_at": "tomorrow",
    }
    answer = await api.ask("POST", "/v1/keys", body)
    named = {error["field"] for error in answer.json()["errors"]}
    in_sentence = await api.ask("POST", "/v1/keys", {"account": secret, "name": "x"})
    in_query = await api.ask("GET", f"/v1/keys?{secret}={secret}&limit=0&limit=1")

    assert answer.status_code == 422
    assert {"account", "name", "type", "limits.0.quota", "limits.0.window", "expires_at"} < named
    assert [error["field"] for error in in_query.json()["errors"]][1:] == ["limit"]
    for told in (answer, in_sentence, in_query):
        assert told.status_code in {404, 422}
        assert secret not in told.text
        assert secret[8:40] not in told.text


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("limit=1&limit=1", 422),
        ("limt=1", 422),
        ("limit=0", 422),
        ("limit=201", 422),
        ("limit=1_0", 422),
        ("limit=%201", 422),
        ("deleted=yes", 422),
        ("deleted=true", 200),
        ("state=", 422),
        ("q=%ff", 400),
        ("&".join(f"a{n}=1" for n in range(60)), 400),
        ("unused_for=90d&older_than=1w&expiring_in=30d&sort=last_used", 200),
        ("cursor=abc", 422),
        ("", 200),
    ],
)
async def test_queries(api: Api, query: str, status: int) -> None:
    """A parameter that is unknown, twice or out of bounds is refused rather than left aside."""
    answer = await api.ask("GET", f"/v1/keys?{query}")

    assert answer.status_code == status, answer.text


async def test_endpoint_without_parameters_takes_none(api: Api) -> None:
    """A parameter that would do nothing is not swallowed, where a change is concerned least of all."""
    account = await api.account()
    answer = await api.ask("PATCH", f"/v1/accounts/{account}?dry_run=true", {"name": "Other"})

    assert answer.status_code == 422
    assert (await api.ask("GET", f"/v1/accounts/{account}")).json()["name"] == "Example"
