"""Whether a request is one that this lane takes in at all, before anybody is asked who sent it."""

__all__ = ["can_be_used_again", "malformed", "unfit"]

from aiohttp import HttpVersion10, HttpVersion11
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong

from gateway.core.refusal import Refusal, Refused
from gateway.http.bounds import ClientBounds
from gateway.http.call import Call
from gateway.http.terms import LaneTerms
from gateway.http.tunnel import is_upgrade

_TOO_MANY_FIELDS = "Too many headers received"
_VERSION_HINT = "Only HTTP/1.1 and HTTP/1.0 are spoken here."
_CODING_HINT = "Only 'Transfer-Encoding: chunked' is understood, and only in HTTP/1.1."
_UPGRADE_HINT = "A request for an upgrade has no body."


def unfit(call: Call, terms: LaneTerms) -> Refused | None:
    """Why not; None if it is. Nothing has been sent to anybody yet."""
    request, bounds = call.request, terms.bounds
    if request.method not in terms.methods:
        return call.refused(Refusal.METHOD_NOT_ALLOWED)
    doubt = _doubt(call)
    if doubt:
        # Where the message ends is in doubt, so nothing after it is believed.
        call.keeps_alive = False
        return call.refused(Refusal.BAD_REQUEST, doubt)
    if "Expect" in request.headers and not _expects_continue(call):
        return call.refused(Refusal.EXPECTATION_FAILED)
    length = call.content_length
    if length is not None and bounds.body_bytes is not None and length > bounds.body_bytes:
        return call.refused(Refusal.BODY_TOO_LARGE)
    # Counting takes longer than all the other checks, and hardly ever has to be done.
    if call.connection.head_bytes_at_most > bounds.header_bytes and (
        sum(len(name) + len(value) + 4 for name, value in request.raw_headers) > bounds.header_bytes
    ):
        return call.refused(Refusal.HEADERS_TOO_LARGE)
    return None


def _doubt(call: Call) -> str:
    """A public sentence about what two readers could understand differently; empty when there is nothing."""
    request, headers = call.request, call.request.headers
    if not HttpVersion10 <= request.version <= HttpVersion11:
        return _VERSION_HINT
    has_coding = "Transfer-Encoding" in headers
    if has_coding and not _is_chunked(call):
        return _CODING_HINT
    call.is_upgrade = is_upgrade(request)
    if call.is_upgrade and (has_coding or call.content_length):
        return _UPGRADE_HINT
    return ""


def can_be_used_again(call: Call, bounds: ClientBounds) -> bool:
    """Whether a refused request leaves the connection fit for the next: its body is here, or small and sure to come."""
    if call.request.method == "CONNECT":
        return False
    if call.request.content.is_eof():
        return True
    length = call.content_length
    is_small = length is not None and length <= bounds.drained_bytes
    return is_small and not call.wants_continue and not call.is_body_taken


def malformed(error: HttpProcessingError, bounds: ClientBounds) -> Refusal:
    """What the parser's complaint means; its text may quote the request, so it goes no further."""
    if isinstance(error, LineTooLong):
        is_target = error.args[1] == bounds.target_bytes
        return Refusal.TARGET_TOO_LONG if is_target else Refusal.HEADERS_TOO_LARGE
    if error.message == _TOO_MANY_FIELDS:
        return Refusal.HEADERS_TOO_LARGE
    return Refusal.BAD_REQUEST


def _expects_continue(call: Call) -> bool:
    """Notes in the call that the client waits for a 100; False if it expects something else."""
    if [value.lower() for value in call.values("Expect")] != ["100-continue"]:
        return False
    # HTTP/1.0 has no interim answers (RFC 9110 §10.1.1).
    is_new = call.request.version >= HttpVersion11
    call.wants_continue = is_new and not call.request.content.is_eof()
    return True


def _is_chunked(call: Call) -> bool:
    codings = [value.lower() for value in call.values("Transfer-Encoding")]
    return codings == ["chunked"] and call.request.version >= HttpVersion11
