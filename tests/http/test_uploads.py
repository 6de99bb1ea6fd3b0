"""Bodies of requests, whole or in pieces, on either side of what the express lane takes."""

import asyncio
import hashlib
import random

import pytest

from tests.http.stand import Origin, proxy

HEAD = b"Host: h\r\nAuthorization: Bearer good-key\r\n"


def digesting() -> Origin:
    """An upstream that answers with the digest of each body."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await origin.next_head(reader)
            length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
            body = await reader.readexactly(int(length))
            digest = hashlib.sha256(body).hexdigest().encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(digest) + digest)
            await writer.drain()

    origin = Origin(talk)
    return origin


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 300_000])
@pytest.mark.parametrize(
    "piece", [pytest.param(None, id="at-once"), pytest.param(1500, id="in-pieces")]
)
async def test_body_arrives_as_it_was_sent(size: int, piece: int | None) -> None:
    """Three uploads on one connection, in whatever pieces: the upstream has every byte, and the record its number."""
    async with digesting() as origin, proxy(origin.url) as gate, await gate.connect() as client:
        for number in range(1, 4):
            body = random.randbytes(size)
            head = b"PUT /api/x HTTP/1.1\r\n" + HEAD + b"Content-Length: %d\r\n\r\n" % size
            data = head + body
            step = piece or len(data)
            for at in range(0, len(data), step):
                client.send(data[at : at + step])
                await asyncio.sleep(0)
            found = await client.answer()

            assert (found.status, found.body.decode()) == (200, hashlib.sha256(body).hexdigest())
            assert (await gate.recorded(number)).bytes_in == size


async def test_head_and_body_byte_by_byte() -> None:
    """Every way of cutting a request in pieces is one request."""
    data = b"POST /api/x HTTP/1.1\r\n" + HEAD + b"Content-Length: 5\r\n\r\nhello"
    async with digesting() as origin, proxy(origin.url) as gate:
        for cut in range(1, len(data), 3):
            async with await gate.connect() as client:
                client.send(data[:cut])
                await client.writer.drain()
                await asyncio.sleep(0.001)
                client.send(data[cut:])
                found = await client.answer()

                assert found.body.decode() == hashlib.sha256(b"hello").hexdigest()
