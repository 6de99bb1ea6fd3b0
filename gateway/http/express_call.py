"""One request of the express lane: judged, sent on, and its answer passed on as it comes (design §11).

From top to bottom is the order in which it happens: `begin`, `_forward`, `connected`, `answer_began`,
`answer_goes_on`, `_end`. Nothing here waits; only a decision that needs a store gets a task.
"""

__all__ = ["ExpressCall", "ExpressTerms", "FirstLine"]

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, NamedTuple, Protocol

import structlog

from gateway.core.record import SERVED, recorded_path
from gateway.core.refusal import Refusal, Refused
from gateway.core.retry import Failure, may_retry
from gateway.http.call import CLOSE
from gateway.http.field_block import FieldBlock, RequestHead
from gateway.http.front import Front, Judge
from gateway.http.render import status_line
from gateway.pipeline.exchange import Exchange
from gateway.pipeline.inquiry import Admitted, Inquiry, Waits
from gateway.upstream.bounds import UpstreamError
from gateway.upstream.client import Upstream
from gateway.upstream.connection import Answer, UpstreamConnection

log = structlog.get_logger(__name__)

_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_BODILESS = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})
_CHUNKED = b"Transfer-Encoding: chunked\r\n"
_LAST_CHUNK = b"0\r\n\r\n"
_OK = 200
# As the class itself does it, but for a Python function between.
_made: Final = tuple.__new__


class Client(Protocol):
    """The connection that the request came on."""

    @property
    def writing_paused(self) -> bool:
        """Whether it has been sent more than it reads."""
        ...

    def write(self, data: bytes) -> None:
        """Send, unless it has gone."""
        ...

    def abort(self) -> None:
        """Break off so that nobody takes what was sent for a whole answer."""
        ...

    def ended(self) -> None:
        """The answer is out."""
        ...


class FirstLine(NamedTuple):
    """The first line of a request: its method, its target as it came, and the path that is recorded of it."""

    method: str
    target: str
    path: str

    @classmethod
    def of(cls, head: RequestHead) -> "FirstLine":
        """That of a head that was parsed."""
        return cls(head.method, head.path, recorded_path(head.path))


@dataclass(frozen=True, slots=True)
class ExpressTerms:
    """What every request of a listener is judged and sent on by."""

    judge: Judge
    upstreams: Mapping[str, Upstream]
    front: Front
    loop: asyncio.AbstractEventLoop


