"""The body that a client sends, on its way to the upstream: counted, held to its deadlines, never kept."""

__all__ = ["ClientBody"]

from aiohttp import web

from gateway.core.refusal import Refusal
from gateway.http.bounds import ClientBounds
from gateway.http.call import Call
from gateway.http.render import CONTINUE
from gateway.upstream.client import UpstreamBounds


class _Unwanted(Exception):
    """The body must not be sent on."""


class ClientBody:
    """Implements the upstream's Body. Reading stops while the upstream does not take what was read."""

    __slots__ = ("_bounds", "_call", "_due", "_upstream", "refusal")

    def __init__(self, call: Call, bounds: ClientBounds, upstream: UpstreamBounds) -> None:
        """The client's deadlines count while we wait for it, the upstream's while we wait for that."""
        self._call = call
        self._bounds = bounds
        self._upstream = upstream
        self._due: float | None = None
        self.refusal: Refusal | None = None

    async def next_chunk(self) -> bytes:
        """What has come in by now; empty at the end. `refusal` is set when it raises."""
        call = self._call
        content = call.request.content
        call.is_body_taken = True
        call.connection.unwatch()
        if call.wants_continue:
            call.wants_continue = False
            if not content.total_bytes:
                call.write(CONTINUE)
        call.connection.watch_body(self._seconds_left())
        try:
            chunk = await content.readany()
        except web.RequestPayloadError:
            self.refusal = Refusal.BAD_REQUEST
            raise
        finally:
            call.connection.unwatch_body()
        if not chunk:
            call.connection.watch(self._upstream.response_seconds, Refusal.UPSTREAM_TIMEOUT)
            return chunk
        call.exchange.bytes_in += len(chunk)
        if self._bounds.body_bytes is not None and call.exchange.bytes_in > self._bounds.body_bytes:
            self.refusal = Refusal.BODY_TOO_LARGE
            raise _Unwanted
        call.connection.watch(self._upstream.idle_seconds, Refusal.UPSTREAM_TIMEOUT)
        return chunk

    def _seconds_left(self) -> float:
        """Until the next bytes must have come, and all of them."""
        bounds = self._bounds
        if bounds.body_seconds is None:
            return bounds.body_idle_seconds
        now = self._call.connection.now()
        if self._due is None:
            self._due = now + bounds.body_seconds
        return min(bounds.body_idle_seconds, self._due - now)
