"""What the tests of the proxy stand on: a lane on a real socket, upstreams made of a few lines, and raw clients."""

__all__ = ["Answer", "Client", "Door", "Origin", "Proxy", "answer", "eventually", "proxy"]

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Self

from gateway.clock import SystemClock
from gateway.core.credential import Credential
from gateway.core.keys import Account, ApiAccess, Environment, Key, KeyStatus, KeyType
from gateway.core.limits import Grant, Limit, LimitState
from gateway.core.paths import canonical
from gateway.core.places import Places
from gateway.core.record import UsageRecord
from gateway.core.refusal import Refusal, Refused
from gateway.core.routes import Route, RouteTable, parse_pattern
from gateway.core.scopes import ScopeTable
from gateway.http.bounds import ClientBounds
from gateway.http.front import Front, Judge
from gateway.http.lane import Lane
from gateway.http.listener import Manner, ProxyListener
from gateway.http.terms import LaneTerms
from gateway.pipeline.exchange import Reports
from gateway.pipeline.inquiry import Admitted, Decision, Inquiry, Waits
from gateway.pipeline.terms import Terms
from gateway.upstream.client import Upstream, UpstreamBounds

PATIENCE_SECONDS = 10.0
KEY = "good-key"
# Chosen by a fixture for each test.
IS_EXPRESS = True
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

_LIMIT = Limit("default", 1000, 60)
_ROUTE = Route("api", (parse_pattern("/api/**"),), "origin")


