"""Connections to one upstream that are driven by callbacks: no task, no future for a request that finds one idle.

Reference for what is right is the aiohttp lane (`client.py`): targets, bounds, what a failure means and what
may be tried again are the same. A connection has one receiver at a time, who is told of the answer as it comes.
"""

__all__ = ["AnswerHead", "Receiver", "UpstreamConnection", "UpstreamPool"]

import asyncio
import ssl
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Protocol, cast

from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpResponseParser
from aiohttp.streams import StreamReader

from gateway.core.refusal import Refusal
from gateway.core.retry import Failure
from gateway.upstream.bounds import UpstreamBounds, UpstreamError
from gateway.upstream.targets import Target, Targets

_LINE_BYTES_MAX = 16_384
_FIELDS_MAX = 256
# More than one read can bring: what comes is taken out at once, and the parser must never pause itself.
_READ_BYTES = 4 * 1024 * 1024
_FINAL = 200
_HEAD_END = b"\r\n\r\n"
_SWITCHING = 101


class AnswerHead(Protocol):
    """The head of an answer, as aiohttp's parser has it."""

    @property
    def code(self) -> int:
        """The status."""
        ...

    @property
    def raw_headers(self) -> Sequence[tuple[bytes, bytes]]:
        """The fields as they came."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The same, for looking up."""
        ...

    @property
    def should_close(self) -> bool:
        """Whether the connection ends with this answer."""
        ...


class Receiver(Protocol):
    """Who waits for an answer. Each call is made from the event loop; none may wait."""

    def connected(self, connection: "UpstreamConnection") -> None:
        """Here is a connection: send, and be told of the answer."""
        ...

    def unreachable(self, error: UpstreamError) -> None:
        """There is no connection to be had."""
        ...

    def answer_began(self, message: AnswerHead, body: bytes, *, is_whole: bool) -> None:
        """The head of the answer, and as much of its body as came with it."""
        ...

    def answer_goes_on(self, body: bytes, *, is_last: bool) -> None:
        """More of it."""
        ...

    def answer_failed(self, failure: Failure, reason: Refusal) -> None:
        """NOT_ANSWERED: not a byte of it came. BROKEN_ANSWER: it broke off, or is not HTTP; `reason` tells which."""
        ...


