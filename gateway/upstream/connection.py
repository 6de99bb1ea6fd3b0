"""A connection to a target, driven by callbacks: one receiver at a time, who is told of the answer as it comes."""

__all__ = ["Answer", "Receiver", "UpstreamConnection"]

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, cast

from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpResponseParser
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader

from gateway.core.headers import response_lines
from gateway.core.refusal import Refusal
from gateway.core.retry import Failure
from gateway.upstream.bounds import UpstreamError
from gateway.upstream.targets import Target
from gateway.upstream.wire import Head, Wire

_LINE_BYTES_MAX = 16_384
_FIELDS_MAX = 256
# More than one read can bring: what comes is taken out at once, and the parser must never pause itself.
_READ_BYTES = 4 * 1024 * 1024
_FINAL = 200
_HEAD_END = b"\r\n\r\n"
_SWITCHING = 101
# Heads up to this size are remembered.
_HEAD_KEPT = 4096


class AnswerHead(Head, Protocol):
    """The head of an answer."""

    @property
    def code(self) -> int:
        """The status."""
        ...


class AnswerParser(Protocol):
    """aiohttp's parser of answers, as far as it is used here."""

    def feed_data(
        self, data: bytes
    ) -> tuple[Sequence[tuple[AnswerHead, StreamReader]], bool, bytes]:
        """What the bytes complete: heads with their bodies, whether the protocol changes, and what is left."""
        ...

    def feed_eof(self) -> object:
        """No more will come."""
        ...


class Answer(NamedTuple):
    """The head of an answer. `lines` are what of its fields may go on to a client, or say why it is not HTTP."""

    code: int
    lines: bytes | str
    has_length: bool


_NO_ANSWER = Answer(0, b"", has_length=False)


class Receiver(Protocol):
    """Who waits for an answer. Each call is made from the event loop; none may wait."""

    def connected(self, connection: "UpstreamConnection") -> None:
        """Here is a connection: send, and be told of the answer."""
        ...

    def unreachable(self, error: UpstreamError) -> None:
        """There is no connection to be had."""
        ...

    def answer_began(self, answer: Answer, body: bytes, *, is_whole: bool) -> None:
        """The head of the answer, and as much of its body as came with it."""
        ...

    def answer_goes_on(self, body: bytes, *, is_last: bool) -> None:
        """More of it."""
        ...

    def answer_failed(self, failure: Failure, reason: Refusal) -> None:
        """NOT_ANSWERED: not a byte of it came. BROKEN_ANSWER: it broke off, or is not HTTP; `reason` tells which."""
        ...


class Owner(Protocol):
    """Where connections come from, and go back to."""

    def opened(self, connection: "UpstreamConnection") -> None:
        """It is there."""
        ...

    def released(self, connection: "UpstreamConnection") -> None:
        """Its answer is whole: the next one may have it."""
        ...

    def closed(self, connection: "UpstreamConnection") -> None:
        """It has gone."""
        ...


class UpstreamConnection(Wire):
    """One connection to one target."""

    __slots__ = (
        "_answer",
        "_familiar_bytes",
        "_head",
        "_is_head",
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

    def __init__(self, loop: asyncio.AbstractEventLoop, pool: Owner, target: Target) -> None:
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
        self._is_head = False
        # The head of an earlier answer as it came and as it was understood, and how many bytes that had with its
        # body: an upstream says the same again and again, too.
        self._head = b""
        self._answer = _NO_ANSWER
        self._familiar_bytes = 0
        self._parses: AnswerParser | None = None

    def send(self, receiver: Receiver, data: bytes, *, is_head: bool) -> None:
        """Send a whole request; `is_head` says that its answer has no body."""
        self._receiver = receiver
        self._is_head = is_head
        self.has_answered = False
        # A new one each time: what an upstream sent beyond its last answer is no part of the next.
        self._parses = None
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
        receiver = self._receiver
        if receiver is None:
            self.close()
        elif self.has_answered:
            self._parse(receiver, data)
        elif (
            len(data) == self._familiar_bytes and data.startswith(self._head) and not self._is_head
        ):
            # Byte for byte the head of an earlier answer here, and a body of the length that it tells.
            self._tell_all(receiver, self._answer, data[len(self._head) :])
        else:
            self._parse_first(receiver, data)

    def _parse_first(self, receiver: Receiver, data: bytes) -> None:
        """The first that comes of an answer: often all of it, and then its body need not pass through the parser."""
        self._parses = parser = self._parser_for(is_with_body=not self._is_head)
        end = data.find(_HEAD_END)
        if end < 0:
            self._parse(receiver, data)
            return
        end += len(_HEAD_END)
        head, body = data[:end], data[end:]
        try:
            messages, _, _ = parser.feed_data(head)
            is_all = len(messages) == 1 and _is_all(*messages[0], body)
        except (HttpProcessingError, ValueError):
            self._fail(Failure.BROKEN_ANSWER, Refusal.UPSTREAM_INVALID)
            return
        if not is_all:
            self._parse(receiver, body, messages, data)
            return
        message = messages[0][0]
        answer = _answer(message)
        if not message.should_close and end <= _HEAD_KEPT:
            self._head, self._answer, self._familiar_bytes = head, answer, len(data)
        self._tell_all(receiver, answer, body, should_close=message.should_close)

    def _parse(
        self,
        receiver: Receiver,
        data: bytes,
        parsed: Sequence[tuple[AnswerHead, StreamReader]] = (),
        whole: bytes = b"",
    ) -> None:
        """Whatever comes; `parsed` are the heads before it, and then `whole` is what came at once with them."""
        tail = b""
        messages = list(parsed)
        try:
            if data and self._parses is not None:
                more, _, tail = self._parses.feed_data(data)
                messages += more
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
            self._tell_first(receiver, message, payload, whole or data)
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

    def _parser_for(self, *, is_with_body: bool) -> AnswerParser:
        return HttpResponseParser(
            cast("Any", self),
            self._loop,
            _READ_BYTES,
            max_line_size=_LINE_BYTES_MAX,
            max_headers=_FIELDS_MAX,
            max_field_size=_LINE_BYTES_MAX,
            response_with_body=is_with_body,
            read_until_eof=True,
            auto_decompress=False,
        )

    def _tell_all(
        self, receiver: Receiver, answer: Answer, body: bytes, *, should_close: bool = False
    ) -> None:
        # As `_finish`: before the receiver hears of it, so that its next request finds this idle.
        self._receiver = None
        if should_close:
            self.close()
        else:
            self._pool.released(self)
        receiver.answer_began(answer, body, is_whole=True)

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
        receiver.answer_began(_answer(message), body, is_whole=is_whole)

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


def _answer(message: AnswerHead) -> Answer:
    lines = response_lines(message.raw_headers)
    return Answer(message.code, lines, "Content-Length" in message.headers)


def _is_all(message: AnswerHead, payload: StreamReader, body: bytes) -> bool:
    """Whether `body` is all that this answer has, and no more than that."""
    if message.code < _FINAL or message.chunked or payload is EMPTY_PAYLOAD:
        return False
    length = message.headers.get("Content-Length")
    return length is not None and int(length) == len(body)