class ExpressCall(Exchange):
    """A whole, ordinary request. It is the Receiver of its answer."""

    __slots__ = (
        "_admitted",
        "_attempts",
        "_body",
        "_client",
        "_fields",
        "_is_asking",
        "_is_chunked",
        "_is_head_sent",
        "_sent",
        "_task",
        "_terms",
        "_upstream",
        "_upstream_connection",
        "due",
    )

    _admitted: Admitted
    _upstream: Upstream

    def __init__(
        self,
        terms: ExpressTerms,
        client: Client,
        line: FirstLine,
        fields: FieldBlock,
        body: bytes,
    ) -> None:
        """`due` is when the upstream is late, 0 for never."""
        method, target, path = line
        front = terms.front
        id_ = front.request_id(fields.sent_id)
        Exchange.__init__(self, front.clock.monotonic(), method, path, fields.address, id_)
        self._terms = terms
        self._client = client
        self._sent = target
        self._fields = fields
        self._body = body
        self._upstream_connection: UpstreamConnection | None = None
        self._task: asyncio.Task[None] | None = None
        self._attempts = 0
        # For a connection to the upstream.
        self._is_asking = False
        self._is_head_sent = False
        self._is_chunked = False
        self.due = 0.0

    # May it?

    def begin(self) -> None:
        """Ask admission; nearly always it knows at once."""
        terms, fields = self._terms, self._fields
        front = terms.front
        front.load.under_way += 1
        inquiry = _made(
            Inquiry,
            (
                self.method,
                self._sent,
                fields.host,
                fields.presented,
                fields.origin,
                fields.address,
            ),
        )
        decision = front.decide(terms.judge, inquiry)
        if isinstance(decision, Waits):
            # Owned by this request, which cancels it when the client goes away.
            self._task = terms.loop.create_task(self._resolve(decision))
        elif isinstance(decision, Refused):
            self._refuse(decision)
        else:
            self._forward(decision)

    async def _resolve(self, decision: "Waits[Admitted | Refused]") -> None:
        try:
            answer = await decision.resolve()
        except Exception:
            log.exception("request_failed", request_id=self.request_id)
            answer = Refused(Refusal.INTERNAL)
        self._task = None
        if isinstance(answer, Refused):
            self._refuse(answer)
        else:
            self._forward(answer)

    # To the upstream.

    def _forward(self, admitted: Admitted) -> None:
        terms, route = self._terms, admitted.route
        self.key, self.route = admitted.key, route.name
        self.meter = admitted.known.meter
        self.bytes_in = len(self._body)
        self._admitted = admitted
        self._upstream = upstream = terms.upstreams[route.upstream]
        upstream.in_flight += 1
        self.upstream_began = terms.front.clock.monotonic()
        self._is_asking = True
        upstream.pool.ask(self)

    def connected(self, connection: UpstreamConnection) -> None:
        """Send the request."""
        self._is_asking = False
        fields, admitted, upstream = self._fields, self._admitted, self._upstream
        lines, target = fields.lines, connection.target
        if isinstance(lines, str):
            upstream.pool.released(connection)
            self._refuse(Refused(Refusal.BAD_REQUEST, self.key, self.route, hint=lines))
            return
        self._upstream_connection = connection
        self.target = target.name
        self.due = self._terms.loop.time() + upstream.bounds.response_seconds
        host = target.authority
        if upstream.is_host_preserved:
            host = (fields.host or "").encode("ascii")
        end = b"\r\n"
        if self._body or fields.has_length or self.method in _WITH_BODY:
            end = b"Content-Length: %d\r\n\r\n%b" % (len(self._body), self._body)
        # The target goes out byte for byte as it was judged.
        line = f"{self.method} {admitted.target.origin_form} HTTP/1.1\r\nHost: ".encode("ascii")
        data = b"%b%b\r\n%bX-Request-Id: %b\r\n%b%b" % (
            line,
            host,
            lines,
            self.request_id.encode(),
            admitted.known.identity,
            end,
        )
        connection.send(self, data, is_head=self.method == "HEAD")

    def unreachable(self, error: UpstreamError) -> None:
        """No target can be had."""
        self._is_asking = False
        self.target = error.target
        self._complain(error.target, str(error))
        self._fail(error.reason)

    # Back to the client.

    def answer_began(self, answer: Answer, body: bytes, *, is_whole: bool) -> None:
        """Pass the head on, and what came with it."""
        code, lines, has_length = answer
        has_body = self.method != "HEAD" and code not in _BODILESS
        if is_whole:
            self._upstream_connection = None
        if isinstance(lines, str) or code < _OK:
            self._let_go()
            self._fail(Refusal.UPSTREAM_INVALID)
        elif is_whole or not has_body:
            self._let_go()
            if has_body and not has_length:
                lines += b"Content-Length: %d\r\n" % len(body)
            self._end(self._begun(code, lines, body if has_body else b""))
        else:
            self._is_chunked = not has_length
            lines = lines + _CHUNKED if self._is_chunked else lines
            self._client.write(self._begun(code, lines, body))
            self._wait_for_more()

    def answer_goes_on(self, body: bytes, *, is_last: bool) -> None:
        """Pass on what has come."""
        self.bytes_out += len(body)
        if self._is_chunked:
            body = _chunk(body) + _LAST_CHUNK if is_last else _chunk(body)
        if is_last:
            # Before the write, which may say that the client is slow: the connection is another's already.
            self._upstream_connection = None
            self._end(body)
        else:
            self._client.write(body)
            self._wait_for_more()

    def answer_failed(self, failure: Failure, reason: Refusal) -> None:
        """Ask again where that can do no harm; else say so, or break off what has begun."""
        self._upstream_connection = None
        self._attempts += 1
        # Usually a kept connection that the upstream had just closed; once more, on another.
        if self._attempts == 1 and may_retry(failure, self.method, 1, is_body_read=False):
            self.due = 0.0
            self._is_asking = True
            self._upstream.pool.ask(self, is_fresh=True)
            return
        self._complain(self.target, f"{reason.code}: {failure.value}")
        self._fail(reason)

    def held(self) -> None:
        """The client does not read as fast: the upstream waits, and is not late meanwhile."""
        if self._upstream_connection is not None:
            self._upstream_connection.hold()
            self.due = 0.0

    def goes_on(self) -> None:
        """The client has caught up."""
        if self._upstream_connection is not None:
            self._upstream_connection.go_on()
            self.due = self._terms.loop.time() + self._upstream.bounds.idle_seconds

    def is_late(self) -> None:
        """The upstream's time is over."""
        self._let_go()
        self._fail(Refusal.UPSTREAM_TIMEOUT)

    def client_gone(self) -> None:
        """Nobody wants the answer any more."""
        if self._task is not None:
            self._task.cancel()
        self._let_go()
        self._finished()

    def _begun(self, code: int, lines: bytes, body: bytes) -> bytes:
        """The head of the answer, and the first of its body, for one write."""
        self.status, self.outcome = code, SERVED
        self.bytes_out = len(body)
        self._is_head_sent = True
        front = self._terms.front
        if self._is_chunked:
            body = _chunk(body)
        if front.is_draining:
            lines += CLOSE
        ours = front.own_lines(self.request_id, self._admitted)
        return b"%b%b%b\r\n%b" % (status_line(code), lines, ours, body)

    def _wait_for_more(self) -> None:
        if self._client.writing_paused:
            self.held()
        else:
            self.due = self._terms.loop.time() + self._upstream.bounds.idle_seconds

    def _refuse(self, refused: Refused) -> None:
        """Say no."""
        self.refused(refused)
        self._is_head_sent = True
        has_body = self.method != "HEAD"
        front = self._terms.front
        framing = CLOSE if front.is_draining else b""
        self._end(front.problem(refused, self.request_id, framing, has_body=has_body))

    def _fail(self, reason: Refusal) -> None:
        """What went wrong behind us: an answer of our own, or the end of one that had begun."""
        if not self._is_head_sent:
            grant = self._admitted.grant
            self._refuse(Refused(reason, self.key, self.route, grant))
            return
        self.due = 0.0
        self.broke_off(reason)
        # The connection's end is told to `client_gone`, which records it.
        self._client.abort()

    def _end(self, last: bytes) -> None:
        """Record the request, and only then send the last of its answer: who has it all has been recorded."""
        self.due = 0.0
        self._finished()
        self._client.write(last)
        self._client.ended()

    def _finished(self) -> None:
        front = self._terms.front
        if self.upstream_began is not None:
            self._upstream.in_flight -= 1
            self.upstream_ended = front.clock.monotonic()
        front.finished(self)

    def _let_go(self) -> None:
        """What the upstream may still send is not wanted."""
        self.due = 0.0
        connection, self._upstream_connection = self._upstream_connection, None
        if connection is not None:
            connection.abandon()
        elif self._is_asking:
            self._is_asking = False
            self._upstream.pool.forget(self)

    def _complain(self, target: str | None, what: str) -> None:
        complaints = self._terms.front.complaints
        complaints.tell(self._upstream.name, target, what, self.request_id)


def _chunk(body: bytes) -> bytes:
    """One chunk (RFC 9112 §7.1); of nothing, none: an empty one would end the body."""
    return b"%x\r\n%b\r\n" % (len(body), body) if body else b""
