"""What is not HTTP, or could be read in two ways."""

import json
import logging

import pytest
from structlog.testing import capture_logs

from tests.http.stand import Answer, answer, proxy

SECRET = b"sk_live_never-to-be-seen"
HEAD = b"Host: h\r\nAuthorization: Bearer " + SECRET + b"\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(b"GET /api/x HTTP/1.1\n" + HEAD.replace(b"\r\n", b"\n") + b"\n", id="bare-lf"),
        pytest.param(b"GET /api/x HTTP/1.1\r\n" + HEAD + b"X : a\r\n\r\n", id="space-before-colon"),
        pytest.param(b"GET /api/x HTTP/1.1\r\n" + HEAD + b"X: a\x00b\r\n\r\n", id="nul"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01" + SECRET + b"\r\n\r\n", id="tls"),
        pytest.param(
            b"POST /api/x HTTP/1.1\r\n" + HEAD + b"Content-Length: 1, 2\r\n\r\n", id="two-lengths"
        ),
    ],
)
async def test_malformed_request_is_answered_without_its_bytes(
    request_: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """The answer is our own, at most one log line tells of it, and neither shows what was sent."""
    caplog.set_level(logging.DEBUG)
    with capture_logs() as ours:
        found = await malformed_answer(request_)
    told = [line for line in caplog.records if line.name.startswith(("aiohttp", "gateway"))]
    assert [line["event"] for line in ours] == ["malformed_request"]
    assert told == []
    assert SECRET.decode() not in caplog.text + str(ours) + found.body.decode()
    assert "exc_info" not in ours[0]


async def malformed_answer(request_: bytes) -> Answer:
    """What a client gets that sends these bytes, after all that has to be true of it."""
    async with proxy("http://127.0.0.1:1") as gate, await gate.connect() as client:
        client.send(request_)
        found = await client.answer()

        assert (found.status, json.loads(found.body)["code"]) == (400, "bad_request")
        assert found.value("Content-Type") == "application/problem+json"
        assert (found.value("Connection"), found.values("Server")) == ("close", [])
        assert found.value("X-Request-Id") == json.loads(found.body)["request_id"]
        assert await client.is_closed()
        record = await gate.recorded()
        assert (record.outcome, record.key_id, record.path) == ("bad_request", None, "")
        return found


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        pytest.param(b"GET /api/x HTTP/1.1\r\nHost: h\r\nExpect: magic\r\n\r\n", 417, id="expect"),
        pytest.param(b"TRACE /api/x HTTP/1.1\r\nHost: h\r\n\r\n", 405, id="trace"),
        pytest.param(b"CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n", 405, id="connect"),
        pytest.param(
            b"POST /api/x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            400,
            id="other-coding",
        ),
        pytest.param(
            b"POST /api/x HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
            id="chunks-in-1.0",
        ),
        pytest.param(b"GET /api/x\r\n\r\n", 400, id="http-0.9"),
    ],
)
async def test_unwelcome_requests_are_refused_before_admission(
    request_: bytes, status: int
) -> None:
    """What is not served at all costs no look-up and no token."""
    async with proxy("http://127.0.0.1:1") as gate:
        found = await gate.ask(request_)

        assert (found.status, gate.door.asked) == (status, 0)
        if status == 405:
            assert found.value("Allow") == "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"


async def test_body_that_breaks_its_framing_is_a_400() -> None:
    """A broken chunk ends the request and the connection; what follows it is not taken for a request."""
    good = b"Host: h\r\nAuthorization: Bearer good-key\r\n"
    async with answer(OK) as origin, proxy(origin.url) as gate, await gate.connect() as client:
        client.send(b"POST /api/x HTTP/1.1\r\n" + good + b"Transfer-Encoding: chunked\r\n\r\n")
        client.send(b"3\r\nabc\r\n")
        while not origin.heads:
            await gate.ask(b"GET /api/y HTTP/1.1\r\n" + good + b"\r\n")
        client.send(b"zz\r\nGET /api/smuggled HTTP/1.1\r\n" + good + b"\r\n")
        found = await client.answer()

        assert (found.status, found.value("Connection")) == (400, "close")
        assert await client.is_closed()
        assert not [head for head in origin.heads if b"smuggled" in head]


@pytest.mark.parametrize(
    ("target", "path"),
    [
        pytest.param(b"/api/x?key=" + SECRET, "/api/x", id="in-the-query"),
        pytest.param(b"/api/sk_live_9aB3xYz0Kq7L/x", "/api/sk_live_***/x", id="in-the-path"),
        pytest.param(b"/api/" + b"x" * 600, "/api/" + "x" * 507, id="long"),
    ],
)
async def test_record_keeps_no_credential_from_the_target(target: bytes, path: str) -> None:
    """Whoever reads the usage log does not find the key that a client wrote into its address."""
    async with proxy("http://127.0.0.1:1") as gate:
        found = await gate.ask(b"GET " + target + b" HTTP/1.1\r\nHost: h\r\n\r\n")
        record = await gate.recorded()

    assert (found.status, record.path) == (401, path)
