"""Connections to upstreams under load: kept, closed by the other end, few of them, and many who wait."""

import asyncio
import json
import random
from collections.abc import Callable

import pytest

from gateway.upstream.client import UpstreamBounds
from tests.http.stand import Answer, Origin, Proxy, answer, eventually, proxy
from tests.http.test_upstream_fails import nowhere

HEAD = b"Host: h\r\nAuthorization: Bearer good-key\r\n\r\n"
GET = b"GET /api/x HTTP/1.1\r\n" + HEAD
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CLIENTS, REQUESTS_EACH = 20, 100


def impatient() -> Origin:
    """An upstream that closes each connection a moment after its last answer."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await origin.next_head(reader)
        while True:
            writer.write(OK)
            await writer.drain()
            try:
                async with asyncio.timeout(random.uniform(0.001, 0.006)):
                    await origin.next_head(reader)
            except TimeoutError:
                return

    origin = Origin(talk)
    return origin


async def test_no_get_fails_on_connections_that_go_stale() -> None:
    """Two thousand GETs, an upstream that closes idle connections all the time: each is answered."""
    async with impatient() as origin, proxy(origin.url) as gate:

        async def ask() -> None:
            async with await gate.connect() as client:
                for _ in range(REQUESTS_EACH):
                    client.send(GET)
                    found = await client.answer()
                    assert (found.status, found.body) == (200, b"ok")
                    await asyncio.sleep(random.uniform(0, 0.008))

        async with asyncio.TaskGroup() as group:
            for _ in range(CLIENTS):
                group.create_task(ask())

        assert len(gate.records) == CLIENTS * REQUESTS_EACH
        # Else nothing was proved: connections were used again, and were found closed.
        assert 50 < origin.connections < CLIENTS * REQUESTS_EACH


class Gate:
    """An upstream that answers when it is let, in the order in which requests came in."""

    def __init__(self) -> None:
        self.origin = Origin(self._talk)
        self.goes = asyncio.Semaphore(0)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await self.origin.next_head(reader)
            await self.goes.acquire()
            writer.write(OK)
            await writer.drain()

    def paths(self) -> list[bytes]:
        return [head.split(b" ", 2)[1] for head in self.origin.heads]


async def ask(gate: Proxy, number: int) -> Answer:
    """A GET that the upstream can tell from the others."""
    return await gate.ask(b"GET /api/%d HTTP/1.1\r\n" % number + HEAD)


async def is_count(wanted: int, counted: Callable[[], int]) -> None:
    """Return when so many are counted."""
    await eventually(lambda: counted() == wanted)


async def test_who_waits_for_a_connection_is_served_in_order() -> None:
    """With one connection to be had, requests get it one after another as they came."""
    held, bounds = Gate(), UpstreamBounds(max_connections=1)
    async with (
        held.origin as origin,
        proxy(origin.url, upstream=bounds) as gate,
        asyncio.TaskGroup() as group,
    ):
        asked = []
        for number in range(6):
            asked.append(group.create_task(ask(gate, number)))
            await is_count(number + 1, lambda: gate.door.asked)
        for number in range(6):
            await is_count(number + 1, lambda: len(origin.heads))
            held.goes.release()
        found = [await each for each in asked]

        assert [each.status for each in found] == [200] * 6
        assert held.paths() == [b"/api/%d" % number for number in range(6)]
        assert origin.connections == 1


async def test_who_leaves_the_queue_is_not_waited_for() -> None:
    """The connection goes to the next one who still wants it."""
    held, bounds = Gate(), UpstreamBounds(max_connections=1)
    async with held.origin as origin, proxy(origin.url, upstream=bounds) as gate:
        async with asyncio.TaskGroup() as group:
            first = group.create_task(ask(gate, 0))
            await eventually(lambda: len(origin.heads) == 1)
            async with await gate.connect() as leaver:
                leaver.send(GET)
                await eventually(lambda: gate.door.asked == 2)
                last = group.create_task(ask(gate, 2))
                await eventually(lambda: gate.door.asked == 3)
            await eventually(lambda: len(gate.records) == 1)
            held.goes.release()
            held.goes.release()

        assert (first.result().status, last.result().status) == (200, 200)
        assert held.paths() == [b"/api/0", b"/api/2"]


async def test_waiting_ends_when_no_connection_can_be_had() -> None:
    """Nobody listens: who waits behind the first attempt learns it too, and not only when his time is over."""
    bounds = UpstreamBounds(max_connections=1, connect_seconds=5.0)
    async with proxy(nowhere(), upstream=bounds) as gate:
        async with asyncio.timeout(3), asyncio.TaskGroup() as group:
            asked = [group.create_task(ask(gate, number)) for number in range(4)]

        codes = [json.loads(each.result().body)["code"] for each in asked]
        assert codes == ["upstream_unreachable"] * 4


@pytest.mark.parametrize("connections", [1, 2])
async def test_idle_connections_to_one_target_leave_room_for_another(connections: int) -> None:
    """Targets take turns although no more connections may be open than stand idle already."""
    bounds = UpstreamBounds(max_connections=connections, connect_seconds=0.5)
    async with (
        answer(OK) as one,
        answer(OK) as two,
        answer(OK) as three,
        proxy(one.url, two.url, three.url, upstream=bounds) as gate,
    ):
        found = [await gate.ask(GET) for _ in range(9)]

        assert [each.status for each in found] == [200] * 9
        assert [len(each.heads) for each in (one, two, three)] == [3, 3, 3]


@pytest.mark.parametrize(
    "begin",
    [
        pytest.param(b"", id="before-the-head"),
        pytest.param(b"HTTP/1.1 200 O", id="within-the-head"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", id="within-the-body"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", id="within-chunks"
        ),
    ],
)
async def test_reset_by_the_upstream_is_never_a_whole_answer(begin: bytes) -> None:
    """However far the answer had come: 502, or a body that breaks off; and the next request is served."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await origin.next_head(reader)
        if b"/api/good" in head:
            writer.write(OK)
            await writer.drain()
            return
        writer.write(begin)
        await writer.drain()
        writer.transport.abort()

    async with Origin(talk) as origin, proxy(origin.url) as gate:
        found = await gate.ask(b"POST /api/bad HTTP/1.1\r\nContent-Length: 0\r\n" + HEAD)
        next_one = await gate.ask(b"GET /api/good HTTP/1.1\r\n" + HEAD)

        assert found.status == 502 or not found.is_whole
        assert (next_one.status, next_one.body) == (200, b"ok")
        assert gate.records[0].outcome == "upstream_unreachable"
        assert sum(b"/api/bad" in head for head in origin.heads) == 1
