"""`Expect: 100-continue`: the client is told to go on when its body is wanted, and only then."""

import asyncio

from tests.http.stand import answer, eventually, proxy

HEAD = b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\n"
POST = b"POST /api/x HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer good-key\r\n" + HEAD
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def test_client_is_asked_for_its_body_after_admission() -> None:
    """While admission takes its time nothing is said; then comes 100, the body, and one answer."""
    async with answer(OK) as origin, proxy(origin.url) as gate, await gate.connect() as client:
        gate.door.opens = asyncio.Event()
        client.send(POST)
        await eventually(lambda: gate.door.asked == 1)
        reading = asyncio.get_running_loop().create_task(client.head())
        await asyncio.sleep(0)
        assert not reading.done()
        gate.door.opens.set()
        go_on = await reading
        client.send(b"abc")
        found = await client.answer()

        assert (go_on.status, found.status) == (100, 200)
        assert not [line for line in origin.lines() if line.lower().startswith(b"expect")]


async def test_refused_client_is_not_asked_for_its_body() -> None:
    """A refusal comes instead of the 100, and the connection ends: nobody knows whether a body follows."""
    async with proxy("http://127.0.0.1:1") as gate, await gate.connect() as client:
        client.send(b"POST /api/x HTTP/1.1\r\nHost: h\r\n" + HEAD)
        found = await client.answer()

        assert (found.status, found.value("Connection")) == (401, "close")


async def test_body_that_came_unasked_needs_no_100() -> None:
    """A client that did not wait gets its one answer."""
    async with answer(OK) as origin, proxy(origin.url) as gate, await gate.connect() as client:
        client.send(POST + b"abc")
        found = await client.answer()

        assert found.status == 200


async def test_unreachable_upstream_wants_no_body() -> None:
    """When there is nobody to send it to, the client is not made to upload."""
    async with proxy("http://127.0.0.1:1") as gate, await gate.connect() as client:
        client.send(POST)

        assert (await client.answer()).status == 502
