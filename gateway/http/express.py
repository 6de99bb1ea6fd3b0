"""The express lane's connections: from bytes to the ordinary request, and away with all that is not (design §11).

What has arrived on an idle connection is parsed by aiohttp's own parser. If it is exactly one whole, ordinary
request, `express_call` serves it without a task or a future. Whatever is not ordinary (an upgrade, `Expect`,
pipelining, a chunked or large body, HTTP/1.0, bytes that do not parse) is handed over: the same bytes are
replayed into the aiohttp lane, and the connection stays there. So no rule of HTTP is written twice, and both
lanes give the same answers.
"""

__all__ = ["ExpressConnection", "ExpressConnections"]

import asyncio
import socket
from typing import Any, cast

from aiohttp import HttpVersion11
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpRequestParser
from aiohttp.streams import StreamReader

from gateway.http.bounds import ClientBounds
from gateway.http.connection import RESET_ON_CLOSE, Connections
from gateway.http.express_call import ExpressCall, ExpressTerms, FirstLine
from gateway.http.field_block import FieldBlock, Peer, RequestHead, RequestParser
from gateway.upstream.wire import Wire

# A body up to this size is waited for, and sent in one piece with its head.
_BODY_BYTES_MAX = 65_536
# More than a whole request of that size: the parser must never pause itself.
_PARSER_LIMIT = 1024 * 1024
# What comes while a request is under way is the next one's business; so much of it is held.
_EARLY_BYTES_MAX = 65_536
# How long the rest of a request may be in coming before the other lane, which keeps all deadlines, has it.
_WHOLE_SECONDS = 0.25
_LINE_END = b"\r\n"
_HEAD_END = b"\r\n\r\n"
# The least that a request must have behind its first line (RFC 9112 §3.2).
_ANY_FIELDS = b"\r\nHost: any\r\n\r\n"
# Fields up to this size are remembered.
_BLOCK_BYTES_MAX = 4096
# So many first lines are remembered, up to this size.
_LINES_MAX = 2048
_LINE_BYTES_MAX = 256
_NOBODY = Peer("", "", is_trusted=False)
_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})


class ExpressConnections:
    """Every express connection of one listener; calling it makes the protocol of one that was just accepted."""

    def __init__(self, terms: ExpressTerms, others: Connections) -> None:
        """`others` take what is not ordinary."""
        self.terms = terms
        self.others = others
        self.connections: set[ExpressConnection] = set()
        # First lines that were parsed: an API has few of them, and its clients say them again and again. None
        # has a query, which is nobody's business longer than its request.
        self.first_lines: dict[bytes, FirstLine] = {}

    def __call__(self) -> "ExpressConnection":
        """A protocol for a connection that was just accepted."""
        return ExpressConnection(self)

    def remember(self, line: bytes, meant: FirstLine) -> None:
        """Whoever says `line` again is understood at once."""
        if len(line) <= _LINE_BYTES_MAX and b"?" not in line:
            if len(self.first_lines) >= _LINES_MAX:
                self.first_lines.clear()
            self.first_lines[line] = meant

    def check(self, now: float) -> None:
        """Act on whatever is overdue on any connection, and on connections to upstreams."""
        for connection in tuple(self.connections):
            connection.check(now)
        for upstream in self.terms.upstreams.values():
            upstream.pool.check(now)

    def close_idle(self) -> None:
        """Close those on which nothing is under way."""
        for connection in tuple(self.connections):
            if connection.is_idle:
                connection.close()

    def close(self) -> None:
        """Close all of them at once; what is under way is broken off."""
        for connection in tuple(self.connections):
            if connection.is_idle:
                connection.close()
            else:
                connection.abort()


