"""One client connection: aiohttp's request handler, with deadlines and an end that does not lose the answer."""

__all__ = ["RESET_ON_CLOSE", "Connection", "ConnectionOwner", "Connections"]

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Protocol

from aiohttp import web
from aiohttp.web_protocol import RequestPayloadError

from gateway.core.refusal import Refusal
from gateway.http.bounds import ClientBounds

RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class ConnectionOwner(Protocol):
    """Who answers what never became a request."""

    @property
    def is_draining(self) -> bool:
        """Whether no connection is to be kept any longer."""
        ...

    def refuse_raw(self, connection: "Connection", reason: Refusal) -> None:
        """Write the answer to a request whose head could not be read, and record it."""
        ...

    def failed(
        self, connection: "Connection", request: web.BaseRequest, error: BaseException | None
    ) -> web.StreamResponse:
        """Answer a request that aiohttp could not parse (`error` says how), or on which our own code failed."""
        ...


class Connection(web.RequestHandler):
    """Watches the clock for whatever it waits for; `check` is called for all connections by one timer.

    A request's handler arms `watch` (for the upstream) and `watch_body` (for the client) before it waits. When
    time is up its task is cancelled, and `expired` says why: that costs two attribute writes where a time-out
    context would cost microseconds and a timer each.
    """

    __slots__ = (
        "_body_due",
        "_due",
        "_due_reason",
        "_head_bytes",
        "_head_since",
        "_is_deaf",
        "_linger_until",
        "_lingering",
        "_stalled_bytes",
        "_stalled_since",
        "_wire",
        "address",
        "bounds",
        "call",
        "expired",
        "head_bytes_at_most",
        "is_trusted",
        "owner",
        "peer",
        "task",
        "unparsed_bytes",
    )

    def __init__(
        self,
        manager: web.Server,
        *,
        loop: asyncio.AbstractEventLoop,
        owner: ConnectionOwner,
        bounds: ClientBounds,
    ) -> None:
        """`owner` writes what is said outside of a request."""
        super().__init__(
            manager,
            loop=loop,
            access_log=None,  # type: ignore[arg-type]
            auto_decompress=False,
            keepalive_timeout=bounds.keepalive_seconds,
            lingering_time=0,
            max_field_size=min(bounds.header_bytes, 65_536),
            max_headers=bounds.fields,
            # One apart from the field size: the parser's error tells them apart by the limit alone.
            max_line_size=bounds.target_bytes,
            read_bufsize=bounds.read_bytes,
        )
        self.owner = owner
        self.bounds = bounds
        self._due = 0.0
        self._due_reason = Refusal.UPSTREAM_TIMEOUT
        self._body_due = 0.0
        self._head_since = 0.0
        self._head_bytes = 0
        self.unparsed_bytes = 0
        # Of the last head that was read: it cannot have been longer than all that came since the one before.
        self.head_bytes_at_most = 0
        self._is_deaf = False
        self._linger_until = 0.0
        self._lingering: asyncio.Future[None] | None = None
        self._stalled_since = 0.0
        self._stalled_bytes = 0
        # As `transport`, which aiohttp forgets when it closes: but that takes until the client has read all.
        self._wire: asyncio.Transport | None = None
        self.expired: Refusal | None = None
        self.task: asyncio.Task[object] | None = None
        # Of whoever handles requests here; the connection only keeps it.
        self.call: object = None
        self.peer = ""
        self.address = ""
        self.is_trusted = False

    @property
    def is_idle(self) -> bool:
        """Whether it waits for the head of a request, and for nothing else."""
        waiter = self._waiter
        return waiter is not None and not waiter.done() and not self._is_deaf

    def now(self) -> float:
        """The loop's monotonic seconds, by which deadlines are kept."""
        return self._loop.time()

    def current_task(self) -> asyncio.Task[object] | None:
        """The task that runs just now. The loop is named: finding it is a system call on CPython 3.11."""
        return asyncio.current_task(self._loop)

    def watch(self, seconds: float, reason: Refusal) -> None:
        """Cancel the handler's task in `seconds` because of `reason`, unless told otherwise before."""
        self._due = self._loop.time() + seconds
        self._due_reason = reason

    def unwatch(self) -> None:
        """What was waited for has come."""
        self._due = 0.0

    def watch_body(self, seconds: float) -> None:
        """As `watch`, for the client: REQUEST_TIMEOUT."""
        self._body_due = self._loop.time() + seconds

    def unwatch_body(self) -> None:
        """The client has moved."""
        self._body_due = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._wire = self.transport
        peer = transport.get_extra_info("peername")
        self.peer = str(peer[0]) if isinstance(peer, tuple) else ""
        self._head_since = self._loop.time()

    def data_received(self, data: bytes) -> None:
        """Parse, unless the connection is on its way out; notice heads that dribble, and bodies that break."""
        if self._is_deaf:
            return
        count = self._request_count
        super().data_received(data)
        self.unparsed_bytes += len(data)
        if self._request_count == count:
            if data and self.is_idle and self.transport is not None:
                self._head_grew(len(data))
            return
        self._head_since = 0.0
        self._head_bytes = 0
        self.head_bytes_at_most = self.unparsed_bytes
        self.unparsed_bytes = 0
        request = self._current_request
        # While a body is incomplete no further request can begin: what was queued is a parser's error.
        if request is not None and not request.content.is_eof():
            request.content.set_exception(RequestPayloadError())

    def connection_lost(self, exc: BaseException | None) -> None:
        """Let go of whoever waits for the end."""
        super().connection_lost(exc)
        self._wire = None
        self._release()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer in our own words: aiohttp's own would repeat the request, credential and all."""
        return self.owner.failed(self, request, exc)

    def check(self, now: float) -> None:
        """Act on what is overdue."""
        if self._linger_until:
            if now >= self._linger_until:
                self._release()
        elif (self._due and now >= self._due) or (self._body_due and now >= self._body_due):
            self._expire(
                self._due_reason if self._due and now >= self._due else Refusal.REQUEST_TIMEOUT
            )
        elif self._head_since and now - self._head_since >= self.bounds.header_seconds:
            self._head_late()
        elif self.writing_paused or (self._wire is not None and self._wire.is_closing()):
            # A connection that closes waits for its client, too: to read what was written.
            self._check_stalled(now)
        else:
            self._stalled_since = 0.0

    async def wait_lingering(self) -> None:
        """Close our half and drop what still comes, until the client closes too or has had its time."""
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        self._go_deaf(transport)
        self._lingering = self._loop.create_future()
        await self._lingering

    def cut(self) -> None:
        """The same outside of a request: the timer ends it."""
        if self.transport is not None:
            self._go_deaf(self.transport)

    def abort(self) -> None:
        """Break the connection off so that nobody takes what was sent for a whole answer."""
        transport = self._wire
        if transport is None:
            return
        raw = transport.get_extra_info("socket")
        if raw is not None:
            # A plain close ends the stream in order, which is how a body without a length ends well.
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self._force_close = True
        transport.abort()

    def _go_deaf(self, transport: asyncio.Transport) -> None:
        self._is_deaf = True
        self._linger_until = self._loop.time() + self.bounds.linger_seconds
        self.unwatch()
        self.unwatch_body()
        if transport.can_write_eof():
            transport.write_eof()
        if self._reading_paused or self._buffer_paused:
            transport.resume_reading()

    def _release(self) -> None:
        if self._lingering is None:
            if self._linger_until:
                self.force_close()
        elif not self._lingering.done():
            self._lingering.set_result(None)

    def _expire(self, reason: Refusal) -> None:
        self.unwatch()
        self.unwatch_body()
        if self.task is not None:
            self.expired = reason
            self.task.cancel()

    def _head_grew(self, count: int) -> None:
        if not self._head_since:
            self._head_since = self._loop.time()
        self._head_bytes += count
        if self._head_bytes > self.bounds.header_bytes + self.bounds.target_bytes:
            self.owner.refuse_raw(self, Refusal.HEADERS_TOO_LARGE)

    def _head_late(self) -> None:
        self._head_since = 0.0
        if self._head_bytes:
            self.owner.refuse_raw(self, Refusal.REQUEST_TIMEOUT)
        else:
            self.force_close()

    def _check_stalled(self, now: float) -> None:
        waiting = 0 if self._wire is None else self._wire.get_write_buffer_size()
        if not self._stalled_since or waiting != self._stalled_bytes:
            self._stalled_since, self._stalled_bytes = now, waiting
        elif now - self._stalled_since >= self.bounds.body_idle_seconds:
            self.abort()


class Connections(web.Server):
    """Every client connection of one listener."""

    def __init__(
        self,
        handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        owner: ConnectionOwner,
        bounds: ClientBounds,
    ) -> None:
        """Within the running loop. A client that goes away cancels the handler of its request."""
        super().__init__(handler, handler_cancellation=True)
        self._owner = owner
        self.bounds = bounds

    def __call__(self) -> web.RequestHandler:
        """A protocol for a connection that was just accepted."""
        return Connection(self, loop=self._loop, owner=self._owner, bounds=self.bounds)

    def check(self, now: float) -> None:
        """Act on whatever is overdue on any connection."""
        for connection in self.connections:
            if isinstance(connection, Connection):
                connection.check(now)
