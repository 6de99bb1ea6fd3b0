"""What a worker holds does not grow with what passes through it, nor with how many ask."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from tests.http.stand import Client, Origin, eventually

MEBIBYTE = 1024 * 1024
DOWNLOAD = 200 * MEBIBYTE
PIECE = bytes(65_536)
HEAD = b"Host: h\r\nAuthorization: Bearer good-key\r\n"
REQUESTS_MAX, AT_ONCE, REFUSED = 100, 50, 1000
BODY = bytes(60_000)
# All bodies would be 63 MiB. aiohttp's connections wait for Python's collector, with what they had read.
HELD_MAX = {"express": 24 * MEBIBYTE, "aiohttp": 54 * MEBIBYTE}


class Apart(NamedTuple):
    """A proxy in another process."""

    pid: int
    port: int

    @property
    def peak(self) -> int:
        """The most memory that it has had at once, in bytes."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("there is no such line")

    async def connect(self) -> Client:
        return Client(*await asyncio.open_connection("127.0.0.1", self.port))


@asynccontextmanager
async def apart(lane: str, upstream: str) -> AsyncIterator[Apart]:
    """A proxy that has served nothing yet."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.http.apart", lane, upstream, str(REQUESTS_MAX)),
        cwd=Path(__file__).parents[2],
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield Apart(process.pid, int(await process.stdout.readline()))
    finally:
        process.stdin.close()
        async with asyncio.timeout(10):
            await process.communicate()


def large() -> Origin:
    """An upstream that sends a large answer as fast as it is taken."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await origin.next_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % DOWNLOAD)
        for _ in range(DOWNLOAD // len(PIECE)):
            writer.write(PIECE)
            await writer.drain()

    origin = Origin(talk)
    return origin


async def test_large_download_through_a_slow_reader(lane: str) -> None:
    """200 MiB to a client that pauses again and again: every byte arrives, and hardly any is held."""
    async with large() as origin, apart(lane, origin.url) as gate, await gate.connect() as client:
        before = gate.peak
        client.send(b"GET /api/x HTTP/1.1\r\n" + HEAD + b"\r\n")
        await client.head()
        left, until_pause = DOWNLOAD, 8 * MEBIBYTE
        while left:
            data = await client.reader.read(MEBIBYTE)
            assert data
            left -= len(data)
            until_pause -= len(data)
            if until_pause <= 0:
                until_pause = 8 * MEBIBYTE
                await asyncio.sleep(0.03)  # what a slow reader is

        assert gate.peak - before < 16 * MEBIBYTE


async def test_many_clients_before_an_upstream_that_hangs(lane: str) -> None:
    """Ten times as many uploads as may be under way cost hardly more memory than those that may."""
    held = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await origin.next_head(reader)
        await reader.readexactly(len(BODY))
        await held.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        await writer.drain()

    upload = b"POST /api/x HTTP/1.1\r\n" + HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY

    async def ask(gate: Apart) -> int:
        async with await gate.connect() as client:
            client.send(upload)
            return (await client.answer()).status

    async def ask_in_turn(gate: Apart) -> set[int]:
        return {await ask(gate) for _ in range(REFUSED // AT_ONCE)}

    async with Origin(talk) as origin, apart(lane, origin.url) as gate:
        before = gate.peak
        async with asyncio.TaskGroup() as group:
            admitted = [group.create_task(ask(gate)) for _ in range(REQUESTS_MAX)]
            await eventually(lambda: len(origin.heads) == REQUESTS_MAX)
            others = [group.create_task(ask_in_turn(gate)) for _ in range(AT_ONCE)]
            refused = [await each for each in others]
            held.set()

        assert refused == [{503}] * AT_ONCE
        assert [await each for each in admitted] == [200] * REQUESTS_MAX
        assert gate.peak - before < HELD_MAX[lane]
