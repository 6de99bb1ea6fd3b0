"""The orderly end of a listener."""

import asyncio

import pytest

from gateway.core.errors import Misuse
from gateway.http.listener import ProxyListener
from tests.http.stand import Origin, answer, eventually, proxy

GET = b"GET /api/x HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer good-key\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def test_request_in_flight_is_finished() -> None:
    """Who was being served gets the answer, which says that the connection ends; nobody new gets in."""
    held = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await origin.next_head(reader)
        await held.wait()
        writer.write(OK)
        await writer.drain()

    async with (
        Origin(talk) as origin,
        proxy(origin.url) as gate,
        await gate.connect() as client,
        asyncio.TaskGroup() as group,
    ):
        client.send(GET)
        await eventually(lambda: len(origin.heads) == 1)
        drained = group.create_task(gate.listener.drain(5))
        await eventually(lambda: gate.lane.is_draining)
        with pytest.raises(ConnectionRefusedError):
            await gate.connect()
        held.set()
        found = await client.answer()

        assert (found.body, found.value("Connection")) == (b"ok", "close")
        assert await client.is_closed()
        assert await drained


async def test_idle_connection_serves_once_more_then_ends() -> None:
    """A request that crosses with the drain is answered; a connection without one is closed."""
    async with (
        answer(OK) as origin,
        proxy(origin.url) as gate,
        await gate.connect() as busy,
        await gate.connect() as idle,
        asyncio.TaskGroup() as group,
    ):
        for client in (busy, idle):
            client.send(GET)
            await client.answer()
        drained = group.create_task(gate.listener.drain(5))
        await eventually(lambda: gate.lane.is_draining)
        busy.send(GET)
        found = await busy.answer()

        assert (found.status, found.value("Connection")) == (200, "close")
        assert await idle.is_closed()
        assert await drained


async def test_drain_does_not_wait_longer_than_it_may() -> None:
    """A request that does not end is cut at the deadline, and recorded."""

    async def talk(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await origin.next_head(reader)
        await reader.read()

    async with Origin(talk) as origin, proxy(origin.url) as gate, await gate.connect() as client:
        client.send(GET)
        await eventually(lambda: len(origin.heads) == 1)

        assert not await gate.listener.drain(0.2)
        assert await client.is_closed()
        assert (await gate.recorded()).status == 499


async def test_busy_port_is_told_in_words() -> None:
    """An address that is taken is the operator's to change, and the message says how."""
    async with proxy("http://127.0.0.1:1") as gate:
        other = ProxyListener(gate.lane, host="127.0.0.1", port=gate.listener.port)

        with pytest.raises(Misuse, match=r"listen\.port"):
            await other.start()
