"""A client that reads slowly, or not at all, costs bounded memory, and nobody else anything."""

import asyncio
import socket
from contextlib import AsyncExitStack, suppress

from gateway.http.bounds import ClientBounds
from gateway.upstream.client import UpstreamBounds
from tests.http.stand import Client, Origin, Proxy, answer, eventually, proxy

KIBIBYTE = 1024
HEAD = b"Host: h\r\nAuthorization: Bearer good-key\r\n\r\n"
GET = b"GET /api/x HTTP/1.1\r\n" + HEAD
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def deaf(gate: Proxy) -> Client:
    """A client whose system takes in next to nothing that it does not read."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.connect(("127.0.0.1", gate.listener.port))
    raw.setblocking(False)
    reader, writer = await asyncio.open_connection(sock=raw, limit=4096)
    return Client(reader, writer)


def sized() -> Origin:
    """An upstream that answers GET /api/N with N bytes, on kept connections."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await origin.next_head(reader)
            size = int(head.split(b" ", 2)[1].rpartition(b"/")[2])
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
            writer.write(bytes(size))
            await writer.drain()

    origin = Origin(talk)
    return origin


async def is_recorded(gate: Proxy, count: int) -> bool:
    """Whether so many requests have ended, or soon will have."""
    with suppress(TimeoutError):
        async with asyncio.timeout(0.5):
            await eventually(lambda: len(gate.records) >= count)
    return len(gate.records) >= count


async def test_slow_reader_takes_no_connection_from_others() -> None:
    """Wherever in an answer its client falls behind: the upstream's connection serves the next request."""
    bounds = UpstreamBounds(response_seconds=1.0)
    async with (
        sized() as origin,
        proxy(origin.url, upstream=bounds) as gate,
        AsyncExitStack() as clients,
    ):
        for number, size in enumerate(range(128 * KIBIBYTE, 16_384 * KIBIBYTE, 96 * KIBIBYTE)):
            client = await clients.enter_async_context(await deaf(gate))
            client.send(b"GET /api/%d HTTP/1.1\r\n" % size + HEAD)
            if not await is_recorded(gate, 2 * number + 1):
                break  # no answer that is longer still will end
            found = await gate.ask(b"GET /api/3 HTTP/1.1\r\n" + HEAD)
            assert (found.status, found.body, size) == (200, bytes(3), size)
            await gate.recorded(2 * number + 2)

        assert len(gate.records) > 2, "no answer was short enough"


async def test_requests_of_a_client_that_reads_no_answer_wait() -> None:
    """One request after another without reading an answer: soon none is passed on, and later each is answered."""
    size = 200 * KIBIBYTE
    asked = b"GET /api/%d HTTP/1.1\r\n" % size + HEAD
    async with sized() as origin, proxy(origin.url) as gate, await deaf(gate) as client:
        sent = 0
        for _ in range(200):
            client.send(asked)
            sent += 1
            if not await is_recorded(gate, sent):
                break
        passed_on = len(origin.heads)
        client.send(asked * 20)
        assert passed_on < 100
        assert not await is_recorded(gate, passed_on + 1)

        for _ in range(sent + 20):
            found = await client.answer()
            assert (found.status, len(found.body)) == (200, size)
        assert len(origin.heads) == sent + 20


async def test_pipelined_requests_of_a_client_that_reads_no_answer_wait() -> None:
    """The same when all of them come at once."""
    size, count = 200 * KIBIBYTE, 150
    asked = b"GET /api/%d HTTP/1.1\r\n" % size + HEAD
    async with sized() as origin, proxy(origin.url) as gate, await deaf(gate) as client:
        client.send(asked * count)
        while await is_recorded(gate, len(gate.records) + 1):
            assert len(gate.records) < 100

        for _ in range(count):
            found = await client.answer()
            assert (found.status, len(found.body)) == (200, size)
        assert len(origin.heads) == count


async def test_answer_that_nobody_fetches_is_given_up() -> None:
    """What was written to the end, and is not read to the end, does not keep its connection for ever."""
    bounds = ClientBounds(keepalive_seconds=0.1, body_idle_seconds=1.0, linger_seconds=0.1)
    async with (
        sized() as origin,
        proxy(origin.url, bounds=bounds) as gate,
        AsyncExitStack() as clients,
    ):
        for number, size in enumerate(range(128 * KIBIBYTE, 16_384 * KIBIBYTE, 48 * KIBIBYTE)):
            client = await clients.enter_async_context(await deaf(gate))
            client.send(b"GET /api/%d HTTP/1.1\r\n" % size + HEAD)
            if not await is_recorded(gate, number + 1):
                break

        await eventually(lambda: not gate.listener.connection_count)


async def test_client_that_sends_no_more_counts_as_gone() -> None:
    """Half of a connection is none: the upstream is let go, as when all of it had been closed."""
    gone = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await origin.next_head(reader)
        try:
            await reader.read()
        finally:
            gone.set()

    async with Origin(talk) as origin, proxy(origin.url) as gate, await gate.connect() as client:
        client.send(GET)
        await eventually(lambda: len(origin.heads) == 1)
        client.writer.write_eof()
        async with asyncio.timeout(5):
            await gone.wait()

        assert (await gate.recorded()).outcome == "client_gone"
        assert await client.is_closed()


async def test_half_a_request_and_no_more_is_forgotten() -> None:
    """A client that ends within its request is closed, and the listener has nothing left of it."""
    async with answer(OK) as origin, proxy(origin.url) as gate, await gate.connect() as client:
        client.send(GET[:-4])
        client.writer.write_eof()

        assert await client.is_closed()
        await eventually(lambda: not gate.listener.connection_count)
        assert not origin.heads
