"""The upstream's answer, on its way to the client: as it comes, no faster than the client reads."""

__all__ = ["relay"]

import aiohttp
from aiohttp import HttpVersion11

from gateway.core.headers import response_lines
from gateway.core.refusal import Refusal, Refused
from gateway.http.call import Call
from gateway.http.render import head

_BODILESS = frozenset({204, 304})
_CHUNKED = b"Transfer-Encoding: chunked\r\n"
_LAST_CHUNK = b"0\r\n\r\n"


async def relay(
    call: Call, response: aiohttp.ClientResponse, ours: bytes, idle_seconds: float
) -> Refused | None:
    """Pass the whole answer on; None when that is done, else why it could not be (call.is_head_sent tells how far).

    `ours` are the fields that the gateway adds; `idle_seconds` bound each pause of the upstream.
    """
    lines = response_lines(response.raw_headers, ours)
    if isinstance(lines, str) or response.status < 200:  # noqa: PLR2004
        return call.refused(Refusal.UPSTREAM_INVALID)
    call.exchange.answered(response.status)
    if call.request.method == "HEAD" or response.status in _BODILESS:
        call.is_head_sent = True
        call.write_last(head(response.status, lines, call.framing))
        return None
    if response.content.is_eof():
        return _whole(call, response, lines)
    return await _streamed(call, response, lines, idle_seconds)


def _whole(call: Call, response: aiohttp.ClientResponse, lines: bytes) -> Refused | None:
    """A short answer has all come in already: one write, and no chunks."""
    try:
        body = response.content.read_nowait()
    except (aiohttp.ClientError, OSError):
        return call.refused(Refusal.UPSTREAM_UNREACHABLE)
    if "Content-Length" not in response.headers:
        lines += b"Content-Length: %d\r\n" % len(body)
    call.exchange.bytes_out = len(body)
    call.is_head_sent = True
    call.write_last(head(response.status, lines, call.framing) + body)
    return None


async def _streamed(
    call: Call, response: aiohttp.ClientResponse, lines: bytes, idle_seconds: float
) -> Refused | None:
    is_chunked = "Content-Length" not in response.headers
    if is_chunked and call.request.version < HttpVersion11:
        # The end of the connection is the end of the body, and an abort is not.
        is_chunked = call.keeps_alive = False
    framing = call.framing + _CHUNKED if is_chunked else call.framing
    pending = head(response.status, lines, framing)
    content, connection = response.content, call.connection
    if not content.total_bytes:
        # Server-sent events may be long in coming; the client need not wait for the head.
        call.write(pending)
        call.is_head_sent = True
        pending = b""
    while True:
        connection.watch(idle_seconds, Refusal.UPSTREAM_TIMEOUT)
        try:
            chunk = await content.readany()
        except (aiohttp.ClientError, OSError):
            return call.refused(Refusal.UPSTREAM_UNREACHABLE)
        finally:
            connection.unwatch()
        call.exchange.bytes_out += len(chunk)
        call.is_head_sent = True
        if chunk and is_chunked:
            chunk = b"%x\r\n%b\r\n" % (len(chunk), chunk)
        if content.is_eof():
            call.write_last(pending + chunk + _LAST_CHUNK if is_chunked else pending + chunk)
            return None
        call.write(pending + chunk)
        pending = b""
        if connection.writing_paused:
            await call.request.writer.drain()