class ExpressConnection(Wire):
    """One client connection, as long as it asks for nothing out of the ordinary."""

    __slots__ = (
        "_block",
        "_call",
        "_early",
        "_fields",
        "_head",
        "_lane",
        "_parses",
        "_payload",
        "_peer",
        "_raw",
        "_since",
        "_stalled_bytes",
        "_stalled_since",
    )

    def __init__(self, lane: ExpressConnections) -> None:
        """Belongs to `lane`."""
        loop = lane.terms.loop
        super().__init__(loop)
        self._lane = lane
        self._call: ExpressCall | None = None
        # The request that has begun to arrive: its bytes, and what the parser made of them.
        self._raw = b""
        self._head: RequestHead | None = None
        self._payload: StreamReader | None = None
        # The fields of an earlier request, as they came and as they were understood. The bytes hold its
        # credential, and so are kept here and nowhere else, as long as the connection is open.
        self._block = b""
        self._fields: FieldBlock | None = None
        self._early = b""
        self._since = loop.time()
        self._stalled_since = 0.0
        self._stalled_bytes = 0
        self._peer = _NOBODY
        bounds = self._bounds
        self._parses: RequestParser | None = HttpRequestParser(
            cast("Any", self),
            loop,
            _PARSER_LIMIT,
            max_line_size=bounds.target_bytes,
            max_field_size=min(bounds.header_bytes, 65_536),
            max_headers=bounds.fields,
            auto_decompress=False,
        )

    @property
    def is_idle(self) -> bool:
        """Whether it waits for a request, and for nothing else."""
        return self._call is None and not self._raw and not self._early

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for a request."""
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        name = str(peer[0]) if isinstance(peer, tuple) else ""
        front = self._lane.terms.front
        self._peer = Peer(name, front.address(name, ()), front.is_trusted(name))
        self._lane.connections.add(self)

    def data_received(self, data: bytes) -> None:
        """The bytes of a request, all of it or a part; or what comes early."""
        # Of a client that does not read its answers no further request is served meanwhile.
        if self._call is not None or self.writing_paused:
            self._came_early(data)
            return
        end = data.find(_LINE_END)
        if data[end:] == self._block and not self._raw:
            self._is_familiar(data, end)
        else:
            self._parse(data)

    def _parse(self, data: bytes) -> None:
        raw = self._raw + data if self._raw else data
        parses = self._parses
        if parses is None:
            return
        try:
            messages, is_upgraded, tail = parses.feed_data(data)
        except (HttpProcessingError, ValueError):
            self._hand_over(raw)
            return
        if messages:
            if len(messages) > 1 or self._head is not None:
                self._hand_over(raw)
                return
            head, self._payload = messages[0]
            self._head = head
        if is_upgraded or tail or (self._head is not None and not self._is_ordinary(self._head)):
            self._hand_over(raw)
        elif self._head is None or self._payload is None or not self._payload.is_eof():
            self._is_partial(raw)
        else:
            self._is_whole(self._head, self._payload, raw)

    def _is_familiar(self, data: bytes, end: int) -> None:
        """The fields are those of an earlier request, and what they mean is known: only the first line counts."""
        fields, lane = self._fields, self._lane
        meant = lane.first_lines.get(data[:end])
        if (
            meant is None
            or fields is None
            or lane.terms.front.is_draining
            or len(data) > self._bounds.header_bytes
        ):
            self._parse_line(data, end)
            return
        self._call = call = ExpressCall(lane.terms, self, meant, fields, b"")
        call.begin()

    def _parse_line(self, data: bytes, end: int) -> None:
        fields, parses = self._fields, self._parses
        if fields is None or parses is None:
            return
        try:
            messages, is_upgraded, tail = parses.feed_data(data[:end] + _ANY_FIELDS)
        except (HttpProcessingError, ValueError):
            self._hand_over(data)
            return
        if len(messages) != 1 or is_upgraded or tail:
            self._hand_over(data)
            return
        head = messages[0][0]
        # A first line that is more than one line has brought fields of its own.
        if (
            len(head.raw_headers) != 1
            or not self._is_ordinary(head)
            or len(data) > self._bounds.header_bytes
        ):
            self._hand_over(data)
            return
        meant = FirstLine.of(head)
        self._lane.remember(data[:end], meant)
        self._call = call = ExpressCall(self._lane.terms, self, meant, fields, b"")
        call.begin()

    def _is_ordinary(self, head: RequestHead) -> bool:
        headers = head.headers
        return (
            head.method in _METHODS
            and head.version == HttpVersion11
            and not head.should_close
            and not head.upgrade
            and not head.chunked
            and "Expect" not in headers
            and "Transfer-Encoding" not in headers
            and not self._lane.terms.front.is_draining
        )

    def _is_partial(self, raw: bytes) -> None:
        """Wait a little for the rest."""
        if not self._raw:
            self._since = self._loop.time()
        self._raw = raw
        most = self._bounds.header_bytes + (0 if self._head is None else _BODY_BYTES_MAX)
        if len(raw) > most:
            self._hand_over(raw)

    def _is_whole(self, head: RequestHead, payload: StreamReader, raw: bytes) -> None:
        body = payload.read_nowait()
        bounds = self._bounds
        head_bytes = raw.find(_HEAD_END) + len(_HEAD_END)
        limit = min(_BODY_BYTES_MAX, bounds.body_bytes or _BODY_BYTES_MAX)
        # A part of another request behind this one would be in the parser's memory only.
        is_alone = head_bytes + len(body) == len(raw)
        if not is_alone or head_bytes > bounds.header_bytes or len(body) > limit:
            self._hand_over(raw)
            return
        self._raw = b""
        self._head = self._payload = None
        front = self._lane.terms.front
        self._fields = fields = FieldBlock(head, front, self._peer, self._fields)
        self._block = b""
        if not fields.has_length and head_bytes <= _BLOCK_BYTES_MAX:
            self._block = raw[raw.find(_LINE_END) :]
        self._call = call = ExpressCall(self._lane.terms, self, FirstLine.of(head), fields, body)
        call.begin()

    def _came_early(self, data: bytes) -> None:
        self._early += data
        if len(self._early) > _EARLY_BYTES_MAX:
            self._pause_transport_reading()

    def _take_early(self) -> None:
        early, self._early = self._early, b""
        self._resume_transport_reading()
        self.data_received(early)

    def _hand_over(self, raw: bytes) -> None:
        """Let the aiohttp lane have the connection, from the first byte of this request on."""
        transport = self.transport
        if transport is None:
            return
        self._lane.connections.discard(self)
        other = self._lane.others()
        transport.set_protocol(other)
        other.connection_made(transport)
        # Not before the handler waits for it: then these bytes count as any others do.
        self._pause_transport_reading()
        self._loop.call_soon(_replay, other, transport, raw)
        self.transport = None
        self._parses = None

    # For the request that is under way.

    def write(self, data: bytes) -> None:
        """Send, unless the client has gone."""
        if self.transport is not None:
            self.transport.write(data)

    def abort(self) -> None:
        """Break off so that nobody takes what was sent for a whole answer."""
        transport = self.transport
        if transport is None:
            return
        raw = transport.get_extra_info("socket")
        if raw is not None:
            # A plain close ends the stream in order, which is how a body without a length ends well.
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        transport.abort()

    def ended(self) -> None:
        """The answer is out: the next request may come."""
        self._call = None
        self._since = self._loop.time()
        if self.transport is None:
            return
        if self._lane.terms.front.is_draining:
            self.close()
        elif self._early and not self.writing_paused:
            self._take_early()

    def pause_writing(self) -> None:
        """The client does not read as fast."""
        super().pause_writing()
        if self._call is not None:
            self._call.held()

    def resume_writing(self) -> None:
        """It has caught up."""
        super().resume_writing()
        if self._call is not None:
            self._call.goes_on()
        elif self._early:
            self._take_early()

    # The end, and the clock.

    def connection_lost(self, exc: BaseException | None) -> None:
        """The client has gone."""
        super().connection_lost(exc)
        self._lane.connections.discard(self)
        # They refer to each other: without this, what has arrived would stay until a full collection.
        self._parses = None
        call, self._call = self._call, None
        if call is not None:
            call.client_gone()

    def close(self) -> None:
        """End it; what was written is still sent."""
        if self.transport is not None:
            self.transport.close()

    def check(self, now: float) -> None:
        """Act on what is overdue."""
        call, transport = self._call, self.transport
        if call is not None and call.due and now >= call.due:
            call.is_late()
        elif self.writing_paused or (transport is not None and transport.is_closing()):
            # A connection that closes waits for its client, too: to read what was written.
            self._check_stalled(now)
        else:
            self._stalled_since = 0.0
            if call is None:
                self._check_idle(now)

    def _check_idle(self, now: float) -> None:
        if self._raw:
            if now - self._since >= _WHOLE_SECONDS:
                self._hand_over(self._raw)
        elif now - self._since >= self._bounds.keepalive_seconds:
            self.close()

    def _check_stalled(self, now: float) -> None:
        waiting = 0 if self.transport is None else self.transport.get_write_buffer_size()
        if not self._stalled_since or waiting != self._stalled_bytes:
            self._stalled_since, self._stalled_bytes = now, waiting
        elif now - self._stalled_since >= self._bounds.body_idle_seconds:
            self.abort()

    @property
    def _bounds(self) -> ClientBounds:
        return self._lane.terms.front.terms.bounds


def _replay(other: asyncio.Protocol, transport: asyncio.Transport, raw: bytes) -> None:
    if not transport.is_closing():
        transport.resume_reading()
        other.data_received(raw)
