"""One request to an upstream, written exactly as composed.

aiohttp's own ClientRequest takes header fields as text and a URL to quote, adds fields of its own,
and merges field names that differ in case. A proxy must change nothing, so what is sent here is the
head as bytes; connection pool, response parser and body framing stay aiohttp's.
"""

__all__ = ["NO_TIMER", "Body", "Outgoing", "RelayRequest"]

import asyncio
from typing import Protocol

from aiohttp import (
    ClientRequest,
    ClientResponse,
    ClientSession,
    HttpVersion11,
    RequestInfo,
    ServerDisconnectedError,
    payload,
)
from aiohttp.abc import AbstractStreamWriter
from aiohttp.connector import Connection
from aiohttp.helpers import TimerNoop
from aiohttp.http import StreamWriter
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

# Deadlines are the connection's to keep: one timer for all of them, and not one per request.
NO_TIMER = TimerNoop()

_NO_FIELDS: CIMultiDict[str] = CIMultiDict()
_NO_FIELDS_SEEN = CIMultiDictProxy(_NO_FIELDS)


class Body(Protocol):
    """Where the bytes of a request's body come from."""

    async def next_chunk(self) -> bytes:
        """The next bytes; empty at the end. Raises what makes sending on pointless."""
        ...


class Outgoing(payload.Payload):
    """Head and body of one request to an upstream, in the dress of a payload so that aiohttp carries it."""

    def __init__(
        self,
        line: bytes,
        host: bytes,
        fields: bytes,
        body: Body | None,
        *,
        is_chunked: bool = False,
    ) -> None:
        """`line` is the request line with its CRLF, `host` the value of the Host field, `fields` all other
        field lines with the empty line that ends them; `is_chunked` says how the body is framed.
        """
        # The base class's constructor builds header fields of its own, which nobody would send.
        self.line = line
        self.host = host
        self.fields = fields
        self.body = body
        self.is_chunked = is_chunked
        self._consumed = False
        self._value = None

    def head(self) -> bytes:
        """All that stands before the body."""
        return b"".join((self.line, b"Host: ", self.host, b"\r\n", self.fields))

    def __bool__(self) -> bool:
        """Whether there is a body to write."""
        return self.body is not None

    def __repr__(self) -> str:
        """Shows nothing of the request."""
        return "Outgoing(…)"

    @property
    def size(self) -> int | None:
        """Unknown: the framing stands in the head."""
        return None

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Not possible: a body is passed on, never held."""
        raise TypeError("A streamed body cannot be decoded.")

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Write the body, waiting whenever the upstream does not read."""
        self._consumed = True
        if self.body is None:
            return
        try:
            while chunk := await self.body.next_chunk():
                await writer.write(chunk)
        except BaseException:
            # Closing would first wait for an upstream that may not be reading any more.
            if isinstance(writer, StreamWriter) and writer.transport is not None:
                writer.transport.abort()
            raise

    async def write_with_length(
        self,
        writer: AbstractStreamWriter,
        content_length: int | None,
    ) -> None:
        """As `write`: a length that was declared was enforced where the body came in."""
        await self.write(writer)


class RelayRequest(ClientRequest):
    """Sends an Outgoing over a connection of a ClientSession's pool."""

    # The base class's constructor takes header fields, cookies, credentials and a body apart and puts
    # them together again. All of that stands in the Outgoing, so what is left are these attributes.
    def __init__(
        self,
        method: str,
        url: URL,
        *,
        data: Outgoing,
        session: ClientSession,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """`url` says where to connect; what is sent there is `data`, as it is.

        `loop` is handed in because asking for the running one is a system call on CPython 3.11.
        """
        self.method = method
        self.url = self.original_url = url
        self.version = HttpVersion11
        self.headers = _NO_FIELDS
        self.loop = loop
        self.response_class = ClientResponse
        self.server_hostname = None
        self.proxy = None
        self.proxy_auth = None
        self.proxy_headers = None
        self.chunked = None
        self.compress = None
        self.length = None
        self._body = data
        self._session = session
        self._ssl = True
        self._timer = NO_TIMER
        self._traces = []

    @property
    def request_info(self) -> RequestInfo:
        """For aiohttp's errors: without header fields, so that none can leak into a message."""
        return RequestInfo(self.url, self.method, _NO_FIELDS_SEEN, self.original_url)

    async def send(self, conn: Connection) -> ClientResponse:
        """Write the head; let the body follow in a task of its own, so that an early answer is not missed."""
        protocol = conn.protocol
        outgoing = self._body
        if protocol is None or protocol.transport is None or not isinstance(outgoing, Outgoing):
            raise ServerDisconnectedError("The connection was closed before it was used.")
        writer = StreamWriter(protocol, self.loop)
        writing: asyncio.Task[None] | None = None
        protocol.transport.write(outgoing.head())
        if outgoing:
            if outgoing.is_chunked:
                writer.enable_chunking()
            # Owned by aiohttp's response: it cancels the task when the exchange ends.
            writing = self.loop.create_task(self.write_bytes(writer, conn))
            self._writer = writing
        else:
            protocol.start_timeout()
            writer.set_eof()
        return ClientResponse(
            self.method,
            self.original_url,
            writer=writing,
            continue100=None,
            timer=self._timer,
            request_info=self.request_info,
            traces=[],
            loop=self.loop,
            session=self._session,
            stream_writer=writer,
        )
