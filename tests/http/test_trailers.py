"""Trailers: what comes behind a chunked body is read, dropped, and disturbs nobody (RFC 9110 §6.5.1)."""

import asyncio

import pytest

from tests.http.stand import Origin, eventually, proxy

HEAD = b"Host: h\r\nAuthorization: Bearer good-key\r\n"
GET = b"GET /api/x HTTP/1.1\r\n" + HEAD + b"\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n"
BODY = b"3\r\nabc\r\n"
END = b"0\r\nX-Sum: 42\r\nX-Keywright-Key-Id: forged\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

AT_ONCE = pytest.mark.parametrize("is_late", [False, True], ids=["at-once", "late"])


def names(lines: list[bytes]) -> set[bytes]:
    """Of the fields of a head."""
    return {line.partition(b":")[0].lower() for line in lines[1:]}


@AT_ONCE
async def test_trailers_of_an_answer_are_dropped(is_late: bool) -> None:
    """The body arrives whole and without them, nothing announces them, and the next answer is the next answer."""
    is_read = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await origin.next_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n" + CHUNKED + b"\r\n" + BODY)
        if is_late:
            await is_read.wait()
        writer.write(END)
        await origin.next_head(reader)
        writer.write(OK)

    async with Origin(talk) as origin, proxy(origin.url) as gate, await gate.connect() as client:
        client.send(GET.replace(HEAD, b"Connection: TE\r\nTE: trailers\r\n" + HEAD))
        if is_late:
            found = await client.head()
            found.body = await client.chunk()
            is_read.set()
            assert await client.chunk() == b""
        else:
            found = await client.answer()
        client.send(GET)
        second = await client.answer()

        assert (found.values("Trailer"), found.values("X-Sum"), found.body) == ([], [], b"abc")
        assert (second.status, second.body) == (200, b"ok")
        assert second.values("X-Sum") == []
        # Nobody was told that they would be kept.
        assert b"te" not in names(origin.lines(0))


@AT_ONCE
async def test_trailers_of_a_request_are_dropped(is_late: bool) -> None:
    """The upstream gets the body and its end, and nothing that would stand among the fields."""
    bodies: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await origin.next_head(reader)).lower()
        if b"content-length: 3\r\n" in head:
            bodies.append(await reader.readexactly(3))
        else:
            bodies.append(await reader.readuntil(b"0\r\n\r\n"))
        writer.write(OK)
        await origin.next_head(reader)
        writer.write(OK)

    async with Origin(talk) as origin, proxy(origin.url) as gate, await gate.connect() as client:
        client.send(b"POST /api/x HTTP/1.1\r\n" + CHUNKED + HEAD + b"\r\n" + BODY)
        if is_late:
            await eventually(lambda: len(origin.heads) == 1)
        client.send(END)
        first = await client.answer()
        client.send(GET)
        second = await client.answer()

        assert [first.status, second.status] == [200, 200]
        assert bodies in ([b"abc"], [b"3\r\nabc\r\n0\r\n\r\n"])
        assert names(origin.lines(0)) & {b"trailer", b"x-sum"} == set()
        assert b"x-sum" not in names(origin.lines(1))
