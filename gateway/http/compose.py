"""The request that the upstream gets, from the one that the client sent and what admission said of it."""

__all__ = ["compose"]

from gateway.core.headers import Arrival, request_lines
from gateway.core.refusal import Refusal, Refused
from gateway.http.body import ClientBody
from gateway.http.call import Call
from gateway.http.terms import LaneTerms
from gateway.pipeline.inquiry import Admitted
from gateway.upstream.client import UpstreamBounds
from gateway.upstream.request import Outgoing

_UPGRADE = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
_CHUNKED = b"Transfer-Encoding: chunked\r\n"
# These mean a body unless the message says otherwise (RFC 9110 §8.6).
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


def compose(
    call: Call, admitted: Admitted, arrival: Arrival, terms: LaneTerms, upstream: UpstreamBounds
) -> Outgoing | Refused:
    """The target goes out byte for byte as it was judged; a body that is still to come is a ClientBody."""
    request = call.request
    lines = request_lines(request.raw_headers, arrival, admitted.known.identity, terms.names)
    if isinstance(lines, str):
        return call.refused(Refusal.BAD_REQUEST, lines)
    line = f"{request.method} {admitted.target.origin_form} HTTP/1.1\r\n".encode("ascii")
    host = arrival.host.encode("ascii")
    content = request.content
    if content.is_eof():
        data = content.read_nowait()
        call.exchange.bytes_in = len(data)
        framing = _UPGRADE if call.is_upgrade else _length(call, data)
        return Outgoing(line, host, b"".join((lines, framing, b"\r\n", data)), None)
    body = ClientBody(call, terms.bounds, upstream)
    length = call.content_length
    framing = _CHUNKED if length is None else b"Content-Length: %d\r\n" % length
    return Outgoing(line, host, lines + framing + b"\r\n", body, is_chunked=length is None)


def _length(call: Call, data: bytes) -> bytes:
    is_said = data or call.request.method in _WITH_BODY or "Content-Length" in call.request.headers
    return b"Content-Length: %d\r\n" % len(data) if is_said else b""
