"""Answers without a body, and bodies without a length."""

import asyncio

import pytest

from tests.http.stand import Origin, answer, proxy

HEAD = b"Host: h\r\nAuthorization: Bearer good-key\r\n\r\n"


async def test_head_is_answered_without_a_body() -> None:
    """HEAD tells the length that GET would have, sends nothing of it, and the connection goes on."""
    length = b"HTTP/1.1 200 OK\r\nContent-Length: 42\r\n\r\n"
    async with answer(length) as origin, proxy(origin.url) as gate, await gate.connect() as client:
        for _ in range(2):
            client.send(b"HEAD /api/x HTTP/1.1\r\n" + HEAD)
            found = await client.answer(is_to_head=True)

            assert (found.status, found.value("Content-Length")) == (200, "42")


async def test_refusal_of_head_has_no_body() -> None:
    """A refused HEAD must not leave a body behind that the client takes for the next answer."""
    async with proxy("http://127.0.0.1:1") as gate, await gate.connect() as client:
        for _ in range(2):
            client.send(b"HEAD /api/x HTTP/1.1\r\nHost: h\r\n\r\n")
            found = await client.answer(is_to_head=True)

            assert found.status == 401


@pytest.mark.parametrize("status", [pytest.param(204, id="204"), pytest.param(304, id="304")])
async def test_statuses_without_a_body(status: int) -> None:
    """204 and 304 end with their head, and the connection goes on."""
    bare = b"HTTP/1.1 %d X\r\nETag: e\r\n\r\n" % status
    async with answer(bare) as origin, proxy(origin.url) as gate, await gate.connect() as client:
        for _ in range(2):
            client.send(b"GET /api/x HTTP/1.1\r\n" + HEAD)
            found = await client.answer()

            assert (found.status, found.values("Transfer-Encoding")) == (status, [])


async def test_old_client_gets_no_chunks() -> None:
    """An HTTP/1.0 client gets a chunked answer as plain bytes, ended by the connection's end or a length."""
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    async with answer(chunked) as origin, proxy(origin.url) as gate:
        found = await gate.ask(b"GET /api/x HTTP/1.0\r\n" + HEAD)

        assert found.values("Transfer-Encoding") == []
        assert (found.body, found.value("Connection")) == (b"abc", "close")


async def test_upstream_may_end_its_body_by_closing() -> None:
    """A body without a length, from an old upstream, arrives whole."""

    async with answer(b"HTTP/1.0 200 OK\r\n\r\nabc") as origin, proxy(origin.url) as gate:
        async with await gate.connect() as client:
            client.send(b"GET /api/x HTTP/1.1\r\n" + HEAD)
            await client.head()
            first = await client.chunk()

        assert first == b"abc"


async def test_body_without_a_length_ends_where_the_upstream_closes() -> None:
    """The client gets it in chunks, learns where it ends, and its own connection goes on."""
    bare = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"abc" * 1000

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await origin.next_head(reader)
        writer.write(bare)
        await writer.drain()

    async with Origin(talk) as origin, proxy(origin.url) as gate, await gate.connect() as client:
        for _ in range(2):
            client.send(b"GET /api/x HTTP/1.1\r\n" + HEAD)
            found = await client.answer()

            assert (found.value("Transfer-Encoding"), found.body) == ("chunked", b"abc" * 1000)


@pytest.mark.parametrize(
    ("method", "length"),
    [pytest.param(b"POST", True, id="post"), pytest.param(b"GET", False, id="get")],
)
async def test_empty_body_is_said_where_one_is_usual(method: bytes, length: bool) -> None:
    """POST without a body says Content-Length: 0, which many servers insist on; GET says nothing."""
    ok = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    async with answer(ok) as origin, proxy(origin.url) as gate:
        await gate.ask(method + b" /api/x HTTP/1.1\r\n" + HEAD)

        assert (b"Content-Length: 0" in origin.lines()) is length
