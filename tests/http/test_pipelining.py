"""Several requests on one connection before their answers: each gets its own, in order, and the connection goes on."""

import asyncio
import re

import pytest

from tests.http.stand import Client, Origin, eventually, proxy

HEAD = b"Host: h\r\nAuthorization: Bearer good-key\r\n\r\n"


def ask(number: int) -> bytes:
    """A GET that is known again."""
    return b"GET /api/%d HTTP/1.1\r\n" % number + HEAD


def echo(*, held: asyncio.Event | None = None) -> Origin:
    """An upstream that answers each request with its number; after `held`, if that is given."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await origin.next_head(reader)
            found = re.match(rb"GET /api/(\d+) ", head)
            assert found
            if held is not None:
                await held.wait()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(found[1]))
            writer.write(found[1])

    origin = Origin(talk)
    return origin


async def numbers(client: Client, count: int) -> list[int]:
    """What so many answers say."""
    return [int((await client.answer()).body) for _ in range(count)]


@pytest.mark.parametrize("count", [2, 10])
async def test_requests_in_one_packet(count: int) -> None:
    """Each is answered in its turn, and afterwards single ones are, and then several at once again."""
    async with echo() as origin, proxy(origin.url) as gate, await gate.connect() as client:
        client.send(ask(100))
        assert await numbers(client, 1) == [100]

        client.send(b"".join(map(ask, range(count))))
        assert await numbers(client, count) == list(range(count))
        for single in (101, 102):
            client.send(ask(single))
            assert await numbers(client, 1) == [single]
        client.send(ask(103) + ask(104))
        assert await numbers(client, 2) == [103, 104]

        await gate.recorded(count + 5)


async def test_requests_that_come_while_one_is_under_way() -> None:
    """One, then the half of another, then the rest of it and a third: three answers in order."""
    held = asyncio.Event()
    async with echo(held=held) as origin, proxy(origin.url) as gate, await gate.connect() as client:
        client.send(ask(1))
        await eventually(lambda: len(origin.heads) == 1)
        client.send(ask(2)[:20])
        client.send(ask(2)[20:] + ask(3))
        held.set()

        assert await numbers(client, 3) == [1, 2, 3]
        client.send(ask(4))
        assert await numbers(client, 1) == [4]


async def test_a_request_and_the_half_of_another_in_one_packet() -> None:
    """The half that came along is not lost."""
    async with echo() as origin, proxy(origin.url) as gate, await gate.connect() as client:
        client.send(ask(1) + ask(2)[:30])
        assert await numbers(client, 1) == [1]
        client.send(ask(2)[30:])

        assert await numbers(client, 1) == [2]


async def test_a_refusal_among_them_has_its_place() -> None:
    """A request that is refused in the middle is answered in the middle."""
    refused = b"GET /api/2 HTTP/1.1\r\nHost: h\r\n\r\n"
    async with echo() as origin, proxy(origin.url) as gate, await gate.connect() as client:
        client.send(ask(1) + refused + ask(3))

        assert [(await client.answer()).status for _ in range(3)] == [200, 401, 200]
        assert len(origin.heads) == 2


async def test_a_drain_finishes_the_one_that_is_under_way() -> None:
    """Of several at once the one under way is answered when the listener drains, and the connection ends in order."""
    held = asyncio.Event()
    async with (
        echo(held=held) as origin,
        proxy(origin.url) as gate,
        await gate.connect() as client,
        await gate.connect() as idle,
        asyncio.TaskGroup() as group,
    ):
        client.send(ask(1) + ask(2))
        await eventually(lambda: len(origin.heads) == 1)
        drained = group.create_task(gate.listener.drain(5))
        await eventually(lambda: gate.lane.is_draining)
        held.set()

        first = await client.answer()
        assert (first.status, first.body, first.value("Connection")) == (200, b"1", "close")
        assert await client.is_closed()
        assert await idle.is_closed()
        assert await drained
