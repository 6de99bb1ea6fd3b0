"""Clients that dawdle are cut off, wherever in the request they do it."""

import asyncio
import json

import pytest

from gateway.http.bounds import ClientBounds
from tests.http.stand import Origin, answer, eventually, proxy

HEAD = b"Host: h\r\nAuthorization: Bearer good-key\r\n"
GET = b"GET /api/x HTTP/1.1\r\n" + HEAD + b"\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BRIEF = ClientBounds(
    header_seconds=0.15, body_idle_seconds=0.15, keepalive_seconds=0.3, linger_seconds=0.1
)


async def test_dribbled_head_is_cut_off() -> None:
    """A head that does not get finished is a 408 with a record, and the connection ends."""
    async with proxy("http://127.0.0.1:1", bounds=BRIEF) as gate, await gate.connect() as client:
        client.send(b"GET /api/x HTTP/1.1\r\nHost: h\r\n")
        found = await client.answer()

        assert (found.status, json.loads(found.body)["code"]) == (408, "request_timeout")
        assert found.value("Connection") == "close"
        assert await client.is_closed()
        assert (await gate.recorded()).outcome == "request_timeout"


async def test_dribbled_second_head_is_cut_off() -> None:
    """The same holds for a later request on the same connection."""
    async with (
        answer(OK) as origin,
        proxy(origin.url, bounds=BRIEF) as gate,
        await gate.connect() as client,
    ):
        client.send(GET)
        await client.answer()
        client.send(b"GET /ap")
        found = await client.answer()

        assert found.status == 408


@pytest.mark.parametrize(
    "first", [pytest.param(b"", id="never-spoke"), pytest.param(GET, id="after-a-request")]
)
async def test_silent_connection_is_closed(first: bytes) -> None:
    """A connection on which nothing is asked is closed without a word and without a record."""
    async with (
        answer(OK) as origin,
        proxy(origin.url, bounds=BRIEF) as gate,
        await gate.connect() as client,
    ):
        if first:
            client.send(first)
            await client.answer()

        assert await client.is_closed()
        assert len(gate.records) == len(first[:1])


async def test_body_that_stops_coming_is_a_408() -> None:
    """An upload that falls silent is given up, at the upstream too."""
    gone = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await origin.next_head(reader)
        try:
            await reader.read()
        finally:
            gone.set()

    async with (
        Origin(talk) as origin,
        proxy(origin.url, bounds=BRIEF) as gate,
        await gate.connect() as client,
    ):
        client.send(b"POST /api/x HTTP/1.1\r\n" + HEAD + b"Content-Length: 9\r\n\r\nabc")
        found = await client.answer()

        assert (found.status, found.value("Connection")) == (408, "close")
        async with asyncio.timeout(5):
            await gone.wait()
        assert (await gate.recorded()).outcome == "request_timeout"


async def test_body_may_take_no_longer_than_allowed_in_all() -> None:
    """A body that never pauses but never ends is cut off too, when the operator says so."""
    bounds = ClientBounds(body_idle_seconds=5, body_seconds=0.3, linger_seconds=0.1)

    async def talk(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await origin.next_head(reader)
        await reader.read()

    async with (
        Origin(talk) as origin,
        proxy(origin.url, bounds=bounds) as gate,
        await gate.connect() as client,
    ):
        client.send(b"POST /api/x HTTP/1.1\r\n" + HEAD + b"Content-Length: 99999\r\n\r\nabc")
        await eventually(lambda: len(origin.heads) == 1)
        for _ in range(20):
            client.send(b"x")

        assert (await client.answer()).status == 408


async def test_client_that_stops_reading_is_cut_off() -> None:
    """An answer that nobody takes does not hold its upstream for ever."""
    body = b"x" * (1 << 24)
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    async with (
        answer(whole) as origin,
        proxy(origin.url, bounds=BRIEF) as gate,
        await gate.connect() as client,
    ):
        client.send(GET)
        record = await gate.recorded()

        assert (record.status, record.bytes_out < len(body)) == (200, True)
