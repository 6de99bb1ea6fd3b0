"""Which header fields cross the gateway, in either direction, and which it writes itself (design §7).

Fields stay bytes, as they came. Message framing is not here: Host, Content-Length and
Transfer-Encoding of a request, and Connection, Upgrade and Transfer-Encoding of either message, are
left to the lane that writes it.
"""

__all__ = ["Arrival", "RawField", "TextField", "request_fields", "response_fields"]

import enum
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from gateway.core.tracing import traceparent_ok

RawField: TypeAlias = tuple[bytes, bytes]
TextField: TypeAlias = tuple[str, str]

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


class _Fate(enum.Enum):
    """What becomes of a request's field, by its name."""

    CROSSES = enum.auto()
    STAYS = enum.auto()
    CONNECTION = enum.auto()
    FORWARDED = enum.auto()
    FORWARDED_FOR = enum.auto()
    FORWARDED_PROTO = enum.auto()
    FORWARDED_HOST = enum.auto()
    TRACEPARENT = enum.auto()
    TRACESTATE = enum.auto()


_FATES = {
    b"connection": _Fate.CONNECTION,
    b"forwarded": _Fate.FORWARDED,
    b"x-forwarded-for": _Fate.FORWARDED_FOR,
    b"x-forwarded-proto": _Fate.FORWARDED_PROTO,
    b"x-forwarded-host": _Fate.FORWARDED_HOST,
    b"traceparent": _Fate.TRACEPARENT,
    b"tracestate": _Fate.TRACESTATE,
}


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
    kept: list[tuple[bytes, bytes, bytes]] = []
    held: dict[_Fate, list[RawField]] = {}
    for name, value in raw:
        fate, plain = _fate(name, odd_characters)
        if fate is _Fate.CROSSES:
            kept.append((plain, name, value))
        elif fate is not _Fate.STAYS:
            held.setdefault(fate, []).append((name, value))
    named = _named([value for _, value in held.get(_Fate.CONNECTION, ())])
    fields = [(name, value) for plain, name, value in kept if plain not in named]
    fields += _trace(held, named)
    fields += _forwarded(held, arrival)
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
        if plain not in named
        and plain not in _HOP_BY_HOP
        and plain != b"x-request-id"
        and not plain.startswith(_LIMIT_FIELDS)
    ]
    fields += [(name.encode(), value.encode()) for name, value in ours]
    return _checked(fields)


# By the name as it was spelt: clients spell alike, so nearly every look-up is a hit.
@lru_cache(maxsize=2048)
def _fate(name: bytes, odd_characters: str) -> tuple[_Fate, bytes]:
    """What becomes of a field, and its name in the form in which names are compared."""
    lower = name.lower()
    plain = _plain(name)
    special = _FATES.get(plain)
    is_odd = (b"_" in name and "_" not in odd_characters) or (
        b"." in name and "." not in odd_characters
    )
    if special is None and plain.startswith(_FORWARDED):
        special = _Fate.FORWARDED
    # An odd spelling of a name that means something here is not that field, and must not reach
    # an upstream that would take it for it.
    if is_odd or (special is not None and plain != lower) or _is_kept_back(plain):
        return _Fate.STAYS, plain
    return special or _Fate.CROSSES, plain


def _is_kept_back(plain: bytes) -> bool:
    return (
        plain in _NEVER_SENT
        or plain in _FRAMING
        or (plain in _HOP_BY_HOP and plain != b"connection")
        or plain.startswith(_OURS)
    )


def _named(connection: Iterable[bytes]) -> frozenset[bytes]:
    """The field names that Connection declares hop-by-hop; framing cannot be declared away."""
    names = {_plain(name.strip()) for value in connection for name in value.split(b",")}
    return frozenset(names - _FRAMING)


def _plain(name: bytes) -> bytes:
    """The form in which names are compared: letter case, `_` and `.` make no difference."""
    return name.lower().replace(b"_", b"-").replace(b".", b"-")


def _trace(held: dict[_Fate, list[RawField]], named: frozenset[bytes]) -> list[RawField]:
    """The client's trace if it is one and valid; its state only together with it."""
    parents = held.get(_Fate.TRACEPARENT, [])
    if len(parents) != 1 or not traceparent_ok(parents[0][1].decode("latin-1")):
        return []
    trace = parents + held.get(_Fate.TRACESTATE, [])
    return [(name, value) for name, value in trace if _plain(name) not in named]


def _forwarded(held: dict[_Fate, list[RawField]], arrival: Arrival) -> list[RawField]:
    """What is said of the way here: on a trusted proxy's word and ours, or on ours alone."""
    chain, proto, host = [arrival.peer.encode()], arrival.scheme.encode(), arrival.host.encode()
    fields: list[RawField] = []
    if arrival.is_trusted:
        fields += held.get(_Fate.FORWARDED, [])
        chain = [value for _, value in held.get(_Fate.FORWARDED_FOR, ())] + chain
        # A proxy that adds instead of replacing leaves the client's own word in front of its.
        proto = held.get(_Fate.FORWARDED_PROTO, [(b"", proto)])[-1][1]
        host = held.get(_Fate.FORWARDED_HOST, [(b"", host)])[-1][1]
    fields += [
        (b"X-Forwarded-For", b", ".join(chain)),
        (b"X-Forwarded-Proto", proto),
        (b"X-Forwarded-Host", host),
        (b"X-Request-Id", arrival.request_id.encode()),
    ]
    return fields


def _checked(fields: list[RawField]) -> list[RawField] | str:
    """`fields`, unless one could end early and begin another (parsers have let such pass before)."""
    together = b"".join([part for field in fields for part in field])
    return _CONTROL_HINT if _BREAKS_A_FIELD.search(together) else fields
