"""Which fields cross, and which the gateway writes itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.headers import (
    Arrival,
    RawField,
    RequestNames,
    lines_of,
    request_lines,
    response_lines,
)

UNTRUSTED = Arrival("192.0.2.1", is_trusted=False, scheme="http", host="h:80", request_id="r-1")
TRUSTED = UNTRUSTED._replace(peer="10.0.0.1", is_trusted=True)
IDENTITY = lines_of((("X-Keywright-Key-Id", "key_1"), ("X-Keywright-Scopes", "read-only dns-only")))
OURS = [
    "X-Forwarded-For: 192.0.2.1",
    "X-Forwarded-Proto: http",
    "X-Forwarded-Host: h:80",
    "X-Request-Id: r-1",
    "X-Keywright-Key-Id: key_1",
    "X-Keywright-Scopes: read-only dns-only",
]
TRACEPARENT = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def raw(lines: list[str]) -> list[RawField]:
    """`Name: value` lines as a parser gives them."""
    pairs = [line.encode().partition(b": ") for line in lines]
    return [(name, value) for name, _, value in pairs]


def lines(sent: bytes | str) -> list[str]:
    """The lines of a message, without their ends."""
    assert not isinstance(sent, str)
    assert sent.endswith(b"\r\n")
    return sent.decode("latin-1").split("\r\n")[:-1]


@pytest.mark.parametrize(
    "line",
    [
        "Host: evil.example",
        "Content-Length: 5",
        "Transfer-Encoding: chunked",
        "Authorization: Bearer secret",
        "AUTHORIZATION: Basic secret",
        "X-Keywright-Key-Id: attacker",
        "x-keywright-scopes: attacker",
        "X-Keywright-Something-New: attacker",
        "X_Keywright_Key_Id: attacker",
        "X.Keywright.Key.Id: attacker",
        "X-Keywright_Scopes: attacker",
        "X-Request-Id: attacker",
        "Keep-Alive: timeout=99",
        "Proxy-Authorization: Basic eA==",
        "Proxy-Authenticate: Basic",
        "Proxy-Connection: keep-alive",
        "TE: trailers, deflate",
        "Trailer: X-A",
        "Upgrade: h2c",
        "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
        "Connection: close",
        "Expect: 100-continue",
        "Proxy: http://127.0.0.1:19099",
        "X-Original-URL: /adm/x",
        "X-Rewrite-URL: /adm/x",
        "X-HTTP-Method-Override: DELETE",
        "X-Method-Override: DELETE",
        "X-HTTP-Method: DELETE",
        "X-Real-IP: 203.0.113.9",
        "True-Client-IP: 203.0.113.9",
        "CF-Connecting-IP: 203.0.113.9",
        "X-Client-IP: 203.0.113.9",
        "Forwarded: for=203.0.113.9",
        "X-Forwarded-For: 203.0.113.9",
        "X-Forwarded-Host: evil.example",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Prefix: /adm",
        "X-Forwarded-Uri: /health",
        "X_Forwarded_For: 203.0.113.9",
        "X_Anything: 1",
        "X.Anything: 1",
        "traceparent: 00-0-0-00",
        "tracestate: vendor=1",
    ],
)
def test_what_a_client_may_not_say_stays_here(line: str) -> None:
    """The upstream never sees the credential, nor a client's word on who, whence or where to."""
    fields = request_lines(raw(["Accept: */*", line, "Accept-Language: de"]), UNTRUSTED, IDENTITY)

    assert lines(fields) == ["Accept: */*", "Accept-Language: de", *OURS]


def test_the_rest_crosses_as_it_came() -> None:
    """Order, spelling, repetition and bytes of end-to-end fields are the client's affair."""
    sent: list[RawField] = [
        (b"accept", b"*/*"),
        (b"COOKIE", b"a=b"),
        (b"X-A", b"1"),
        (b"x-a", b""),
        (b"X-Obs", b"caf\xe9"),
        (b"Via", b"1.1 edge"),
        (b"Range", b"bytes=0-1"),
        (b"X-Forward", b"no address"),
    ]
    fields = request_lines(sent, UNTRUSTED)

    assert not isinstance(fields, str)
    assert fields.startswith(b"".join([b"%b: %b\r\n" % field for field in sent]))


