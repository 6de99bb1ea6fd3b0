"""An upstream that is away, breaks off, dawdles or talks nonsense."""

import asyncio
import json
import socket

import pytest

from gateway.upstream.client import UpstreamBounds
from tests.http.stand import Origin, answer, eventually, proxy

GET = b"GET /api/x HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer good-key\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def nowhere() -> str:
    """An address at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def says(data: bytes) -> Origin:
    """An upstream that sends this to each request, then closes."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await origin.next_head(reader)
        writer.write(data)
        await writer.drain()

    origin = Origin(talk)
    return origin


async def test_unreachable_upstream_is_a_502() -> None:
    """Nobody at the other end: the caller learns that it is not their fault, and the key is on the record."""
    async with proxy(nowhere()) as gate:
        found = await gate.ask(GET)

        assert (found.status, json.loads(found.body)["code"]) == (502, "upstream_unreachable")
        assert found.value("RateLimit") == '"default";r=940;t=4'
        record = await gate.recorded()
        assert (record.key_id, record.outcome) == ("key_1", "upstream_unreachable")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(b"", "upstream_unreachable", id="closes-without-a-word"),
        pytest.param(b"HTTP/1.1 two hundred\r\n\r\n", "upstream_invalid", id="garbage-status"),
        pytest.param(b"hello", "upstream_invalid", id="no-http"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
            "upstream_invalid",
            id="huge-field",
        ),
        pytest.param(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
            "upstream_invalid",
            id="switches-unasked",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nX: a\x01b\r\nContent-Length: 0\r\n\r\n",
            "upstream_invalid",
            id="control-character",
        ),
    ],
)
async def test_broken_answers_become_502(data: bytes, code: str) -> None:
    """What cannot be passed on is not passed on in part, and shows nothing of the upstream."""
    async with says(data) as origin, proxy(origin.url) as gate:
        found = await gate.ask(GET)

        assert (found.status, json.loads(found.body)["code"]) == (502, code)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc", id="length"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", id="chunks"
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n",
            id="broken-chunk",
        ),
    ],
)
async def test_torso_never_looks_like_a_whole_answer(data: bytes) -> None:
    """A body that breaks off breaks the client's connection off too, and the record says why."""
    async with says(data) as origin, proxy(origin.url) as gate:
        found = await gate.ask(GET)

        assert not found.is_whole or found.status == 502
        record = await gate.recorded()
        assert record.outcome in {"upstream_unreachable", "upstream_invalid"}


async def test_torso_for_an_old_client_ends_in_a_reset() -> None:
    """Where the connection's end is the body's end, only a reset can say that something is missing."""
    data = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
    async with says(data) as origin, proxy(origin.url) as gate, await gate.connect() as client:
        client.send(GET.replace(b"HTTP/1.1", b"HTTP/1.0"))

        with pytest.raises(ConnectionResetError):
            await client.reader.read()


async def test_silent_upstream_is_a_504() -> None:
    """The wait for the first byte is bounded."""

    async def talk(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await origin.next_head(reader)
        await reader.read()
        gone.set()

    gone = asyncio.Event()
    bounds = UpstreamBounds(response_seconds=0.1)
    async with Origin(talk) as origin, proxy(origin.url, upstream=bounds) as gate:
        found = await gate.ask(GET)

        assert (found.status, json.loads(found.body)["code"]) == (504, "upstream_timeout")
        async with asyncio.timeout(5):
            await gone.wait()
        assert (await gate.recorded()).outcome == "upstream_timeout"


async def test_upstream_that_falls_silent_breaks_the_answer_off() -> None:
    """Every pause inside an answer is bounded too."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await origin.next_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
        await reader.read()

    bounds = UpstreamBounds(idle_seconds=0.1)
    async with Origin(talk) as origin, proxy(origin.url, upstream=bounds) as gate:
        found = await gate.ask(GET)

        assert not found.is_whole
        record = await gate.recorded()
        assert (record.status, record.outcome) == (200, "upstream_timeout")


async def test_next_target_is_asked_when_one_cannot_be_reached() -> None:
    """Nothing was sent to the dead one, so even a POST moves on; it is then left out for a while."""
    post = GET.replace(b"GET", b"POST", 1)
    async with answer(OK) as origin, proxy(nowhere(), origin.url) as gate:
        found = [await gate.ask(post) for _ in range(4)]

        assert [each.status for each in found] == [200] * 4
        assert len(origin.heads) == 4
        assert {said[3] for said in gate.observed} == {origin.url.removeprefix("http://")}


async def test_targets_take_turns() -> None:
    """Requests are spread evenly over the targets."""
    async with answer(OK) as one, answer(OK) as two, proxy(one.url, two.url) as gate:
        for _ in range(6):
            await gate.ask(GET)

        assert (len(one.heads), len(two.heads)) == (3, 3)


async def test_post_reaches_the_upstream_at_most_once() -> None:
    """A POST on which the upstream hangs up is not repeated: it may have been done."""
    async with says(b"") as origin, proxy(origin.url) as gate:
        found = await gate.ask(GET.replace(b"GET", b"POST", 1))

        assert (found.status, len(origin.heads)) == (502, 1)


async def test_get_on_a_connection_that_had_gone_stale_is_repeated() -> None:
    """An upstream may close a kept connection at any time; the caller of a GET does not notice."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await origin.next_head(reader)
        writer.write(OK)
        await origin.next_head(reader)

    async with Origin(talk) as origin, proxy(origin.url) as gate:
        assert (await gate.ask(GET)).status == 200
        found = await gate.ask(GET)

        assert (found.status, found.body) == (200, b"ok")
        assert [head.split(b"\r\n")[0] for head in origin.heads] == [b"GET /api/x HTTP/1.1"] * 3
        assert origin.heads[1] == origin.heads[2]
        await gate.recorded(2)


async def test_post_on_a_connection_that_had_gone_stale_is_not_repeated() -> None:
    """Nobody knows whether the upstream had begun to act on it: the caller is told, and decides."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await origin.next_head(reader)
        writer.write(OK)
        await origin.next_head(reader)

    async with Origin(talk) as origin, proxy(origin.url) as gate:
        assert (await gate.ask(GET)).status == 200
        found = await gate.ask(GET.replace(b"GET", b"POST", 1))

        assert (found.status, len(origin.heads)) == (502, 2)
        assert (await gate.recorded(2)).outcome == "upstream_unreachable"


async def test_no_more_connections_than_allowed() -> None:
    """The cap holds, and who waits too long for a connection is told to come back."""
    held = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await origin.next_head(reader)
        await held.wait()
        writer.write(OK)
        await writer.drain()

    bounds = UpstreamBounds(max_connections=1, connect_seconds=0.2)
    async with Origin(talk) as origin, proxy(origin.url, upstream=bounds) as gate:
        async with asyncio.TaskGroup() as group:
            first = group.create_task(gate.ask(GET))
            await eventually(lambda: len(origin.heads) == 1)
            refused = await gate.ask(GET)
            held.set()

        assert (refused.status, json.loads(refused.body)["code"]) == (503, "overloaded")
        assert int(refused.value("Retry-After")) >= 1
        assert ((await first).status, origin.connections) == (200, 1)
