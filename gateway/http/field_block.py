"""What the header fields of a request say, worked out once: a client says the same again and again on a connection."""

__all__ = ["FieldBlock"]

from typing import Final

from aiohttp.http_parser import RawRequestMessage

from gateway.core.credential import Presented
from gateway.core.headers import Arrival, crossing_lines
from gateway.http.front import Front

_SCHEME: Final = "http"


class FieldBlock:
    """The fields of a request whose head was parsed, as far as the express lane needs them.

    `lines` are what the upstream gets of them (or why it gets nothing), up to the request's id; `sent_id` is the
    id that the client chose; `address` is the client's, past trusted proxies.
    """

    __slots__ = ("address", "has_length", "host", "lines", "origin", "presented", "sent_id")

    def __init__(
        self,
        head: RawRequestMessage,
        front: Front,
        peer: str,
        address: str,
        *,
        is_trusted: bool,
    ) -> None:
        """Nothing is judged here; `address` is what counts for a peer whose word on earlier hops does not."""
        headers, terms = head.headers, front.terms
        self.host = headers.get("Host")
        self.presented = Presented(
            tuple(headers.getall("Authorization", ())), *terms.places.sent(headers)
        )
        self.origin = headers.get("Origin")
        self.sent_id = headers.get("X-Request-Id")
        self.has_length = "Content-Length" in headers
        self.address = address
        if is_trusted:
            self.address = front.address(peer, headers.getall("X-Forwarded-For", ()))
        arrival = Arrival(peer, is_trusted, _SCHEME, self.host or "", "")
        self.lines = crossing_lines(head.raw_headers, arrival, terms.names)
