"""Clients that use a key as fast as they can and note when: in this process or in one of their own.

As a process: `python -m tests.end_to_end.load PORT SECRET BEGIN END CALLERS` calls from BEGIN to END
(seconds of the monotonic clock, which all processes of a machine share) and prints its uses as JSON.
"""

__all__ = ["Caller", "Use", "Users", "admitted", "at_one_instant", "check_rate", "using"]

import asyncio
import contextlib
import json
import math
import sys
import time
from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple, Self

PATIENCE_SECONDS = 30.0
_PAUSE_SECONDS = 0.002
# A gateway that drains closes what is idle after half a second.
_STALE_SECONDS = 0.25


class Use(NamedTuple):
    """One request: its status (0: no answer came), and when it was sent and answered, monotonic seconds."""

    status: int
    sent: float
    ended: float


class Caller:
    """One kept connection to a gateway."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._used_at = math.inf

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._leave()

    async def connect(self) -> None:
        """Beforehand, so that the first request finds it done."""
        self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        self._used_at = math.inf

    async def use(self, secret: str, target: str = "/pub/x") -> Use:
        """GET; a connection that breaks is a status of 0, and the next use has another.

        One that was not used for a while is not used again, as careful clients do: this process may have stood still.
        """
        sent = time.monotonic()
        if sent - self._used_at > _STALE_SECONDS:
            await self._leave()
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                status = await self._ask(secret, target)
        except (OSError, asyncio.IncompleteReadError):
            status = 0
            await self._leave()
        self._used_at = time.monotonic()
        return Use(status, sent, self._used_at)

    async def _ask(self, secret: str, target: str) -> int:
        if self._streams is None:
            await self.connect()
        assert self._streams is not None
        self._streams[1].write(_head(secret, target))
        status, is_kept = await self._answer(self._streams[0])
        if not is_kept:
            await self._leave()
        return status

    async def pipeline(self, secret: str, count: int) -> list[int]:
        """The statuses of that many requests, all written before any answer is read."""
        await self.connect()
        assert self._streams is not None
        reader, writer = self._streams
        writer.write(_head(secret, "/pub/x") * count)
        async with asyncio.timeout(PATIENCE_SECONDS):
            return [(await self._answer(reader))[0] for _ in range(count)]

    @staticmethod
    async def _answer(reader: asyncio.StreamReader) -> tuple[int, bool]:
        """The status, and whether the connection may be used again."""
        answer = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = answer.partition(b"content-length:")[2].partition(b"\r\n")[0]
        await reader.readexactly(int(length))
        return int(answer[9:12]), b"\r\nconnection: close\r\n" not in answer

    async def _leave(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            with contextlib.suppress(OSError):
                await self._streams[1].wait_closed()
            self._streams = None


def _head(secret: str, target: str) -> bytes:
    head = f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {secret}\r\n\r\n"
    return head.encode()


class Users:
    """Callers at work; `uses` grows as they go on."""

    def __init__(self, ports: Sequence[int], secrets: Sequence[str]) -> None:
        self.uses: list[tuple[int, str, Use]] = []
        self._secrets = secrets
        self._ports = ports
        self.is_over = False

    async def call(self, port: int, first: int, pause_seconds: float) -> None:
        """Use the keys in turn over one connection until it is over."""
        async with Caller(port) as caller:
            turn = first
            while not self.is_over:
                secret = self._secrets[turn % len(self._secrets)]
                self.uses.append((port, secret, await caller.use(secret)))
                turn += 1
                await asyncio.sleep(pause_seconds)

    def of(self, secret: str) -> list[Use]:
        """The uses of one key."""
        return [use for _, used, use in self.uses if used == secret]

    async def goes_on(self, count: int) -> None:
        """Return when that many more requests have been sent and answered on each gateway."""
        began, marks = time.monotonic(), len(self.uses)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while any(self._since(marks, began, port) < count for port in self._ports):  # noqa: ASYNC110 -- grows by what others do
                await asyncio.sleep(0.005)

    def _since(self, mark: int, began: float, port: int) -> int:
        return sum(at == port and use.sent > began for at, _, use in self.uses[mark:])


@contextlib.asynccontextmanager
async def using(
    ports: Sequence[int], secrets: Sequence[str], *, callers: int = 4, pause_seconds: float = 0.002
) -> AsyncIterator[Users]:
    """`callers` connections to each gateway use all keys in turn for as long as the block lasts."""
    users = Users(ports, secrets)
    async with asyncio.TaskGroup() as group:
        for number, port in enumerate(list(ports) * callers):
            group.create_task(users.call(port, number, pause_seconds))
        try:
            yield users
        finally:
            users.is_over = True


async def at_one_instant(ports: Sequence[int], secret: str, count: int) -> list[Use]:
    """`count` requests, each on a connection of its own that is open already, dealt out to the gateways."""
    callers = [Caller(ports[number % len(ports)]) for number in range(count)]
    async with contextlib.AsyncExitStack() as stack:
        for caller in callers:
            await stack.enter_async_context(caller)
            await caller.connect()
        return await asyncio.gather(*(caller.use(secret) for caller in callers))


def admitted(uses: Sequence[Use]) -> list[Use]:
    """Those that were let through, in the order of sending."""
    return sorted((use for use in uses if use.status == 200), key=lambda use: use.sent)


def check_rate(uses: Sequence[Use], quota: int, rate: float) -> None:
    """In every interval at most quota + rate x its length + 1 were admitted, `rate` in requests a second.

    An admission happened somewhere between sending and answer, so an interval is taken as long as
    it can have been.
    """
    passed = admitted(uses)
    for first, begin in enumerate(passed):
        ended = -math.inf
        for count, use in enumerate(passed[first:], 1):
            ended = max(ended, use.ended)
            most = quota + rate * (ended - begin.sent) + 1
            assert count <= most, f"{count} in {ended - begin.sent:.3f} s, at most {most:.2f}"


async def _hammer(port: int, secret: str, begin: float, end: float, callers: int) -> list[Use]:
    uses: list[Use] = []

    async def call() -> None:
        async with Caller(port) as caller:
            await caller.connect()
            await asyncio.sleep(begin - time.monotonic())
            while time.monotonic() < end:
                use = await caller.use(secret)
                uses.append(use)
                if use.status != 200:
                    await asyncio.sleep(_PAUSE_SECONDS)

    await asyncio.gather(*(call() for _ in range(callers)))
    return uses


if __name__ == "__main__":
    _, port_text, secret_text, begin_text, end_text, callers_text = sys.argv
    found = asyncio.run(
        _hammer(int(port_text), secret_text, float(begin_text), float(end_text), int(callers_text))
    )
    sys.stdout.write(json.dumps(found))