class UpstreamConnection(BaseProtocol):
    """One connection to one target."""

    __slots__ = (
        "_is_sized",
        "_parses",
        "_payload",
        "_pool",
        "_receiver",
        "_wants_close",
        "has_answered",
        "idle_since",
        "target",
    )

    def __init__(
        self, loop: asyncio.AbstractEventLoop, pool: "UpstreamPool", target: Target
    ) -> None:
        """For `target`; it goes back to `pool` when an answer is whole."""
        super().__init__(loop)
        self.target = target
        self.idle_since = 0.0
        self.has_answered = False
        self._pool = pool
        self._receiver: Receiver | None = None
        self._payload: StreamReader | None = None
        self._wants_close = False
        self._is_sized = False
        self._parses: HttpResponseParser | None = None

    def send(self, receiver: Receiver, data: bytes, *, is_head: bool) -> None:
        """Send a whole request; `is_head` says that its answer has no body."""
        self._receiver = receiver
        self.has_answered = False
        # A new one each time: what an upstream sent beyond its last answer is no part of the next.
        self._parses = self._parser_for(is_with_body=not is_head)
        cast("asyncio.Transport", self.transport).write(data)

    def abandon(self) -> None:
        """Whoever waited has gone, or will not read the rest."""
        self._receiver = None
        self.close()

    def close(self) -> None:
        """End it at once."""
        if self.transport is not None:
            self.transport.abort()

    def hold(self) -> None:
        """Read no more until `go_on`: the receiver has more than it can pass on."""
        self._pause_transport_reading()

    def go_on(self) -> None:
        """Read again."""
        self._resume_transport_reading()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected."""
        super().connection_made(transport)
        self._pool.opened(self)

    def data_received(self, data: bytes) -> None:
        """Part of an answer; or what nobody asked for, which ends the connection."""
        receiver, parser = self._receiver, self._parses
        if receiver is None or parser is None:
            self.close()
            return
        try:
            messages, _, tail = parser.feed_data(data)
        except (HttpProcessingError, ValueError):
            self._fail(Failure.BROKEN_ANSWER, Refusal.UPSTREAM_INVALID)
            return
        self.has_answered = True
        if not messages and self._payload is not None:
            self._tell_more(receiver, self._payload, data)
            return
        for message, payload in messages:
            if message.code < _FINAL and message.code != _SWITCHING:
                continue
            if self._payload is not None or message.code == _SWITCHING:
                # A second answer to one question, or a protocol that nobody asked for.
                self._fail(Failure.BROKEN_ANSWER, Refusal.UPSTREAM_INVALID)
                return
            self._payload = payload
            is_last = message is messages[-1][0] and not tail
            self._wants_close = message.should_close or not is_last
            self._tell_first(receiver, message, payload, data)
            return

    def connection_lost(self, exc: BaseException | None) -> None:
        """The end: of the answer, if it was to be read until then, or before it."""
        super().connection_lost(exc)
        self._pool.closed(self)
        receiver, payload = self._receiver, self._payload
        if receiver is None:
            return
        if payload is None:
            self._fail(Failure.BROKEN_ANSWER if self.has_answered else Failure.NOT_ANSWERED)
            return
        try:
            if self._parses is not None:
                self._parses.feed_eof()
        except HttpProcessingError:
            self._fail(Failure.BROKEN_ANSWER)
            return
        if exc is not None or not payload.is_eof():
            self._fail(Failure.BROKEN_ANSWER)
            return
        self._receiver = self._payload = None
        receiver.answer_goes_on(payload.read_nowait(), is_last=True)

    def resume_reading(self, resume_parser: bool = True) -> None:  # noqa: FBT001, FBT002 -- aiohttp's own shape
        """The parser calls this at the end of each body; reading is held by `hold` alone."""

    def _parser_for(self, *, is_with_body: bool) -> HttpResponseParser:
        return HttpResponseParser(
            self,
            self._loop,
            _READ_BYTES,
            max_line_size=_LINE_BYTES_MAX,
            max_headers=_FIELDS_MAX,
            max_field_size=_LINE_BYTES_MAX,
            response_with_body=is_with_body,
            read_until_eof=True,
            auto_decompress=False,
        )

    def _tell_first(
        self, receiver: Receiver, message: AnswerHead, payload: StreamReader, data: bytes
    ) -> None:
        if payload.exception() is not None:
            self._fail(Failure.BROKEN_ANSWER)
            return
        body = payload.read_nowait()
        self._is_sized = "Content-Length" in message.headers
        is_whole = payload.is_eof()
        if is_whole:
            self._finish(is_clean=data.endswith(_HEAD_END + body if self._is_sized else _HEAD_END))
        receiver.answer_began(message, body, is_whole=is_whole)

    def _tell_more(self, receiver: Receiver, payload: StreamReader, data: bytes) -> None:
        if payload.exception() is not None:
            self._fail(Failure.BROKEN_ANSWER)
            return
        body = payload.read_nowait()
        is_last = payload.is_eof()
        if is_last:
            self._finish(is_clean=data.endswith(body if self._is_sized else _HEAD_END))
        if body or is_last:
            receiver.answer_goes_on(body, is_last=is_last)

    def _finish(self, *, is_clean: bool) -> None:
        """The answer is whole. Before the receiver hears of it, so that its next request finds this idle.

        Without `is_clean` something came behind it, or its head came in pieces, which is not worth telling apart.
        """
        self._receiver = self._payload = None
        if self._wants_close or not is_clean:
            self.close()
        else:
            self._pool.released(self)

    def _fail(self, failure: Failure, reason: Refusal = Refusal.UPSTREAM_UNREACHABLE) -> None:
        receiver, self._receiver = self._receiver, None
        self.close()
        if receiver is not None:
            receiver.answer_failed(failure, reason)


class UpstreamPool:
    """The idle connections of one upstream, and those who wait for one."""

    def __init__(self, name: str, targets: Targets, bounds: UpstreamBounds) -> None:
        """`targets` are shared with the aiohttp lane: both know which of them rest."""
        self.name = name
        self._targets = targets
        self._bounds = bounds
        self._idle: dict[Target, deque[UpstreamConnection]] = {}
        self._open: set[UpstreamConnection] = set()
        self._connecting: dict[Receiver, asyncio.Task[None]] = {}
        self._waiting: deque[tuple[float, Receiver]] = deque()
        self._loop = asyncio.get_running_loop()
        self._tls: ssl.SSLContext | None = None
        self._is_closed = False

    def ask(self, receiver: Receiver, *, is_fresh: bool = False) -> None:
        """Give `receiver` a connection: now if one is idle, else as soon as there is one.

        With `is_fresh` none that has been used before: an idle one may have been closed by the other end.
        """
        now = self._loop.time()
        target = self._targets.pick(now)
        idle = None if target is None or is_fresh else self._take_idle(target, now)
        if idle is not None:
            receiver.connected(idle)
        elif len(self._open) + len(self._connecting) < self._bounds.max_connections:
            # Owned by the pool, which cancels it when it closes or when the receiver has gone.
            self._connecting[receiver] = self._loop.create_task(self._connect(receiver, target))
        else:
            self._waiting.append((now + self._bounds.connect_seconds, receiver))

    def forget(self, receiver: Receiver) -> None:
        """Whoever waits for a connection wants none any more."""
        task = self._connecting.pop(receiver, None)
        if task is not None:
            task.cancel()
        self._waiting = deque(one for one in self._waiting if one[1] is not receiver)

    def check(self, now: float) -> None:
        """Close what has been idle for too long, and refuse who has waited for too long; called by a timer."""
        for idle in self._idle.values():
            while idle and now - idle[0].idle_since >= self._bounds.keepalive_seconds:
                idle.popleft().close()
        while self._waiting and now >= self._waiting[0][0]:
            _, receiver = self._waiting.popleft()
            receiver.unreachable(
                UpstreamError(Refusal.OVERLOADED, "all connections in use", self.name)
            )

    async def close(self) -> None:
        """Close every connection, and whatever is being connected."""
        self._is_closed = True
        tasks = tuple(self._connecting.values())
        for task in tasks:
            task.cancel()
        _ = await asyncio.gather(*tasks, return_exceptions=True)
        for connection in tuple(self._open):
            connection.close()

    def opened(self, connection: UpstreamConnection) -> None:
        """It is there."""
        self._open.add(connection)

    def released(self, connection: UpstreamConnection) -> None:
        """Its answer is whole: the next one may have it."""
        if self._is_closed:
            connection.close()
            return
        if self._waiting:
            _, receiver = self._waiting.popleft()
            receiver.connected(connection)
            return
        connection.idle_since = self._loop.time()
        self._idle.setdefault(connection.target, deque()).append(connection)

    def closed(self, connection: UpstreamConnection) -> None:
        """It has gone; there is room for another."""
        self._open.discard(connection)
        idle = self._idle.get(connection.target)
        if idle is not None and connection in idle:
            idle.remove(connection)
        if self._waiting and not self._is_closed:
            _, receiver = self._waiting.popleft()
            self.ask(receiver, is_fresh=True)

    def _take_idle(self, target: Target, now: float) -> UpstreamConnection | None:
        """The one used last: the others may then grow old, and be closed."""
        idle = self._idle.get(target)
        while idle:
            connection = idle.pop()
            is_young = now - connection.idle_since < self._bounds.keepalive_seconds
            if (
                is_young
                and connection.transport is not None
                and not connection.transport.is_closing()
            ):
                return connection
            connection.close()
        return None

    async def _connect(self, receiver: Receiver, first: Target | None) -> None:
        """Connect to `first`, or to another target if that cannot be had."""
        tried: list[Target] = []
        target = first
        error = UpstreamError(Refusal.UPSTREAM_UNREACHABLE, "no target", self.name)
        while target is not None and len(tried) < len(self._targets):
            try:
                connection = await self._connect_to(target)
            except TimeoutError:
                error = UpstreamError(Refusal.UPSTREAM_TIMEOUT, "connecting", target.name)
            except OSError as exc:
                error = UpstreamError(Refusal.UPSTREAM_UNREACHABLE, type(exc).__name__, target.name)
            else:
                self._targets.reached(target)
                self._connecting.pop(receiver, None)
                receiver.connected(connection)
                return
            self._targets.rest(target, self._loop.time())
            tried.append(target)
            target = self._targets.pick(self._loop.time(), tried)
        self._connecting.pop(receiver, None)
        receiver.unreachable(error)

    async def _connect_to(self, target: Target) -> UpstreamConnection:
        url = target.url
        is_tls = url.scheme == "https"
        if is_tls and self._tls is None:
            self._tls = ssl.create_default_context()
        async with asyncio.timeout(self._bounds.connect_seconds):
            _, connection = await self._loop.create_connection(
                lambda: UpstreamConnection(self._loop, self, target),
                url.host or "",
                url.port or 0,
                ssl=self._tls if is_tls else None,
                server_hostname=url.host if is_tls else None,
            )
        return connection
