"""The two kinds of clients of a benchmark: one key in steady use, and many keys used once."""

__all__ = ["HotClient", "hot_client", "use_each"]

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection

import uvloop

from bench.stage import HOST, SPAWN, progress


def _request(text: str) -> bytes:
    head = f"GET /v1/things?page=2 HTTP/1.1\r\nHost: {HOST}\r\nAccept: */*\r\n"
    return f"{head}User-Agent: warm\r\nAuthorization: Bearer {text}\r\n\r\n".encode()


class HotClient:
    """One key in steady use, by a process that does nothing else."""

    def __init__(self, pipe: Connection) -> None:
        """`pipe` leads to `_use_steadily`."""
        self._pipe = pipe
        self.failures = 0

    def begin(self) -> None:
        """Start to send and to measure."""
        self._pipe.send("begin")

    def end(self) -> list[float]:
        """Stop; the seconds that each request took."""
        self._pipe.send("end")
        seconds, failures = self._pipe.recv()
        self.failures += failures
        return list(seconds)

    def watch(self, for_seconds: float) -> list[float]:
        """Measure for so long."""
        self.begin()
        time.sleep(for_seconds)
        return self.end()


@contextlib.contextmanager
def hot_client(port: int, text: str, rate: int) -> Iterator[HotClient]:
    mine, its = SPAWN.Pipe()
    process = SPAWN.Process(target=_use_steadily, args=(its, port, text, rate), daemon=True)
    process.start()
    try:
        yield HotClient(mine)
    finally:
        process.terminate()
        process.join()


def _use_steadily(pipe: Connection, port: int, text: str, rate: int) -> None:
    with contextlib.suppress(PermissionError):
        # It must not be late because the other clients are busy on its processor.
        os.setpriority(os.PRIO_PROCESS, 0, -10)
    request = _request(text)
    with socket.create_connection((HOST, port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            pipe.recv()
            measured = _use_until_told(pipe, connection, request, 1 / rate)
            pipe.recv()
            pipe.send(measured)


def _use_until_told(
    pipe: Connection, connection: socket.socket, request: bytes, every_seconds: float
) -> tuple[list[float], int]:
    seconds: list[float] = []
    failures = 0
    due = time.perf_counter()
    while not pipe.poll():
        # Late because the last answer was late: that counts. Overslept by itself: it does not.
        began = due
        if time.perf_counter() < due:
            time.sleep(max(0.0, due - time.perf_counter()))
            began = time.perf_counter()
        failures += _ask(connection, request) != 200
        seconds.append(time.perf_counter() - began)
        due += every_seconds
    return seconds, failures


def _ask(connection: socket.socket, request: bytes) -> int:
    connection.sendall(request)
    answer = b""
    while not _is_whole(answer):
        more = connection.recv(65536)
        if not more:
            raise ConnectionError("the gateway closed the hot client's connection")
        answer += more
    return int(answer[9:12])


def _is_whole(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    if not end:
        return False
    length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
    return len(body) >= int(length)


def use_each(tokens: Sequence[str], port: int, at_once: int, what: str) -> tuple[float, int]:
    """Use every key once; how long that took, and how often a 503 had to be asked again."""
    with progress(what, len(tokens)) as advance:
        return uvloop.run(_use_all(tokens, port, at_once, advance))


async def _use_all(
    tokens: Sequence[str], port: int, at_once: int, advance: Callable[[], None]
) -> tuple[float, int]:
    waiting = iter(tokens)
    retried = 0

    async def caller() -> None:
        nonlocal retried
        reader, writer = await asyncio.open_connection(HOST, port)
        for text in waiting:
            while (status := await _ask_async(reader, writer, _request(text))) == 503:
                retried += 1
                await asyncio.sleep(0.1)
            if status != 200:
                raise SystemExit(f"a good key was answered {status}")
            advance()
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(at_once)))
    return time.perf_counter() - began, retried


async def _ask_async(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
) -> int:
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
    await reader.readexactly(int(length))
    return int(head[9:12])
