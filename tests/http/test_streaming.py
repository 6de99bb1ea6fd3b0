"""Bodies stream both ways, no faster than the slower side."""

import asyncio
from collections.abc import Callable

from tests.http.stand import Origin, answer, eventually, proxy

HEAD = b"Host: h\r\nAuthorization: Bearer good-key\r\n"
GET = b"GET /api/x HTTP/1.1\r\n" + HEAD + b"\r\n"
MEBIBYTE = 1 << 20


async def test_each_event_is_passed_on_as_it_comes() -> None:
    """Server-sent events arrive one by one: the second is sent only after the client has seen the first."""
    seen = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await origin.next_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n")
        writer.write(b"Transfer-Encoding: chunked\r\n\r\n")
        await seen.wait()
        seen.clear()
        writer.write(b"7\r\ndata: 1\r\n")
        await seen.wait()
        writer.write(b"7\r\ndata: 2\r\n0\r\n\r\n")
        await writer.drain()

    async with Origin(talk) as origin, proxy(origin.url) as gate, await gate.connect() as client:
        client.send(GET)
        found = await client.head()
        seen.set()
        first = await client.chunk()
        seen.set()
        rest = [await client.chunk(), await client.chunk()]

        assert found.value("Content-Type") == "text/event-stream"
        assert (first, rest) == (b"data: 1", [b"data: 2", b""])


async def test_upload_reaches_the_upstream_before_it_is_complete() -> None:
    """A body is never collected: the upstream reads its beginning while the client holds back the end."""
    begun = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await origin.next_head(reader)
        await reader.readexactly(3)
        begun.set()
        await reader.readexactly(3)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await writer.drain()

    async with Origin(talk) as origin, proxy(origin.url) as gate, await gate.connect() as client:
        client.send(b"POST /api/x HTTP/1.1\r\n" + HEAD + b"Content-Length: 6\r\n\r\nabc")
        async with asyncio.timeout(5):
            await begun.wait()
        client.send(b"def")

        assert (await client.answer()).body == b"ok"
        assert (await gate.recorded()).bytes_in == 6


async def test_chunked_upload_stays_chunked_until_it_is_whole() -> None:
    """A body of unknown length goes up in chunks; its extensions and trailers do not."""
    got = asyncio.get_running_loop().create_future()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await origin.next_head(reader)
        got.set_result(await reader.readuntil(b"0\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await writer.drain()

    async with Origin(talk) as origin, proxy(origin.url) as gate, await gate.connect() as client:
        client.send(b"POST /api/x HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        await eventually(lambda: origin.connections == 1)
        client.send(b"3;x=y\r\nabc\r\n0\r\nX-Keywright-Key-Id: other\r\n\r\n")

        assert (await client.answer()).status == 200
        assert await got == b"3\r\nabc\r\n0\r\n\r\n"
        assert b"Transfer-Encoding: chunked" in origin.lines()


async def test_slow_reader_stops_the_upstream() -> None:
    """A client that does not read costs bounded memory: the upstream is not read either."""
    written = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        await origin.next_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (256 * MEBIBYTE))
        piece = b"x" * 65_536
        while written < 256 * MEBIBYTE:
            writer.write(piece)
            await writer.drain()
            written += len(piece)

    async with Origin(talk) as origin, proxy(origin.url) as gate, await gate.connect() as client:
        client.send(GET)
        await client.head()
        await _comes_to_rest(lambda: written)

        # What two kernels buffer on loopback, and little of ours.
        assert written < 32 * MEBIBYTE


async def test_slow_upstream_stops_the_client() -> None:
    """An upload that the upstream does not read is not read from the client either."""
    held = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await origin.next_head(reader)
        await held.wait()

    sent = 0
    async with Origin(talk) as origin, proxy(origin.url) as gate, await gate.connect() as client:
        client.send(
            b"POST /api/x HTTP/1.1\r\n" + HEAD + b"Content-Length: %d\r\n\r\n" % (256 * MEBIBYTE)
        )

        async def upload() -> None:
            nonlocal sent
            while True:
                client.send(b"x" * 65_536)
                await client.writer.drain()
                sent += 65_536

        async with asyncio.TaskGroup() as group:
            task = group.create_task(upload())
            await _comes_to_rest(lambda: sent)
            task.cancel()

        assert 0 < sent < 32 * MEBIBYTE


async def test_large_bodies_arrive_whole_both_ways() -> None:
    """Ten mebibytes up and down, chunked and with a length, arrive as they were sent."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await origin.next_head(reader)
            body = await reader.readexactly(10 * MEBIBYTE)
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            writer.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
            await writer.drain()

    body = bytes(range(256)) * 40_960
    async with Origin(talk) as origin, proxy(origin.url) as gate:
        found = await gate.ask(
            b"PUT /api/x HTTP/1.1\r\n" + HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body
        )

        assert found.is_whole
        assert found.body == body
        record = await gate.recorded()
        assert (record.bytes_in, record.bytes_out) == (len(body), len(body))


async def test_upstreams_early_answer_to_an_upload_is_not_missed() -> None:
    """An upstream that refuses a body half-way gets its answer through, and the connection ends."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await origin.next_head(reader)
        writer.write(b"HTTP/1.1 413 No\r\nContent-Length: 3\r\n\r\nbig")
        await writer.drain()
        await reader.read()

    async with Origin(talk) as origin, proxy(origin.url) as gate, await gate.connect() as client:
        client.send(b"POST /api/x HTTP/1.1\r\n" + HEAD + b"Content-Length: 999\r\n\r\nabc")
        found = await client.answer()

        assert (found.status, found.body) == (413, b"big")
        assert await client.is_closed()


async def test_pipelined_requests_are_answered_in_order() -> None:
    """Three requests sent at once get three answers, each its own."""
    answers = [b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" + n for n in (b"1", b"2", b"3")]
    async with (
        answer(*answers) as origin,
        proxy(origin.url) as gate,
        await gate.connect() as client,
    ):
        client.send(GET * 3)

        assert [(await client.answer()).body for _ in range(3)] == [b"1", b"2", b"3"]


async def _comes_to_rest(count: Callable[[], int]) -> None:
    """Until a counter has stood still for half a second."""
    loop = asyncio.get_running_loop()
    last, since = count(), loop.time()

    def is_still() -> bool:
        nonlocal last, since
        if count() != last:
            last, since = count(), loop.time()
        return last > 0 and loop.time() - since > 0.5

    await eventually(is_still)