async def eventually(is_so: Callable[[], bool]) -> None:
    """Wait until `is_so`, and fail when it never is."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not is_so():  # noqa: ASYNC110 -- what is waited for happens in other code
            await asyncio.sleep(0.005)


def _key() -> Key:
    return Key(
        id="key_1",
        name="robot",
        account=Account("acc_1", "Example", "starter", ApiAccess.APPROVED),
        type=KeyType.SECRET,
        environment=Environment.LIVE,
        status=KeyStatus.ACTIVE,
        scopes=("all",),
        secret_id="9aB3",
        version=1,
    )


class Door:
    """Stands in for admission: one key, one route; can be made to wait."""

    def __init__(self) -> None:
        self.asked = 0
        self.opens: asyncio.Event | None = None
        self._table = RouteTable((_ROUTE,))
        terms = Terms(
            routes=self._table,
            scopes=ScopeTable({"all": ()}),
            plans={"starter": (_LIMIT,)},
            default_plan="starter",
        )
        self._known = terms.known(_key(), 0.0)

    def decide(self, inquiry: Inquiry) -> Decision:
        self.asked += 1
        if self.opens is not None:
            return Waits(lambda: self._later(inquiry))
        return self._decide(inquiry)

    async def _later(self, inquiry: Inquiry) -> Admitted | Refused:
        assert self.opens is not None
        await self.opens.wait()
        return self._decide(inquiry)

    def _decide(self, inquiry: Inquiry) -> Admitted | Refused:
        target = canonical(inquiry.target, inquiry.host)
        if isinstance(target, str):
            return Refused(Refusal.BAD_REQUEST, hint=target)
        credential = inquiry.presented.credential()
        if not isinstance(credential, Credential) or credential.token_bytes() != KEY.encode():
            return Refused(Refusal.UNKNOWN_KEY)
        key = self._known.key
        if not isinstance(self._table.match(inquiry.method, target), Route):
            return Refused(Refusal.NO_ROUTE, key=key)
        grant = Grant(True, (LimitState(_LIMIT, 940, 3.6),), 0.0)
        return Admitted(key, _ROUTE, target, grant, self._known)


@dataclass
class Proxy:
    """A running lane, and what it reported."""

    listener: ProxyListener
    lane: Lane
    door: Door
    records: list[UsageRecord] = field(default_factory=list)
    observed: list[tuple[str | None, float, float | None, str | None]] = field(default_factory=list)

    def record(self, record: UsageRecord) -> None:
        self.records.append(record)

    def observe(
        self,
        record: UsageRecord,
        key_name: str | None,
        overhead_seconds: float,
        upstream_seconds: float | None,
        target: str | None,
    ) -> None:
        assert record is self.records[-1]
        self.observed.append((key_name, overhead_seconds, upstream_seconds, target))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listener.port}"

    async def connect(self) -> "Client":
        reader, writer = await asyncio.open_connection("127.0.0.1", self.listener.port)
        return Client(reader, writer)

    async def ask(self, request: bytes) -> "Answer":
        """One request on a connection of its own."""
        async with await self.connect() as client:
            client.send(request)
            return await client.answer()

    async def recorded(self, count: int = 1) -> UsageRecord:
        """The last record, once there are `count`."""
        await eventually(lambda: len(self.records) >= count)
        assert len(self.records) == count
        return self.records[-1]


@asynccontextmanager
async def proxy(
    *targets: str,
    bounds: ClientBounds | None = None,
    upstream: UpstreamBounds | None = None,
    is_host_preserved: bool = False,
    judge: Judge | None = None,
    places: Places | None = None,
) -> AsyncIterator[Proxy]:
    """A lane on a free port, in front of `targets`; `judge` takes the place of the door."""
    origin = Upstream(
        "origin",
        targets,
        bounds=upstream or UpstreamBounds(),
        is_host_preserved=is_host_preserved,
    )
    await origin.open()
    door, ids = Door(), itertools.count()
    shell: list[Proxy] = []

    class Late:
        def record(self, record: UsageRecord) -> None:
            shell[0].record(record)

    terms = LaneTerms(
        realm="test",
        docs_url="https://docs.example",
        bounds=bounds or ClientBounds(linger_seconds=0.2),
        places=places or Places(),
        fresh_id=lambda: f"made-{next(ids)}",
    )
    reports = Reports(Late(), lambda *said: shell[0].observe(*said))  # noqa: PLW0108 -- not there yet
    lane = Lane(judge or door, {"origin": origin}, Front(terms, SystemClock(), reports))
    listener = ProxyListener(
        lane, host="127.0.0.1", port=0, manner=Manner(tick_seconds=0.02, is_express=IS_EXPRESS)
    )
    shell.append(Proxy(listener, lane, door))
    await listener.start()
    try:
        yield shell[0]
    finally:
        await listener.close()
        await origin.close()


@dataclass
class Answer:
    """An answer as it stood on the wire. `is_whole` is False when the connection broke off inside it."""

    status: int
    fields: list[tuple[str, str]]
    body: bytes
    is_whole: bool

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.fields if key.lower() == name.lower()]

    def value(self, name: str) -> str:
        (found,) = self.values(name)
        return found


class Client:
    """Sends bytes, reads answers; hides nothing."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        # Not close(): that would first wait until a proxy that reads no more had read all.
        self.writer.transport.abort()
        await asyncio.gather(self.writer.wait_closed(), return_exceptions=True)

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def head(self) -> Answer:
        """Status and fields; the body stays unread."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            raw = await self.reader.readuntil(b"\r\n\r\n")
        first, *lines = raw.decode("latin-1").rstrip("\r\n").split("\r\n")
        fields = [(name, value) for name, _, value in (line.partition(": ") for line in lines)]
        return Answer(int(first.split(" ")[1]), fields, b"", is_whole=True)

    async def answer(self, *, is_to_head: bool = False) -> Answer:
        """A whole answer, or as much of it as comes before the connection breaks."""
        found = await self.head()
        if is_to_head or found.status in {204, 304}:
            return found
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                found.body = await self._body(found)
        except (asyncio.IncompleteReadError, ConnectionError):
            found.is_whole = False
        return found

    async def is_closed(self) -> bool:
        """Whether the other side ends the connection without a further byte."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await self.reader.read(1) == b""
        except ConnectionError:
            return True

    async def _body(self, found: Answer) -> bytes:
        if found.values("Content-Length"):
            return await self.reader.readexactly(int(found.value("Content-Length")))
        if not found.values("Transfer-Encoding"):
            return await self.reader.read()
        body = b""
        while chunk := await self.chunk():
            body += chunk
        return body

    async def chunk(self) -> bytes:
        """One chunk of a chunked body."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            size = int(await self.reader.readuntil(b"\r\n"), 16)
            return (await self.reader.readexactly(size + 2))[:-2]


class Origin:
    """An upstream on a real socket that does whatever `talk` does with each connection."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.heads: list[bytes] = []
        self.connections = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.hang_up()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)

    def hang_up(self) -> None:
        """End every conversation."""
        for task in tuple(self._tasks):
            task.cancel()

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def lines(self, at: int = -1) -> list[bytes]:
        """The request line and the field lines of a request that came in."""
        return self.heads[at].split(b"\r\n")[:-2]

    async def next_head(self, reader: asyncio.StreamReader) -> bytes:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        return head

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # Also of one that was cancelled before it began.
        task.add_done_callback(lambda _: writer.close())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._talk(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            logging.getLogger(__name__).debug("the proxy closed the connection")


@asynccontextmanager
async def answer(*answers: bytes) -> AsyncIterator[Origin]:
    """An upstream that gives these answers in turn, the last one again and again, on kept connections."""
    given = itertools.chain(answers, itertools.repeat(answers[-1]))

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await origin.next_head(reader)
            await _drop_body(head, reader)
            writer.write(next(given))
            await writer.drain()

    async with Origin(talk) as origin:
        yield origin


async def _drop_body(head: bytes, reader: asyncio.StreamReader) -> None:
    lines: Sequence[bytes] = head.lower().split(b"\r\n")
    for line in lines:
        if line.startswith(b"content-length:"):
            await reader.readexactly(int(line.partition(b":")[2]))
        elif line.startswith(b"transfer-encoding:"):
            await reader.readuntil(b"0\r\n\r\n")
