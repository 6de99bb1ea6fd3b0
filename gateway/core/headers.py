"""Which header fields cross the gateway, in either direction, and which it writes itself (design §7).

Fields stay bytes, as they came. Message framing is not here: Host, Content-Length and
Transfer-Encoding of a request, and Connection, Upgrade and Transfer-Encoding of either message, are
left to the lane that writes it.
"""

__all__ = ["Arrival", "RawField", "TextField", "request_fields", "response_fields"]

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple, TypeAlias

from gateway.core.tracing import traceparent_ok

RawField: TypeAlias = tuple[bytes, bytes]
TextField: TypeAlias = tuple[str, str]
_Judged: TypeAlias = dict[bytes, list[RawField]]

_HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"http2-settings",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
_FRAMING = frozenset({b"host", b"content-length"})
# The credential; what asks us and not the upstream; what would give the upstream another path,
# method, proxy or client than the ones that were authorised and recorded.
_NEVER_SENT = frozenset(
    {
        b"authorization",
        b"cf-connecting-ip",
        b"expect",
        b"fastly-client-ip",
        b"proxy",
        b"true-client-ip",
        b"x-client-ip",
        b"x-cluster-client-ip",
        b"x-http-method",
        b"x-http-method-override",
        b"x-method-override",
        b"x-original-host",
        b"x-original-method",
        b"x-original-uri",
        b"x-original-url",
        b"x-originating-ip",
        b"x-real-ip",
        b"x-remote-addr",
        b"x-remote-ip",
        b"x-request-id",
        b"x-rewrite-url",
    }
)
_OURS = b"x-keywright-"
_FORWARDED = b"x-forwarded-"
_LIMIT_FIELDS = (b"ratelimit", b"x-ratelimit", _OURS)
_BREAKS_A_FIELD = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_CONTROL_HINT = "A header field contains a control character."


class Arrival(NamedTuple):
    """What the gateway itself knows of a request's way here.

    `peer` is the other end of the connection; `is_trusted` says that it is one of the trusted
    proxies, whose word on earlier hops counts; `scheme` and `host` are as received.
    """

    peer: str
    is_trusted: bool
    scheme: str
    host: str
    request_id: str


# What becomes of a request's field, by its name. No Enum: on CPython 3.11 naming a member takes
# 0.1 us, and every field of every request would pay for it.
_Fate: TypeAlias = Literal["crosses", "stays", "judged"]

# Whether these cross depends on more than their name; so it does for every X-Forwarded-*.
_JUDGED = frozenset({b"connection", b"forwarded", b"traceparent", b"tracestate"})


def request_fields(
    raw: Iterable[RawField],
    arrival: Arrival,
    identity: Sequence[TextField] = (),
    *,
    odd_characters: str = "",
) -> list[RawField] | str:
    """What the upstream gets, in the order received and then ours; or a public sentence why not.

    Neither Host nor framing fields are in it: the lane writes those. `identity` says who asks.
    `odd_characters` are those of `_` and `.` that a field's name may hold; names are compared as
    if they were dashes, for that is what many servers make of them.
    """
    crossing: list[tuple[bytes, bytes, bytes]] = []
    judged: _Judged = {}
    for name, value in raw:
        fate, plain = _fate(name, odd_characters)
        if fate == "crosses":
            crossing.append((plain, name, value))
        elif fate == "judged":
            judged.setdefault(plain, []).append((name, value))
    named = _named([value for _, value in judged.pop(b"connection", ())])
    fields = [(name, value) for plain, name, value in crossing if plain not in named]
    fields += _trace(judged, named)
    fields += _forwarded(judged, arrival)
    fields += [(name.encode(), value.encode()) for name, value in identity]
    return _checked(fields)