@pytest.mark.parametrize(
    ("sent", "crosses"),
    [
        pytest.param(["Connection: X-Private", "X-Private: 1"], [], id="H06-named"),
        pytest.param(["X-Private: 1", "connection: x-PRIVATE"], [], id="named-later-in-any-case"),
        pytest.param(["Connection: a, b", "A: 1", "B: 2", "C: 3"], ["C: 3"], id="several"),
        pytest.param(["Connection: a", "Connection: ,b ,", "A: 1", "B: 2"], [], id="two-fields"),
        pytest.param(["Connection: Cookie, Authorization", "Cookie: a=b"], [], id="H55-cookie"),
        pytest.param(
            ["Connection: X-Keywright-Key-Id, X-Keywright-Scopes"], [], id="H03-the-identity"
        ),
        pytest.param(["Connection: x-forwarded-for, X-Real-IP"], [], id="H04-the-address"),
        pytest.param(["Connection: X-Request-Id, x-forwarded-host"], [], id="the-request-id"),
        pytest.param(["Connection: traceparent", TRACEPARENT, "tracestate: v=1"], [], id="trace"),
        pytest.param(
            ["Connection: tracestate", TRACEPARENT, "tracestate: v=1"], [TRACEPARENT], id="state"
        ),
    ],
)
def test_connection_names_only_the_clients_own(sent: list[str], crosses: list[str]) -> None:
    """What Connection names goes, but nobody can name away what the gateway says (CVE-2024-45410)."""
    assert lines(request_lines(raw(sent), UNTRUSTED, IDENTITY)) == [*crosses, *OURS]


@pytest.mark.parametrize(
    ("sent", "crosses"),
    [
        pytest.param(["X-Forwarded-For: 203.0.113.9"], ["X-Forwarded-For: 203.0.113.9, 10.0.0.1"]),
        pytest.param(
            ["X-Forwarded-For: a", "X-Forwarded-For: b, c"], ["X-Forwarded-For: a, b, c, 10.0.0.1"]
        ),
        pytest.param(["X-Forwarded-Proto: https"], ["X-Forwarded-Proto: https"]),
        pytest.param(
            ["X-Forwarded-Proto: http", "X-Forwarded-Proto: https"], ["X-Forwarded-Proto: https"]
        ),
        pytest.param(["X-Forwarded-Host: api.example"], ["X-Forwarded-Host: api.example"]),
        pytest.param(["X-Forwarded-Port: 443"], ["X-Forwarded-Port: 443"]),
        pytest.param(["Forwarded: for=203.0.113.9"], ["Forwarded: for=203.0.113.9"]),
        pytest.param(["X-Real-IP: 203.0.113.9"], []),
        pytest.param(["X_Forwarded_Proto: https"], []),
    ],
)
def test_a_trusted_proxy_is_believed(sent: list[str], crosses: list[str]) -> None:
    """Behind a load balancer the upstream still learns the client's address and scheme."""
    defaults = {
        "X-Forwarded-For": "10.0.0.1",
        "X-Forwarded-Proto": "http",
        "X-Forwarded-Host": "h:80",
        "X-Request-Id": "r-1",
    }
    expected = {**defaults, **dict(line.split(": ", 1) for line in crosses)}
    found = [line.split(": ", 1) for line in lines(request_lines(raw(sent), TRUSTED))]

    assert dict(found) == expected
    assert len(found) == len(expected)


@pytest.mark.parametrize(
    ("sent", "crosses"),
    [
        pytest.param([TRACEPARENT], [TRACEPARENT], id="valid"),
        pytest.param(
            [TRACEPARENT, "tracestate: a=1", "Tracestate: b=2"],
            [TRACEPARENT, "tracestate: a=1", "Tracestate: b=2"],
            id="with-state",
        ),
        pytest.param([TRACEPARENT, TRACEPARENT], [], id="two"),
        pytest.param(["traceparent: 00-x", "tracestate: a=1"], [], id="state-without-a-trace"),
    ],
)
def test_a_trace_crosses_when_valid(sent: list[str], crosses: list[str]) -> None:
    """A client's trace goes on through the gateway; a broken one ends here, state and all."""
    assert lines(request_lines(raw(sent), UNTRUSTED, IDENTITY)) == [*crosses, *OURS]


@pytest.mark.parametrize(
    ("odd", "sent", "crosses"),
    [
        pytest.param("_", "X_Tenant: 1", True, id="underscore-allowed"),
        pytest.param("_", "X.Tenant: 1", False, id="dot-not"),
        pytest.param("_.", "X.Ten_ant: 1", True, id="both-allowed"),
        pytest.param("_.", "X_Keywright_Key_Id: attacker", False, id="H02-identity-never"),
        pytest.param("_.", "X_Forwarded.For: 203.0.113.9", False, id="forwarded-never"),
        pytest.param("_.", "X_Real_IP: 203.0.113.9", False, id="address-never"),
        pytest.param("_.", "Content_Length: 5", False, id="framing-never"),
        pytest.param("_.", "Transfer_Encoding: chunked", False, id="coding-never"),
        pytest.param("_.", "Author_ization: Bearer secret", True, id="another-name"),
    ],
)
def test_odd_names_when_configured(odd: str, sent: str, crosses: bool) -> None:
    """An upstream that needs X_Tenant can have it, without that opening a way to speak for us."""
    found = lines(request_lines(raw([sent]), UNTRUSTED, IDENTITY, RequestNames(odd)))

    assert found == ([sent, *OURS] if crosses else OURS)


