"""The aiohttp lane: admit, relay, record, for every request that HTTP/1.1 allows (design §7, §11)."""

__all__ = ["Lane"]

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import cast

import aiohttp
import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from multidict import CIMultiDictProxy

from gateway.core.credential import Presented
from gateway.core.headers import Arrival
from gateway.core.refusal import Refusal, Refused
from gateway.http.body import ClientBody
from gateway.http.bounds import ClientBounds
from gateway.http.call import CLOSE, CLOSED, KEPT, Call, ClientGone, Lingering
from gateway.http.compose import compose
from gateway.http.connection import Connection
from gateway.http.fitness import can_be_used_again, malformed, unfit
from gateway.http.front import Front, Judge
from gateway.http.relay import relay
from gateway.http.tunnel import tunnel
from gateway.pipeline.inquiry import Admitted, Inquiry, Waits
from gateway.upstream.client import Upstream, UpstreamError
from gateway.upstream.request import Outgoing

log = structlog.get_logger(__name__)


class Lane:
    """Serves requests; owns no socket. Each request ends in exactly one usage record."""

    def __init__(
        self,
        judge: Judge,
        upstreams: Mapping[str, Upstream],
        front: Front,
    ) -> None:
        """`upstreams` by the names that routes know."""
        self.judge = judge
        self.upstreams = upstreams
        self.front = front
        self._terms = front.terms
        self._clock = front.clock

    @property
    def is_draining(self) -> bool:
        """Whether connections are kept no longer."""
        return self.front.is_draining

    @property
    def bounds(self) -> ClientBounds:
        """What each client may ask of us."""
        return self._terms.bounds

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """The whole story of one request."""
        call = self._open(request)
        try:
            try:
                refused = await self._serve(call)
            except asyncio.CancelledError:
                # Either a deadline of ours, or the client has gone and nobody wants an answer.
                refused = call.overdue()
                if refused is None:
                    raise
            if refused is not None:
                self._refuse(call, refused)
        except (ClientGone, ConnectionError):
            call.keeps_alive = False
        except Exception:
            call.exchange.refused(call.refused(Refusal.INTERNAL))
            raise
        finally:
            self._close(call)
        return await self._leave(call)

    def refuse_raw(self, connection: Connection, reason: Refusal) -> None:
        """Answer what never became a request, and close."""
        exchange = self.front.exchange(connection.peer, "", "", None)
        refused = Refused(reason)
        exchange.refused(refused)
        self.front.finished(exchange)
        transport = connection.transport
        if transport is not None and not transport.is_closing():
            transport.write(self.front.problem(refused, exchange.request_id, CLOSE))
        connection.cut()

    def failed(
        self, connection: Connection, request: web.BaseRequest, error: BaseException | None
    ) -> web.StreamResponse:
        """Answer what could not be parsed, or what we failed on; the connection ends with it."""
        if isinstance(error, HttpProcessingError):
            reason = malformed(error, self._terms.bounds)
            # Never the error itself: it quotes the request, credential and all.
            log.info("malformed_request", address=connection.peer, code=reason.code)
            self.refuse_raw(connection, reason)
        else:
            call = Call.of(request)
            request_id_ = None if call is None else call.exchange.request_id
            log.error("request_failed", request_id=request_id_, exc_info=error)
            if call is None or call.is_head_sent:
                connection.abort()
            else:
                call.keeps_alive = False
                refused = call.refused(Refusal.INTERNAL)
                call.write(self.front.problem(refused, call.exchange.request_id, call.framing))
        return Lingering(connection)

    def _open(self, request: web.BaseRequest) -> Call:
        connection = cast("Connection", request.protocol)
        headers = request.headers
        exchange = self.front.exchange(
            self._address(connection, headers),
            request.method,
            request.raw_path,
            headers.get("X-Request-Id"),
        )
        connection.task = connection.current_task()
        return Call(
            request, connection, exchange, self.front.finished, keeps_alive=request.keep_alive
        )

    def _address(self, connection: Connection, headers: CIMultiDictProxy[str]) -> str:
        front = self.front
        if not connection.address:
            connection.is_trusted = front.is_trusted(connection.peer)
            connection.address = front.address(connection.peer, ())
        if not connection.is_trusted:
            return connection.address
        return front.address(connection.peer, headers.getall("X-Forwarded-For", ()))

    async def _serve(self, call: Call) -> Refused | None:
        """Pass the request on and its answer back; or why not."""
        refused = unfit(call, self._terms)
        if refused is not None:
            return refused
        headers = call.request.headers
        decision = self.front.decide(
            self.judge,
            Inquiry(
                call.exchange.method,
                call.request.raw_path,
                headers.get("Host"),
                Presented(
                    tuple(headers.getall("Authorization", ())), *self._terms.places.sent(headers)
                ),
                headers.get("Origin"),
                call.exchange.address,
            ),
        )
        if isinstance(decision, Waits):
            decision = await decision.resolve()
        if isinstance(decision, Refused):
            return decision
        return await self._forward(call, decision)

    async def _forward(self, call: Call, admitted: Admitted) -> Refused | None:
        exchange, terms = call.exchange, self._terms
        exchange.admitted(admitted.key, admitted.route.name, admitted.known.meter)
        upstream = self.upstreams[admitted.route.upstream]
        outgoing = compose(call, admitted, self._arrival(call), terms, upstream.bounds)
        if isinstance(outgoing, Refused):
            return outgoing
        ours = self.front.own_lines(exchange.request_id, admitted)
        upstream.in_flight += 1
        exchange.upstream_began = self._clock.monotonic()
        try:
            response = await self._ask(call, upstream, outgoing)
            if isinstance(response, Refused):
                return replace(response, grant=admitted.grant)
            return await _pass_on(call, response, ours, upstream)
        finally:
            upstream.in_flight -= 1
            exchange.upstream_ended = self._clock.monotonic()

    async def _ask(
        self, call: Call, upstream: Upstream, outgoing: Outgoing
    ) -> aiohttp.ClientResponse | Refused:
        connection = call.connection
        connection.watch(upstream.bounds.response_seconds, Refusal.UPSTREAM_TIMEOUT)
        try:
            response, target = await upstream.send(call.request.method, outgoing)
        except UpstreamError as error:
            call.exchange.target = error.target
            body = outgoing.body
            if isinstance(body, ClientBody) and body.refusal is not None:
                return call.refused(body.refusal)
            self.front.complaints.tell(
                upstream.name, error.target, str(error), call.exchange.request_id
            )
            return call.refused(error.reason)
        finally:
            connection.unwatch()
        call.exchange.target = target.name
        return response

    def _arrival(self, call: Call) -> Arrival:
        return Arrival(
            peer=call.connection.peer,
            is_trusted=call.connection.is_trusted,
            scheme="http",
            host=call.request.headers.get("Host", ""),
            request_id=call.exchange.request_id,
        )

    def _refuse(self, call: Call, refused: Refused) -> None:
        """Say no; if the answer has begun, break it off instead."""
        if call.is_head_sent:
            call.exchange.broke_off(refused.reason)
            call.connection.abort()
            call.keeps_alive = False
            return
        call.exchange.refused(refused)
        if not can_be_used_again(call, self._terms.bounds):
            call.keeps_alive = False
        is_head = call.request.method == "HEAD"
        answer = self.front.problem(
            refused, call.exchange.request_id, call.framing, has_body=not is_head
        )
        call.is_head_sent = True
        call.write_last(answer)

    def _close(self, call: Call) -> None:
        connection = call.connection
        connection.unwatch()
        connection.unwatch_body()
        call.record()

    async def _leave(self, call: Call) -> web.StreamResponse:
        """After the answer: what becomes of the connection, and of a body that nobody wanted."""
        content = call.request.content
        if call.keeps_alive and not content.is_eof() and not call.is_body_taken:
            call.keeps_alive = await call.drop_body(self._terms.bounds.linger_seconds)
        if call.connection.writing_paused:
            # The next request may be here already: its answer must not be put on top of one that is not read.
            call.keeps_alive = await call.is_read() and call.keeps_alive
        call.connection.task = None
        if content.is_eof():
            return KEPT if call.keeps_alive else CLOSED
        return Lingering(call.connection)


async def _pass_on(
    call: Call, response: aiohttp.ClientResponse, ours: bytes, upstream: Upstream
) -> Refused | None:
    try:
        if call.is_upgrade and response.status == HTTPStatus.SWITCHING_PROTOCOLS:
            return await tunnel(call, response, ours)
        return await relay(call, response, ours, upstream.bounds.idle_seconds)
    finally:
        # An answer that was read to its end has given its connection back already.
        if not response.closed:
            if response.connection is not None and response.connection.transport is not None:
                response.connection.transport.abort()
            response.close()