def response_fields(
    raw: Iterable[RawField], ours: Sequence[TextField] = ()
) -> list[RawField] | str:
    """What the client gets: the upstream's end-to-end fields, then `ours`; or why it is not HTTP.

    X-Request-Id, the RateLimit fields and X-Keywright-* are the gateway's to say, so the
    upstream's stay behind. Content-Length crosses: an answer to HEAD and a 304 need it.
    """
    rows = [(_plain(name), name, value) for name, value in raw]
    named = _named([value for plain, _, value in rows if plain == b"connection"])
    fields = [
        (name, value)
        for plain, name, value in rows
        if plain not in named and not _is_said_by_us(plain)
    ]
    fields += [(name.encode(), value.encode()) for name, value in ours]
    return _checked(fields)


# By the name as it was spelt: clients spell alike, so nearly every look-up is a hit.
@lru_cache(maxsize=512)
def _fate(name: bytes, odd_characters: str) -> tuple[_Fate, bytes]:
    """What becomes of a field, and its name in the form in which names are compared."""
    plain = _plain(name)
    is_odd = (b"_" in name and "_" not in odd_characters) or (
        b"." in name and "." not in odd_characters
    )
    if is_odd or _is_kept_back(plain):
        return "stays", plain
    if plain not in _JUDGED and not plain.startswith(_FORWARDED):
        return "crosses", plain
    # An odd spelling of a name that means something here is not that field, and must not reach
    # an upstream that would take it for it.
    return ("judged" if plain == name.lower() else "stays"), plain


def _is_kept_back(plain: bytes) -> bool:
    return (
        plain in _NEVER_SENT
        or plain in _FRAMING
        or (plain in _HOP_BY_HOP and plain != b"connection")
        or plain.startswith(_OURS)
    )


@lru_cache(maxsize=512)
def _is_said_by_us(plain: bytes) -> bool:
    """Whether a field of an answer is the connection's or the gateway's, not the upstream's."""
    return plain in _HOP_BY_HOP or plain == b"x-request-id" or plain.startswith(_LIMIT_FIELDS)


def _named(connection: Iterable[bytes]) -> frozenset[bytes]:
    """The field names that Connection declares hop-by-hop; framing cannot be declared away."""
    names = {_plain(name.strip()) for value in connection for name in value.split(b",")}
    return frozenset(names - _FRAMING)


@lru_cache(maxsize=512)
def _plain(name: bytes) -> bytes:
    """The form in which names are compared: letter case, `_` and `.` make no difference."""
    return name.lower().replace(b"_", b"-").replace(b".", b"-")


def _trace(judged: _Judged, named: frozenset[bytes]) -> list[RawField]:
    """The client's trace if it is one and valid; its state only together with it."""
    parents = judged.pop(b"traceparent", [])
    states = judged.pop(b"tracestate", [])
    is_valid = len(parents) == 1 and traceparent_ok(parents[0][1].decode("latin-1"))
    if not is_valid or b"traceparent" in named:
        return []
    return parents if b"tracestate" in named else parents + states


def _forwarded(judged: _Judged, arrival: Arrival) -> list[RawField]:
    """What is said of the way here: on a trusted proxy's word and ours, or on ours alone."""
    said = judged if arrival.is_trusted else {}
    hops = [value for _, value in said.pop(b"x-forwarded-for", ())]
    # A proxy that adds instead of replacing leaves the client's own word in front of its.
    protos = [arrival.scheme.encode(), *(v for _, v in said.pop(b"x-forwarded-proto", ()))]
    hosts = [arrival.host.encode(), *(v for _, v in said.pop(b"x-forwarded-host", ()))]
    return [
        *(field for fields in said.values() for field in fields),
        (b"X-Forwarded-For", b", ".join([*hops, arrival.peer.encode()])),
        (b"X-Forwarded-Proto", protos[-1]),
        (b"X-Forwarded-Host", hosts[-1]),
        (b"X-Request-Id", arrival.request_id.encode()),
    ]


def _checked(fields: list[RawField]) -> list[RawField] | str:
    """`fields`, unless one could end early and begin another (parsers have let such pass before)."""
    together = b"".join([part for field in fields for part in field])
    return _CONTROL_HINT if _BREAKS_A_FIELD.search(together) else fields
