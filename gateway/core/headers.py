"""Which header fields cross the gateway, in either direction, and which it writes itself (design §7).

Fields stay bytes, as they came, and leave as the lines of a message: this is what every request pays
for twice. Message framing is not here: Host, Content-Length and Transfer-Encoding of a request, and
Connection, Upgrade and Transfer-Encoding of either message, are left to the lane that writes it.
"""

__all__ = [
    "Arrival",
    "Lines",
    "RawField",
    "RequestNames",
    "TextField",
    "crossing_lines",
    "field_lines",
    "lines_of",
    "request_lines",
    "response_lines",
]

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final, Literal, NamedTuple, NewType, TypeAlias

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
# All that a field line may hold, but for its end.
_PLAIN: Final = bytes([0x09, *range(0x20, 0x7F), *range(0x80, 0x100)])
_CRLF: Final = b"\r\n"
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


# What becomes of a field, by its name. No Enum: on CPython 3.11 naming a member takes 0.1 us, and
# every field of every request would pay for it.
_Fate: TypeAlias = Literal["crosses", "stays", "judged"]

# Whether these cross depends on more than their name; so it does for every X-Forwarded-*.
_JUDGED = frozenset({b"connection", b"forwarded", b"traceparent", b"tracestate"})

_NAMES_KEPT = 1024


class _Name(NamedTuple):
    """A field's name as it was spelt: what becomes of it, its plain form, and how its line begins."""

    fate: _Fate
    plain: bytes
    start: bytes


class RequestNames(dict[bytes, _Name]):
    """What becomes of a request's field, by its name as it was spelt: nearly every look-up is a hit.

    A configuration has one of these, and keeps it: clients spell alike.
    """

    def __init__(self, odd_characters: str = "", kept_back: Iterable[str] = ()) -> None:
        """`odd_characters` are those of `_` and `.` that a name may hold; `kept_back` never cross.

        Names are compared as if both were dashes, for that is what many servers make of them.
        """
        super().__init__()
        self._odd_characters = odd_characters
        self._kept_back = frozenset(_plain(name.encode()) for name in kept_back)

    def __missing__(self, name: bytes) -> _Name:
        """Judge it, and remember a bounded number of judgements."""
        if len(self) >= _NAMES_KEPT:
            self.clear()
        fate, plain = _fate(name, self._odd_characters)
        if plain in self._kept_back:
            fate = "stays"
        found = self[name] = _Name(fate, plain, name + b": ")
        return found


class _ResponseNames(dict[bytes, _Name]):
    """The same for answers; what is the connection's or the gateway's to say stays behind."""

    def __missing__(self, name: bytes) -> _Name:
        if len(self) >= _NAMES_KEPT:
            self.clear()
        plain = _plain(name)
        fate: _Fate = "stays" if _is_said_by_us(plain) else "crosses"
        if plain == b"connection":
            fate = "judged"
        found = self[name] = _Name(fate, plain, name + b": ")
        return found


_REQUEST_NAMES: Final = RequestNames()
_RESPONSE_NAMES: Final = _ResponseNames()


# Field lines that are made once and sent often; they are what they seem to be, none more and none fewer.
Lines = NewType("Lines", bytes)

_NO_LINES: Final = Lines(b"")


def lines_of(fields: Sequence[TextField]) -> Lines:
    """The lines of `fields`. Raises ValueError if one could end early and begin another."""
    text = "".join([f"{name}: {value}\r\n" for name, value in fields]).encode()
    if not _are_whole(text, len(fields)):
        raise ValueError(_CONTROL_HINT)
    return Lines(text)


def field_lines(fields: Iterable[RawField]) -> bytes:
    """The fields as they stand in a message, each with its CRLF; unchecked."""
    return b"".join([b"%b: %b\r\n" % field for field in fields])


def request_lines(
    raw: Sequence[RawField],
    arrival: Arrival,
    identity: Lines = _NO_LINES,
    names: RequestNames = _REQUEST_NAMES,
) -> bytes | str:
    """The lines that the upstream gets, in the order received and then ours; or a public sentence why not.

    Neither Host nor framing fields are in it: the lane writes those. `identity` are the lines that say
    who asks; `names` tell which fields may cross.
    """
    lines = crossing_lines(raw, arrival, names)
    if isinstance(lines, str):
        return lines
    return b"%bX-Request-Id: %b\r\n%b" % (lines, arrival.request_id.encode(), identity)