@pytest.mark.parametrize("odd", ["", "_."])
@pytest.mark.parametrize(
    "name", ["X-API-Key", "x-api-key", "X_API_KEY", "X.Api.Key", "X-API_Secret", "x-api-secret"]
)
def test_a_header_that_carries_keys_stays_here(name: str, odd: str) -> None:
    """No spelling of it that an upstream could take for the header brings a key there."""
    names = RequestNames(odd, ["x_api-KEY", "X-API-Secret"])
    sent = raw(["Accept: */*", f"{name}: secret", "X-API-Keys: 1"])

    assert lines(request_lines(sent, UNTRUSTED, IDENTITY, names)) == [
        "Accept: */*",
        "X-API-Keys: 1",
        *OURS,
    ]


@pytest.mark.parametrize("name", ["X_Forwarded_For", "X-Forwarded_Proto", "X.Forwarded.Host"])
def test_a_trusted_proxy_spells_its_fields(name: str) -> None:
    """A client's odd spelling of a field does not pass a trusted proxy as that proxy's word."""
    sent = raw([f"{name}: attacker"])

    assert request_lines(sent, TRUSTED, names=RequestNames("_.")) == request_lines([], TRUSTED)


@pytest.mark.parametrize("bad", ["a\rb", "a\nb", "a\0b", "a\x01b", "a\x7fb", "a\r\nX-B: 1"])
def test_a_field_cannot_become_two(bad: str) -> None:
    """No value, whoever wrote it, breaks out of its line; a tab and any text do no harm."""
    sent = [(b"X-A", bad.encode())]

    assert isinstance(request_lines(sent, UNTRUSTED), str)
    assert isinstance(request_lines([], UNTRUSTED._replace(host=bad)), str)
    assert isinstance(response_lines(sent), str)
    with pytest.raises(ValueError, match="control character"):
        lines_of([("X-Keywright-Scopes", bad)])
    assert isinstance(response_lines([(b"X-A", "a\té".encode())]), bytes)


@pytest.mark.parametrize(
    "line",
    [
        "Connection: close",
        "Keep-Alive: timeout=5",
        "Proxy-Connection: keep-alive",
        "Proxy-Authenticate: Basic",
        "Transfer-Encoding: chunked",
        "Trailer: X-A",
        "TE: trailers",
        "Upgrade: h2c",
        "X-Request-Id: theirs",
        "RateLimit: theirs",
        "RateLimit-Policy: theirs",
        "RateLimit-Remaining: theirs",
        "X-RateLimit-Limit: theirs",
        "x-keywright-anything: theirs",
    ],
)
def test_what_an_upstream_may_not_say(line: str) -> None:
    """A client learns its limits and request id from the gateway alone; hop-by-hop ends here (R13)."""
    sent = ["Server: theirs", line, "Content-Length: 3"]
    fields = response_lines(raw(sent), lines_of([("X-Request-Id", "r-1"), ("RateLimit", "ours")]))

    assert lines(fields) == [
        "Server: theirs",
        "Content-Length: 3",
        "X-Request-Id: r-1",
        "RateLimit: ours",
    ]


def test_an_answers_connection_field() -> None:
    """What the upstream's Connection names goes (R13), but neither framing nor our own word does."""
    sent = ["Connection: X-Hop-Secret, Content-Length, X-Request-Id", "X-Hop-Secret: 1"]
    fields = response_lines(
        raw([*sent, "Set-Cookie: a=1", "Set-Cookie: b=2", "Content-Length: 3", "Retry-After: 9"]),
        lines_of([("X-Request-Id", "r-1")]),
    )

    assert lines(fields) == [
        "Set-Cookie: a=1",
        "Set-Cookie: b=2",
        "Content-Length: 3",
        "Retry-After: 9",
        "X-Request-Id: r-1",
    ]


NAMES = st.sampled_from(
    [
        "Connection",
        "X-Keywright-Key-Id",
        "x_keywright_key_id",
        "X-Forwarded-For",
        "X-Request-Id",
        "Host",
        "Forwarded",
        "Authorization",
        "X-KEYWRIGHT.KEY-ID",
        "Transfer-Encoding",
        "Accept",
        "X-Forwarded-Proto",
        "traceparent",
    ]
)


@given(
    sent=st.lists(st.tuples(NAMES, st.one_of(NAMES, st.just("attacker"))), max_size=8),
    odd=st.sampled_from(["", "_", ".", "_."]),
)
def test_ours_is_whole_and_single(sent: list[tuple[str, str]], odd: str) -> None:
    """Whatever a client sends, the upstream finds each of our fields once, with our value."""
    fields = request_lines(
        [(name.encode(), value.encode()) for name, value in sent],
        UNTRUSTED,
        IDENTITY,
        RequestNames(odd),
    )
    assert not isinstance(fields, str)
    found = lines(fields)
    names = [line.partition(": ")[0] for line in found]
    plain = [name.lower().replace("_", "-").replace(".", "-") for name in names]

    assert found[-len(OURS) :] == OURS
    assert set(plain[: -len(OURS)]) <= {"accept"}
