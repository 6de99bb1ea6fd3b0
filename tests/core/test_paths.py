"""One reading of a target, or a refusal with a public reason."""

import pytest

from gateway.core.paths import CanonicalTarget, canonical, is_host

HOST = "127.0.0.1:8080"


@pytest.mark.parametrize(
    ("target", "segments"),
    [
        pytest.param("/", (), id="root"),
        pytest.param("/pub/x", ("pub", "x"), id="plain"),
        pytest.param("/pub/x/", ("pub", "x"), id="trailing-slash"),
        pytest.param("/%61dm/x", ("adm", "x"), id="P10-encoded-letter"),
        pytest.param("/ADM/x", ("ADM", "x"), id="P09-capitals"),
        pytest.param("/adm;v=1/x", ("adm;v=1", "x"), id="P11-parameter"),
        pytest.param("/pub/x?/../../adm/x", ("pub", "x"), id="P13-dots-in-the-query"),
        pytest.param("/pub/q?a=1&a=2&b=%2B+%26&c=&d", ("pub", "q"), id="P19-query"),
        pytest.param("/pub/q?next=%2F%00%25%32e", ("pub", "q"), id="anything-encoded-in-the-query"),
        pytest.param("/pub/a%20b%3Fc%C3%A9", ("pub", "a b?cé"), id="P18-legitimate-escapes"),
        pytest.param("/.well-known/x", (".well-known", "x"), id="dot-at-the-start-of-a-name"),
        pytest.param("/a/...", ("a", "..."), id="three-dots"),
        pytest.param("/a/x..", ("a", "x.."), id="dots-at-the-end-of-a-name"),
        pytest.param("/a/100%25", ("a", "100%"), id="a-percent-sign"),
        pytest.param("/app/;jsessionid=1", ("app", ";jsessionid=1"), id="last-only-parameters"),
        pytest.param("/a/{x}|[y]", ("a", "{x}|[y]"), id="printable-though-unusual"),
        pytest.param("/q?", ("q",), id="empty-query"),
    ],
)
def test_a_clear_target_is_taken_as_it_is(target: str, segments: tuple[str, ...]) -> None:
    """What is authorised is decoded once; what is forwarded is what came, byte for byte."""
    found = canonical(target, HOST)

    assert isinstance(found, CanonicalTarget)
    assert (found.segments, found.origin_form) == (segments, target)
    assert (found.path, found.query) == (target.partition("?")[0], target.partition("?")[2])