def crossing_lines(
    raw: Sequence[RawField], arrival: Arrival, names: RequestNames = _REQUEST_NAMES
) -> bytes | str:
    """The first part of `request_lines`: all that follows from the fields and the connection alone."""
    lines: list[bytes] = []
    for name, value in raw:
        fate, plain, start = names[name]
        if fate == "crosses":
            lines.append(start + value)
        elif fate == "judged" and (plain != b"connection" or _names_in(value)):
            return _judged_lines(raw, arrival, names)
    lines += _own_lines(arrival)
    return _joined(lines)


def _judged_lines(raw: Sequence[RawField], arrival: Arrival, names: RequestNames) -> bytes | str:
    """The same where some fields have to be looked at."""
    crossing: list[tuple[_Name, bytes]] = []
    judged: _Judged = {}
    for name, value in raw:
        known = names[name]
        if known.fate == "crosses":
            crossing.append((known, value))
        elif known.fate == "judged":
            judged.setdefault(known.plain, []).append((name, value))
    named = _named([value for _, value in judged.pop(b"connection", ())])
    lines = [known.start + value for known, value in crossing if known.plain not in named]
    fields = _trace(judged, named) + _forwarded(judged, arrival)
    return _joined([*lines, *(b"%b: %b" % field for field in fields)])


def response_lines(raw: Sequence[RawField], ours: bytes = b"") -> bytes | str:
    """The lines that the client gets: the upstream's end-to-end fields, then `ours`; or why it is not HTTP.

    X-Request-Id, the RateLimit fields and X-Keywright-* are the gateway's to say, so the
    upstream's stay behind. Content-Length crosses: an answer to HEAD and a 304 need it.
    """
    lines: list[bytes] = []
    for name, value in raw:
        fate, _, start = _RESPONSE_NAMES[name]
        if fate == "crosses":
            lines.append(start + value)
        elif fate == "judged" and _names_in(value):
            return _without_named(raw, ours)
    return _joined(lines, ours)


def _without_named(raw: Sequence[RawField], ours: bytes) -> bytes | str:
    """The same for an answer whose Connection field declares others hop-by-hop."""
    known = [(_RESPONSE_NAMES[name], value) for name, value in raw]
    named = _named([value for name, value in known if name.fate == "judged"])
    lines = [
        name.start + value
        for name, value in known
        if name.fate == "crosses" and name.plain not in named
    ]
    return _joined(lines, ours)


def _fate(name: bytes, odd_characters: str) -> tuple[_Fate, bytes]:
    """What becomes of a request's field, and its name in the form in which names are compared."""
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


def _is_said_by_us(plain: bytes) -> bool:
    """Whether a field of an answer is the connection's or the gateway's, not the upstream's."""
    return plain in _HOP_BY_HOP or plain == b"x-request-id" or plain.startswith(_LIMIT_FIELDS)


def _named(connection: Sequence[bytes]) -> frozenset[bytes]:
    """The field names that Connection declares hop-by-hop; framing cannot be declared away."""
    return _names_in(connection[0]) if len(connection) == 1 else _names_in(b",".join(connection))


@lru_cache(maxsize=64)
def _names_in(value: bytes) -> frozenset[bytes]:
    """Those that are options of the connection itself are no field's name in practice."""
    names = {_plain(name.strip()) for name in value.split(b",")}
    return frozenset(names - _FRAMING - {b"", b"keep-alive", b"close"})


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
    ]


def _own_lines(arrival: Arrival) -> Sequence[bytes]:
    """The same for a peer whose word does not count and who said nothing: by far the most frequent case."""
    peer, _, scheme, host, _ = arrival
    return (
        f"X-Forwarded-For: {peer}".encode(),
        f"X-Forwarded-Proto: {scheme}".encode(),
        f"X-Forwarded-Host: {host}".encode(),
    )


def _joined(lines: list[bytes], ours: bytes = b"") -> bytes | str:
    """All lines, and `ours` behind them, unless one of `lines` holds what no line may."""
    lines.append(b"")
    text = _CRLF.join(lines)
    return text + ours if _are_whole(text, len(lines) - 1) else _CONTROL_HINT


def _are_whole(text: bytes, count: int) -> bool:
    """Whether none of so many lines could end early and begin another (parsers have let such pass before)."""
    # In one pass: without its plain characters, what is left of each line is its end.
    return text.translate(None, _PLAIN) == _CRLF * count
