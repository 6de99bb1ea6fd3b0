"""Sizes are bounded, and what is too large never reaches the upstream."""

import json

import pytest

from gateway.http.bounds import ClientBounds
from tests.http.stand import answer, proxy

HEAD = b"Host: h\r\nAuthorization: Bearer good-key\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BOUNDS = ClientBounds(
    target_bytes=1000, header_bytes=4000, fields=20, body_bytes=100_000, linger_seconds=0.1
)


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        pytest.param(
            b"GET /api/" + b"a" * 2000 + b" HTTP/1.1\r\n" + HEAD + b"\r\n",
            "target_too_long",
            id="target",
        ),
        pytest.param(
            b"GET /api/x HTTP/1.1\r\n" + HEAD + b"X: " + b"a" * 8000 + b"\r\n\r\n",
            "headers_too_large",
            id="one-field",
        ),
        pytest.param(
            b"GET /api/x HTTP/1.1\r\n" + HEAD + (b"X: " + b"a" * 900 + b"\r\n") * 6 + b"\r\n",
            "headers_too_large",
            id="all-fields",
        ),
        pytest.param(
            b"GET /api/x HTTP/1.1\r\n" + HEAD + b"X: a\r\n" * 30 + b"\r\n",
            "headers_too_large",
            id="too-many-fields",
        ),
        pytest.param(
            b"GET /api/x HTTP/1.1\r\n" + HEAD + (b"X: " + b"a" * 900 + b"\r\n") * 8,
            "headers_too_large",
            id="head-without-end",
        ),
        pytest.param(
            b"POST /api/x HTTP/1.1\r\n" + HEAD + b"Content-Length: 100001\r\n\r\n",
            "body_too_large",
            id="declared-body",
        ),
    ],
)
async def test_too_large_is_refused_before_anything_is_sent(request_: bytes, code: str) -> None:
    """The upstream hears nothing of it, the caller which bound it was, and the connection ends."""
    async with answer(OK) as origin, proxy(origin.url, bounds=BOUNDS) as gate:
        async with await gate.connect() as client:
            client.send(request_)
            found = await client.answer()

            assert json.loads(found.body)["code"] == code
            assert found.value("X-Request-Id")
        assert origin.heads == []
        assert (await gate.recorded()).outcome == code


async def test_body_of_unknown_length_is_counted() -> None:
    """A chunked body is cut off when it has grown too large, and never looks whole to the upstream."""
    async with answer(OK) as origin, proxy(origin.url, bounds=BOUNDS) as gate:
        async with await gate.connect() as client:
            client.send(b"POST /api/x HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
            for _ in range(11):
                client.send(b"2710\r\n" + b"x" * 10_000 + b"\r\n")
            found = await client.answer()

            assert (found.status, found.value("Connection")) == (413, "close")
        assert (await gate.recorded()).outcome == "body_too_large"


@pytest.mark.parametrize("size", [pytest.param(99_999, id="below"), pytest.param(100_000, id="at")])
async def test_body_up_to_the_bound_passes(size: int) -> None:
    """The bound itself is allowed."""
    async with answer(OK) as origin, proxy(origin.url, bounds=BOUNDS) as gate:
        found = await gate.ask(
            b"POST /api/x HTTP/1.1\r\n" + HEAD + b"Content-Length: %d\r\n\r\n" % size + b"x" * size
        )

        assert found.status == 200


async def test_body_of_a_refused_request_is_dropped() -> None:
    """A refused request's small body is not taken for the next request, which is served."""
    post = b"POST /api/x HTTP/1.1\r\nHost: h\r\nContent-Length: 30\r\n\r\n"
    smuggled = b"GET /api/smuggled HTTP/1.1\r\n\r\n"
    async with answer(OK) as origin, proxy(origin.url) as gate, await gate.connect() as client:
        client.send(post)
        refused = await client.answer()
        client.send(smuggled)
        client.send(b"GET /api/next HTTP/1.1\r\n" + HEAD + b"\r\n")
        served = await client.answer()

        assert (refused.status, served.status) == (401, 200)
        assert [head.split(b" ")[1] for head in origin.heads] == [b"/api/next"]


async def test_large_body_of_a_refused_request_ends_the_connection() -> None:
    """Nobody has to read a gigabyte in order to say no; the answer still arrives."""
    async with proxy("http://127.0.0.1:1") as gate, await gate.connect() as client:
        client.send(b"POST /api/x HTTP/1.1\r\nHost: h\r\nContent-Length: 1073741824\r\n\r\nabc")
        found = await client.answer()

        assert (found.status, found.value("Connection")) == (401, "close")
        assert await client.is_closed()
