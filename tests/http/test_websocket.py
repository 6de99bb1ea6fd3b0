"""WebSockets pass through as they are, once admitted."""

import asyncio

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.http.stand import answer, eventually, proxy

AUTH = {"Authorization": "Bearer good-key"}
UPGRADE = (
    b"Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
GOOD = b"Host: h\r\nAuthorization: Bearer good-key\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


class Echo:
    """A real WebSocket server that says everything back."""

    def __init__(self) -> None:
        self.headers: list[str] = []
        self.close_code: int | None = None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.headers = list(request.headers)
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        async for message in socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                await socket.send_str(message.data)
            else:
                await socket.send_bytes(message.data)
        self.close_code = socket.close_code
        return socket


async def test_messages_pass_both_ways() -> None:
    """Text, a large binary message and the closing handshake arrive; one record counts the bytes."""
    echo = Echo()
    app = web.Application()
    app.router.add_get("/api/ws", echo.handle)
    large = bytes(range(256)) * 8192
    async with TestServer(app) as server, proxy(str(server.make_url("/"))) as gate:
        async with aiohttp.ClientSession() as session:
            url = gate.url + "/api/ws"
            async with session.ws_connect(url, headers=AUTH, max_msg_size=0) as socket:
                await socket.send_str("hello")
                text = await socket.receive_str(timeout=5)
                await socket.send_bytes(large)
                blob = await socket.receive_bytes(timeout=5)
        await eventually(lambda: echo.close_code is not None)
        record = await gate.recorded()

        assert (text, blob) == ("hello", large)
        assert (record.status, record.outcome) == (101, "served")
        assert min(record.bytes_in, record.bytes_out) > len(large)
        assert "Authorization" not in echo.headers
        assert "X-Keywright-Key-Id" in echo.headers


async def test_bytes_after_the_switch_are_not_read_as_http() -> None:
    """What either side sends right behind its head goes through the tunnel untouched."""
    async with answer(SWITCH + b"\x00from-the-upstream") as origin, proxy(origin.url) as gate:
        async with await gate.connect() as client:
            client.send(b"GET /api/x HTTP/1.1\r\n" + GOOD + UPGRADE + b"\r\n")
            found = await client.head()
            client.send(b"GET /api/y HTTP/1.1\r\n\r\n")
            first = await client.reader.readexactly(18)
            await eventually(lambda: len(origin.heads) == 2)

        assert (found.status, found.value("Upgrade")) == (101, "websocket")
        assert first == b"\x00from-the-upstream"
        assert origin.heads[1] == b"GET /api/y HTTP/1.1\r\n\r\n"
        assert gate.door.asked == 1


async def test_upstreams_end_ends_the_clients() -> None:
    """When the upstream hangs up, the client learns it at once, after all that was sent."""

    async with (
        answer(SWITCH + b"bye") as origin,
        proxy(origin.url) as gate,
        await gate.connect() as client,
    ):
        client.send(b"GET /api/x HTTP/1.1\r\n" + GOOD + UPGRADE + b"\r\n")
        await client.head()
        await eventually(lambda: len(origin.heads) == 1)
        origin.hang_up()

        async with asyncio.timeout(5):
            assert await client.reader.read() == b"bye"


async def test_declined_upgrade_is_an_ordinary_answer() -> None:
    """An upstream that does not switch is passed on, and the connection goes on as HTTP."""
    async with answer(OK) as origin, proxy(origin.url) as gate, await gate.connect() as client:
        client.send(b"GET /api/x HTTP/1.1\r\n" + GOOD + UPGRADE + b"\r\n")
        declined = await client.answer()
        client.send(b"GET /api/y HTTP/1.1\r\n" + GOOD + b"\r\n")
        after = await client.answer()

        assert (declined.status, after.status) == (200, 200)
        assert b"Upgrade: websocket" in origin.lines(0)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        pytest.param(b"Host: h\r\n" + UPGRADE, 401, id="without-a-key"),
        pytest.param(GOOD + UPGRADE + b"Content-Length: 3\r\n", 400, id="with-a-body"),
    ],
)
async def test_refused_upgrade_reaches_nobody(head: bytes, status: int) -> None:
    """An upgrade is admitted like any request, and one with a body is refused."""
    async with answer(SWITCH) as origin, proxy(origin.url) as gate:
        found = await gate.ask(b"GET /api/x HTTP/1.1\r\n" + head + b"\r\n")

        assert (found.status, origin.heads) == (status, [])


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(b"Connection: Upgrade\r\nUpgrade: h2c\r\n", id="another-protocol"),
        pytest.param(b"Upgrade: websocket\r\n", id="not-named-in-connection"),
    ],
)
async def test_other_upgrades_are_ignored(fields: bytes) -> None:
    """Only WebSockets are tunnelled; any other wish is dropped, as RFC 9110 allows."""
    async with answer(OK) as origin, proxy(origin.url) as gate:
        found = await gate.ask(b"GET /api/x HTTP/1.1\r\n" + GOOD + fields + b"\r\n")

        assert found.status == 200
        assert not [line for line in origin.lines() if b"pgrade" in line]
