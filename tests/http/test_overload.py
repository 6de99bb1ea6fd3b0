"""More than a worker can serve: the rest is told so at once, and what was admitted goes on."""

import asyncio
import json
import time

import pytest

from gateway.http.bounds import ClientBounds
from gateway.http.load import Load
from tests.http.stand import Answer, Client, Origin, Proxy, answer, eventually, proxy

HEAD = b"Host: h\r\nAuthorization: Bearer good-key\r\n\r\n"
GET = b"GET /api/x HTTP/1.1\r\n" + HEAD
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
ADMITTED, CLIENTS, ROUNDS = 20, 200, 3


class Slow:
    """An upstream that answers nobody until it is let."""

    def __init__(self) -> None:
        self.origin = Origin(self._talk)
        self.goes = asyncio.Event()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await self.origin.next_head(reader)
            await self.goes.wait()
            writer.write(OK)
            await writer.drain()


async def refused(gate: Proxy) -> list[Answer]:
    """What a client is told that asks again and again, on one connection."""
    async with await gate.connect() as client:
        return [await ask(client) for _ in range(ROUNDS)]


async def ask(client: Client) -> Answer:
    """One GET."""
    client.send(GET)
    return await client.answer()


async def test_what_is_too_much_is_refused_at_once() -> None:
    """With an upstream that hangs, so many wait as may; all others get 503, and keep their connections."""
    slow, bounds = Slow(), ClientBounds(requests_max=ADMITTED)
    async with slow.origin as origin, proxy(origin.url, bounds=bounds) as gate:
        async with asyncio.TaskGroup() as group:
            admitted = [group.create_task(gate.ask(GET)) for _ in range(ADMITTED)]
            await eventually(lambda: len(origin.heads) == ADMITTED)
            others = [group.create_task(refused(gate)) for _ in range(CLIENTS)]
            told = [each for other in others for each in await other]
            assert len(origin.heads) == ADMITTED
            slow.goes.set()

        assert {(each.status, json.loads(each.body)["code"]) for each in told} == {
            (503, "overloaded")
        }
        assert all(int(each.value("Retry-After")) >= 1 for each in told)
        assert [(await each).body for each in admitted] == [b"ok"] * ADMITTED
        assert gate.door.asked == ADMITTED
        assert len(gate.records) == ADMITTED + CLIENTS * ROUNDS


async def test_room_is_there_again_with_the_first_answer() -> None:
    """Recovery is immediate: as soon as one request has ended another is admitted, on a connection refused before."""
    slow, bounds = Slow(), ClientBounds(requests_max=1)
    async with (
        slow.origin as origin,
        proxy(origin.url, bounds=bounds) as gate,
        await gate.connect() as first,
        await gate.connect() as second,
    ):
        first.send(GET)
        await eventually(lambda: len(origin.heads) == 1)
        before = await ask(second)
        slow.goes.set()
        served = await first.answer()
        after = await ask(second)

        assert (before.status, served.status, after.status) == (503, 200, 200)


async def test_whoever_leaves_makes_room() -> None:
    """Requests whose clients have gone, and those that could not be read, are under way no more."""
    slow, bounds = Slow(), ClientBounds(requests_max=2)
    async with slow.origin as origin, proxy(origin.url, bounds=bounds) as gate:
        for _ in range(3):
            async with await gate.connect() as client:
                client.send(GET)
                await eventually(lambda: gate.lane.front.load.under_way == 1)
            await eventually(lambda: not gate.lane.front.load.under_way)
            assert (await gate.ask(b"nonsense\r\n\r\n")).status == 400
        slow.goes.set()

        assert (await gate.ask(GET)).status == 200
        await eventually(lambda: not gate.lane.front.load.under_way)


async def test_loop_that_lags_takes_on_nothing_that_waits() -> None:
    """While the loop is late again and again only what memory decides is served; then all is."""
    bounds = ClientBounds(late_seconds=0.1)
    async with answer(OK) as origin, proxy(origin.url, bounds=bounds) as gate:
        load = gate.lane.front.load
        gate.door.opens = asyncio.Event()
        gate.door.opens.set()
        async with await gate.connect() as client:
            before = await ask(client)
            while not load.is_late:
                time.sleep(0.15)  # noqa: ASYNC251 -- this is what makes the loop late
                await asyncio.sleep(0)
            waiting = asyncio.ensure_future(ask(client))
            while not waiting.done() and load.is_late:
                time.sleep(0.15)  # noqa: ASYNC251
                await asyncio.sleep(0)
            during = await waiting
            await eventually(lambda: not load.is_late)
            after = await ask(client)

        assert (before.status, during.status, after.status) == (200, 503, 200)


@pytest.mark.parametrize(
    ("lateness", "is_late"),
    [
        pytest.param([2.0, 2.0], False, id="twice"),
        pytest.param([2.0, 1.0, 1.5], True, id="three-times"),
        pytest.param([2.0, 2.0, 0.9, 2.0], False, id="with-a-pause"),
        pytest.param([2.0, 2.0, 2.0, 0.0], False, id="over"),
    ],
)
def test_late_means_late_for_a_while(lateness: list[float], is_late: bool) -> None:
    """Three late ticks in a row are an overload, and one in time is its end."""
    load = Load(1, 1.0)
    for seconds in lateness:
        load.ticked(seconds)

    assert load.is_late is is_late
