"""A request is recorded before the last bytes of its answer are sent: whoever has an answer has been counted."""

import asyncio
import contextlib
import socket

import pytest

from gateway.core.record import UsageRecord
from tests.http.stand import answer, proxy

HEAD = b" /api/x HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer good-key\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
LONG = b"x" * 300_000


@pytest.mark.parametrize(
    ("request_", "given", "end"),
    [
        pytest.param(
            b"GET" + HEAD, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", b"ok", id="short"
        ),
        pytest.param(
            b"GET" + HEAD,
            b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(LONG), LONG),
            LONG,
            id="long",
        ),
        pytest.param(b"GET" + HEAD, CHUNKED, (b"abc", b"0\r\n\r\n"), id="chunked"),
        pytest.param(
            b"HEAD" + HEAD, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", b"\r\n\r\n", id="head"
        ),
        pytest.param(b"GET" + HEAD, b"HTTP/1.1 304 Not Modified\r\n\r\n", b"\r\n\r\n", id="none"),
        pytest.param(b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n", CHUNKED, (b"}", b"}\n"), id="refusal"),
        pytest.param(b"GET /x\r\n\r\n", CHUNKED, (b"}", b"}\n"), id="no-request"),
    ],
)
async def test_the_record_comes_first(
    request_: bytes, given: bytes, end: bytes | tuple[bytes, ...]
) -> None:
    """When the record is made, the client cannot have the end of its answer yet."""
    had: list[bytes] = []
    got = bytearray()
    async with answer(given) as origin, proxy(origin.url) as gate:
        client = socket.create_connection(("127.0.0.1", gate.listener.port))
        client.setblocking(False)

        def read_on() -> None:
            with contextlib.suppress(BlockingIOError):
                while data := client.recv(65_536):
                    got.extend(data)

        def record(_: UsageRecord) -> None:
            read_on()
            had.append(bytes(got))

        gate.record = record  # type: ignore[method-assign, assignment]
        gate.observe = lambda *_: None  # type: ignore[method-assign]
        client.send(request_)
        async with asyncio.timeout(10):
            while not got.endswith(end):
                read_on()
                await asyncio.sleep(0.001)
        client.close()

    (then,) = had
    assert len(then) < len(got)
