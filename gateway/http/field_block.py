"""What the header fields of a request say, worked out once: a client says the same again and again on a connection."""

__all__ = ["FieldBlock", "Peer", "RequestHead", "RequestParser"]

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from aiohttp import HttpVersion
from aiohttp.streams import StreamReader
from multidict import CIMultiDictProxy

from gateway.core.credential import Presented
from gateway.core.headers import Arrival, crossing_lines
from gateway.core.places import Places
from gateway.http.front import Front
from gateway.upstream.wire import Head

_SCHEME: Final = "http"


class RequestHead(Head, Protocol):
    """The head of a request."""

    @property
    def method(self) -> str:
        """As it came."""
        ...

    @property
    def path(self) -> str:
        """The target, as it came."""
        ...

    @property
    def version(self) -> HttpVersion:
        """Of HTTP."""
        ...

    @property
    def upgrade(self) -> bool:
        """Whether it asks for another protocol."""
        ...


class RequestParser(Protocol):
    """aiohttp's parser of requests, as far as it is used here."""

    def feed_data(
        self, data: bytes
    ) -> tuple[Sequence[tuple[RequestHead, StreamReader]], bool, bytes]:
        """What the bytes complete: heads with their bodies, whether the protocol changes, and what is left."""
        ...


class Peer(NamedTuple):
    """The other end of a connection; `address` is the client's, unless a trusted one says another in its fields."""

    name: str
    address: str
    is_trusted: bool


class FieldBlock:
    """The fields of a request whose head was parsed, as far as the express lane needs them.

    `lines` are what the upstream gets of them (or why it gets nothing), up to the request's id; `sent_id` is the
    id that the client chose; `address` is the client's, past trusted proxies.
    """

    __slots__ = ("address", "has_length", "host", "lines", "origin", "presented", "sent_id")

    def __init__(
        self, head: RequestHead, front: Front, peer: Peer, before: "FieldBlock | None" = None
    ) -> None:
        """Nothing is judged here.

        `before` are the fields of an earlier request on this connection: nearly always it presented the same.
        """
        headers, terms = head.headers, front.terms
        self.host = headers.get("Host")
        self.presented = _presented(headers, terms.places, before)
        self.origin = headers.get("Origin")
        self.sent_id = headers.get("X-Request-Id")
        self.has_length = "Content-Length" in headers
        self.address = peer.address
        if peer.is_trusted:
            self.address = front.address(peer.name, headers.getall("X-Forwarded-For", ()))
        arrival = Arrival(peer.name, peer.is_trusted, _SCHEME, self.host or "", "")
        self.lines = crossing_lines(head.raw_headers, arrival, terms.names)


def _presented(
    headers: CIMultiDictProxy[str], places: Places, before: FieldBlock | None
) -> Presented:
    sent = (tuple(headers.getall("Authorization", ())), *places.sent(headers))
    if before is not None and before.presented.holds(*sent):
        return before.presented
    return Presented(*sent)