@pytest.mark.parametrize(
    ("target", "hint"),
    [
        pytest.param("/pub/../adm/x", "dot segment", id="P02"),
        pytest.param("/pub/%2e%2e/adm/x", "dot segment", id="P03"),
        pytest.param("/pub/.%2E/adm/x", "dot segment", id="P03-half"),
        pytest.param("/pub/..%2fadm/x", "encoded slash", id="P04"),
        pytest.param("//adm/x", "empty segment", id="P05"),
        pytest.param("/pub/..;/adm/x", "dot segment", id="P06"),
        pytest.param("/pub/..;a=b/adm/x", "dot segment", id="P06-with-a-value"),
        pytest.param("/pub/..%3B/adm/x", "dot segment", id="P06-encoded"),
        pytest.param("/pub/%252e%252e/adm/x", "twice", id="P07"),
        pytest.param("/pub/%25%32%65%25%32%65/adm/x", "twice", id="P07-every-letter"),
        pytest.param("/pub/..\\adm\\x", "backslash", id="P08"),
        pytest.param("/pub/..%5cadm%5Cx", "backslash", id="P08-encoded"),
        pytest.param("/pub/x#/../../adm/x", "fragment", id="P12"),
        pytest.param("/pub/x?a#b", "fragment", id="P12-in-the-query"),
        pytest.param("/adm%00/x", "control", id="P17"),
        pytest.param("@127.0.0.1:19099/x", "slash", id="P21"),
        pytest.param("/pub//../adm/x", "dot segment", id="P52"),
        pytest.param("/./adm/x", "dot segment", id="P58"),
        pytest.param("/adm%2fx", "encoded slash", id="P61"),
        pytest.param("/adm/.", "dot segment", id="P68"),
        pytest.param("/pub/é", "percent-encoded", id="P71"),
        pytest.param("/pub/\udcc3\udca9", "percent-encoded", id="P71-undecodable"),
        pytest.param("/health/../pub/x", "dot segment", id="O01"),
        pytest.param("*", "slash", id="M55"),
        pytest.param("", "slash", id="empty"),
        pytest.param("/pub/\x00x", "percent-encoded", id="M25"),
        pytest.param("/pub/x /adm/x", "percent-encoded", id="M26"),
        pytest.param("/pub/x%20HTTP/1.1%0d%0aHost:%20x", "control", id="M27"),
        pytest.param("/pub/%7f", "control", id="encoded-DEL"),
        pytest.param("/pub/%c2%85", "control", id="encoded-C1"),
        pytest.param("/pub/x?a\x01b", "percent-encoded", id="control-in-the-query"),
        pytest.param("/pub/x?é", "percent-encoded", id="non-ASCII-in-the-query"),
        pytest.param("/pub/%", "incomplete", id="percent-alone"),
        pytest.param("/pub/%zz", "incomplete", id="percent-without-hex"),
        pytest.param("/pub/%u002e", "incomplete", id="percent-u"),
        pytest.param("/pub/%c0%ae%c0%ae/adm", "UTF-8", id="overlong-dots"),
        pytest.param("/pub/%ff", "UTF-8", id="not-UTF-8"),
        pytest.param("/pub/%ED%A0%80", "UTF-8", id="encoded-surrogate"),
        pytest.param("/pub/;x/adm", "empty segment", id="nothing-but-parameters"),
        pytest.param("/pub/..%3Fx", "dot segment", id="dots-before-an-encoded-question-mark"),
        pytest.param("/pub/..%23x", "dot segment", id="dots-before-an-encoded-hash"),
        pytest.param("/pub/%EF%BC%8E%EF%BC%8E/adm", "some servers", id="full-width-dots"),
        pytest.param("/pub%EF%BC%8Fadm", "some servers", id="full-width-slash"),
        pytest.param("/pub/%EF%BC%852e", "some servers", id="full-width-percent"),
        pytest.param("ftp://127.0.0.1:8080/pub", "slash", id="other-scheme"),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(target: str, hint: str) -> None:
    """No party behind the gateway can be talked into another path than the one authorised."""
    found = canonical(target, HOST)

    assert isinstance(found, str)
    assert hint in found


@pytest.mark.parametrize(
    ("target", "host", "origin_form"),
    [
        pytest.param("http://127.0.0.1:8080/adm/x", HOST, "/adm/x", id="P14-same-host"),
        pytest.param("HTTP://API.example/a?b=1", "api.example", "/a?b=1", id="letter-case"),
        pytest.param("https://api.example", "api.example", "/", id="no-path"),
        pytest.param("http://api.example?a=1", "api.example", "/?a=1", id="query-without-path"),
        pytest.param("http://evil.example/pub/M12", HOST, None, id="M12-other-host"),
        pytest.param("http://127.0.0.1:19099/x", HOST, None, id="P20-other-port"),
        pytest.param("http://user@127.0.0.1:8080/x", HOST, None, id="user-part"),
        pytest.param("http:///x", HOST, None, id="no-authority"),
        pytest.param("http://127.0.0.1:8080/x", None, None, id="no-host-field"),
        pytest.param("http://127.0.0.1:8080/../x", HOST, None, id="dots-all-the-same"),
    ],
)
def test_absolute_form_must_agree_with_host(
    target: str, host: str | None, origin_form: str | None
) -> None:
    """There is one truth about the host, and the upstream never sees an absolute target."""
    found = canonical(target, host)

    assert (found.origin_form if isinstance(found, CanonicalTarget) else None) == origin_form


@pytest.mark.parametrize(
    ("target", "segments", "alternatives"),
    [
        pytest.param("/adm%2fx", ("adm/x",), (("adm", "x"),), id="slash-within-a-segment"),
        pytest.param("/a%2F;b", ("a/;b",), (("a",), ("a", ";b")), id="with-parameters"),
        pytest.param("/a%2f%2e%2e/b", None, (), id="dots-behind-it"),
        pytest.param("/a%2f/b", None, (), id="empty-segment-behind-it"),
        pytest.param("/a%5cb", None, (), id="a-backslash-never"),
    ],
)
def test_an_encoded_slash_can_be_allowed(
    target: str, segments: tuple[str, ...] | None, alternatives: tuple[tuple[str, ...], ...]
) -> None:
    """Where allowed, it belongs to its segment, and the other reading is told to the route table."""
    found = canonical(target, HOST, encoded_slash=True)

    if segments is None:
        assert isinstance(found, str)
    else:
        assert isinstance(found, CanonicalTarget)
        assert (found.segments, found.alternatives) == (segments, alternatives)


@pytest.mark.parametrize(
    ("target", "alternatives"),
    [
        pytest.param("/a/b", (), id="plain"),
        pytest.param("/a;x/b;y", (("a", "b"),), id="parameters-cut"),
        pytest.param("/a%3Bx/b", (("a", "b"),), id="encoded-parameters-cut"),
        pytest.param("/a/b%3Fc/d", (("a", "b"),), id="encoded-question-mark"),
        pytest.param("/a/b%23c", (("a", "b"),), id="encoded-hash"),
        pytest.param("/%EF%BD%81dm", (("adm",),), id="full-width-letter"),
    ],
)
def test_other_readings_are_told(target: str, alternatives: tuple[tuple[str, ...], ...]) -> None:
    """What a tolerant server would make of the path is there for the route table to compare."""
    found = canonical(target, HOST)

    assert isinstance(found, CanonicalTarget)
    assert found.alternatives == alternatives


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        pytest.param("api.example", True, id="name"),
        pytest.param("api.example:8080", True, id="port"),
        pytest.param("[2001:db8::1]:80", True, id="IPv6"),
        pytest.param("my_service", True, id="underscore"),
        pytest.param("", False, id="M11-empty"),
        pytest.param("127.0.0.1:8080/x", False, id="M10-path"),
        pytest.param("h/health?", False, id="query"),
        pytest.param("user@h", False, id="user-part"),
        pytest.param("a, b", False, id="two"),
        pytest.param("h:80\n", False, id="line-end"),
        pytest.param("h:", False, id="colon-without-port"),
        pytest.param("hé", False, id="non-ASCII"),
    ],
)
def test_host_is_a_host(host: str, expected: bool) -> None:
    """A Host field cannot carry a path or a user into whatever URL is built from it."""
    assert is_host(host) is expected
    assert isinstance(canonical("/x", host), CanonicalTarget) is expected
