"""One request on one connection, as the stages of the lane hand it on."""

__all__ = ["CLOSE", "CLOSED", "KEPT", "Call", "ClientGone", "Lingering"]

import asyncio
from collections.abc import Callable, Sequence

from aiohttp import HttpVersion11, web

from gateway.core.refusal import Refusal, Refused
from gateway.http.connection import Connection
from gateway.pipeline.exchange import Exchange

CLOSE = b"Connection: close\r\n"
_KEEP_OLD = b"Connection: keep-alive\r\n"


class ClientGone(Exception):
    """There is nobody left to answer."""


class _Written(web.StreamResponse):
    """Tells aiohttp that the answer has been written already, and whether the connection lives on."""

    def __init__(self, *, keep_alive: bool) -> None:
        super().__init__()
        self._eof_sent = True
        self._keep_alive = keep_alive


class Lingering(web.StreamResponse):
    """As CLOSED, for a client that may still be sending: closing at once could cost it the answer."""

    def __init__(self, connection: Connection) -> None:
        """The connection that is to end."""
        super().__init__()
        self._eof_sent = True
        self._keep_alive = False
        self._connection = connection

    async def write_eof(self, data: bytes = b"") -> None:
        """Wait until the client has closed, or has had its time."""
        await self._connection.wait_lingering()


KEPT = _Written(keep_alive=True)
CLOSED = _Written(keep_alive=False)


class Call:
    """The request, its connection, and what is known of it."""

    __slots__ = (
        "_record",
        "connection",
        "exchange",
        "is_body_taken",
        "is_head_sent",
        "is_recorded",
        "is_upgrade",
        "keeps_alive",
        "request",
        "wants_continue",
    )

    def __init__(
        self,
        request: web.BaseRequest,
        connection: Connection,
        exchange: Exchange,
        record: Callable[[Exchange], None],
        *,
        keeps_alive: bool,
    ) -> None:
        """`record` takes the exchange when it has ended.

        `keeps_alive` says whether the connection may serve a further request after this one.
        """
        self.request = request
        self.connection = connection
        self.exchange = exchange
        self.keeps_alive = keeps_alive
        self._record = record
        self.is_recorded = False
        self.is_head_sent = False
        self.is_body_taken = False
        self.is_upgrade = False
        self.wants_continue = False
        connection.call = self

    @staticmethod
    def of(request: web.BaseRequest) -> "Call | None":
        """The call that was opened for this request, if that far was come."""
        connection = request.protocol
        call = connection.call if isinstance(connection, Connection) else None
        return call if isinstance(call, Call) and call.request is request else None

    def values(self, name: str) -> Sequence[str]:
        """The values of a field, in the order received."""
        return self.request.headers.getall(name, ())

    @property
    def framing(self) -> bytes:
        """The Connection field that the answer needs."""
        if self.connection.owner.is_draining:
            self.keeps_alive = False
        if not self.keeps_alive:
            return CLOSE
        return b"" if self.request.version >= HttpVersion11 else _KEEP_OLD

    @property
    def content_length(self) -> int | None:
        """What the client declared; the parser has seen to it that it is a number, and only one."""
        declared = self.request.headers.get("Content-Length")
        return None if declared is None else int(declared)

    def write(self, data: bytes) -> None:
        """Send to the client. Raises ClientGone."""
        transport = self.connection.transport
        if transport is None or transport.is_closing():
            raise ClientGone
        transport.write(data)

    def write_last(self, data: bytes) -> None:
        """Record the request, and only then send the last of its answer. Raises ClientGone."""
        self.record()
        self.write(data)

    def record(self) -> None:
        """The request has ended; said again, it changes nothing."""
        if not self.is_recorded:
            self.is_recorded = True
            self._record(self.exchange)

    def overdue(self) -> Refused | None:
        """After a cancellation: the deadline that was missed, or None when it has another cause."""
        reason = self.connection.expired
        if reason is None:
            return None
        self.connection.expired = None
        if self.connection.task is not None:
            self.connection.task.uncancel()
        return self.refused(reason)

    def refused(self, reason: Refusal, hint: str = "") -> Refused:
        """A refusal with what is known of the caller."""
        return Refused(reason, key=self.exchange.key, route=self.exchange.route, hint=hint)

    async def is_read(self) -> bool:
        """Wait until the client has taken most of the answer; False if it goes away instead."""
        try:
            await self.request.writer.drain()
        except ConnectionError:
            return False
        return True

    async def drop_body(self, seconds: float) -> bool:
        """Read and drop the rest of a small body; False if it did not come in time, or is broken."""
        self.connection.watch_body(seconds)
        try:
            while await self.request.content.readany():
                pass
        except asyncio.CancelledError:
            if self.overdue() is None:
                raise
            return False
        except web.RequestPayloadError:
            return False
        finally:
            self.connection.unwatch_body()
        return True
