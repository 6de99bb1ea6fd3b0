"""A client that leaves stops what was being done for it, and is nobody's fault."""

import asyncio

import pytest

from tests.http.stand import Origin, eventually, proxy

GET = b"GET /api/x HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer good-key\r\n\r\n"


@pytest.mark.parametrize(
    ("begin", "status", "outcome"),
    [
        pytest.param(b"", 499, "client_gone", id="before-the-answer"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
            200,
            "served",
            id="within-the-answer",
        ),
    ],
)
async def test_upstream_is_let_go(begin: bytes, status: int, outcome: str) -> None:
    """The upstream's connection ends when the client's does, and one record says how far it came."""
    gone = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await origin.next_head(reader)
        writer.write(begin)
        try:
            await reader.read()
        finally:
            gone.set()

    async with Origin(talk) as origin, proxy(origin.url) as gate:
        async with await gate.connect() as client:
            client.send(GET)
            await eventually(lambda: len(origin.heads) == 1)
            if begin:
                await client.head()
        async with asyncio.timeout(5):
            await gone.wait()
        record = await gate.recorded()

        assert (record.status, record.outcome, record.key_id) == (status, outcome, "key_1")


async def test_client_that_leaves_during_admission_is_recorded() -> None:
    """A look-up that takes too long for its caller ends in a record without a key."""
    async with proxy("http://127.0.0.1:1") as gate:
        gate.door.opens = asyncio.Event()
        async with await gate.connect() as client:
            client.send(GET)
            await eventually(lambda: gate.door.asked == 1)
        record = await gate.recorded()

        assert (record.status, record.key_id) == (499, None)


async def test_client_that_leaves_during_an_upload_stops_it() -> None:
    """Half a body is never made to look whole to the upstream."""
    end: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await origin.next_head(reader)
        try:
            end.append(await reader.read())
        except ConnectionError:
            end.append(b"")

    async with Origin(talk) as origin, proxy(origin.url) as gate:
        async with await gate.connect() as client:
            client.send(GET[:-2].replace(b"GET", b"POST") + b"Transfer-Encoding: chunked\r\n\r\n")
            client.send(b"3\r\nabc\r\n")
            await eventually(lambda: len(origin.heads) == 1)
        await eventually(lambda: bool(end))

        assert b"0\r\n\r\n" not in end[0]
        assert (await gate.recorded()).status == 499
