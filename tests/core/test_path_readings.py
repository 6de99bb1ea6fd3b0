"""No reading of an accepted target lies under another route than the one that was matched."""

import re
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from gateway.core.paths import CanonicalTarget, canonical
from gateway.core.routes import Ambiguous, Route, RouteTable, parse_pattern

OPEN, SHUT, REST = "pub", "adm", "rest"
TWO = RouteTable(
    [Route(name, (parse_pattern(f"/{name}/**"),), upstream="u") for name in (OPEN, SHUT)]
)
WITH_REST = RouteTable([*TWO.routes, Route(REST, (parse_pattern("/**"),), upstream="u")])

PIECES = st.sampled_from(
    (
        f"{OPEN} {SHUT} x ADM %61dm %C3%A9 é / // . .. %2e %2E%2e %2f %5c \\ ; %3b %3B ? %3f # %23 "
        "%25 %252e %00 %0a %c0%ae %EF%BC%8E %EF%BC%8F %EF%BD%81dm a=b @ : http://h ~ %"
    ).split()
)
# Mostly accepted, so that the route table has something to decide.
TAME = st.sampled_from(
    (
        f"{OPEN} {SHUT} x ADM aDm %61dm %41dm {SHUT};v=1 ;v {SHUT}%3Bv {SHUT}%3fv {SHUT}%23v x;{SHUT} "
        f"%3f %3b x%2F{SHUT} {SHUT}%2fx {OPEN}%2F{SHUT} %EF%BD%81dm {SHUT}. .{SHUT} %C3%A9"
    ).split()
)
TARGETS = st.one_of(
    st.lists(TAME, max_size=4).map(lambda parts: "/" + "/".join(parts)),
    st.lists(TAME, max_size=3).map(lambda parts: f"/{OPEN}/" + "/".join(parts) + "/"),
    st.lists(PIECES, max_size=8).map("".join),
    st.lists(PIECES, max_size=6).map(lambda parts: "/" + "/".join(parts)),
    st.lists(PIECES, max_size=5).map(lambda parts: f"/{OPEN}/" + "".join(parts) + f"/{SHUT}/x"),
    st.text(st.characters(codec="ascii"), max_size=12).map(lambda text: "/" + text),
)


def resolve(path: bytes) -> bytes:
    """RFC 3986 §5.2.4, the way most libraries do it."""
    out: list[bytes] = []
    for segment in path.split(b"/")[1:]:
        if segment == b"..":
            del out[-1:]
        elif segment != b".":
            out.append(segment)
    return b"/" + b"/".join(out)


def merge(path: bytes) -> bytes:
    """Several slashes are one."""
    return re.sub(rb"/+", b"/", path)


def cut(path: bytes) -> bytes:
    """Segments without their parameters."""
    return re.sub(rb";[^/]*", b"", path)


def readings(target: str) -> Iterator[tuple[str, bytes]]:
    """What various servers behind a proxy are known to make of a request target."""
    raw = target.encode().split(b"#")[0].split(b"?")[0]
    once = unquote_to_bytes(raw)
    twice = unquote_to_bytes(once)
    yield "raw", raw
    yield "dots", resolve(raw)
    yield "merged", resolve(merge(raw))
    yield "decoded", merge(once)
    yield "decoded, dots", resolve(merge(once))
    yield "parameters cut", resolve(merge(cut(raw)))
    yield "parameters cut, decoded", resolve(merge(unquote_to_bytes(cut(raw))))
    yield "decoded, parameters cut", resolve(merge(cut(once)))
    yield "backslash", resolve(merge(once.replace(b"\\", b"/")))
    yield "ends at NUL", resolve(merge(once.split(b"\0")[0]))
    yield "decoded before the query is cut", resolve(merge(once.split(b"?")[0].split(b"#")[0]))
    yield "decoded twice", resolve(merge(twice))
    yield "no letter case", resolve(merge(once)).lower()
    yield "no letter case, parameters cut", resolve(merge(cut(once))).lower()


def lies_under(path: bytes, prefix: str) -> bool:
    """Whether the path is the prefix or below it."""
    return path == b"/" + prefix.encode() or path.startswith(b"/" + prefix.encode() + b"/")


@settings(max_examples=600, deadline=None)
@given(target=TARGETS, encoded_slash=st.booleans())
@example(target="/pub/x?/../../adm/x", encoded_slash=False)
@example(target="/adm;v=1/x", encoded_slash=False)
@example(target="/pub%2f..%2fadm", encoded_slash=True)
@example(target="/x%2Fadm", encoded_slash=True)
@example(target="/adm%2Fx", encoded_slash=True)
@example(target="/ADM/x", encoded_slash=False)
@example(target="/adm%3fx", encoded_slash=False)
@example(target="/pub/%252e%252e/adm/x", encoded_slash=False)
@example(target="/pub/..%5cadm/x", encoded_slash=False)
@example(target="/adm%00/x", encoded_slash=False)
@example(target="/x;/..;/adm", encoded_slash=False)
@example(target="//adm/x", encoded_slash=False)
@example(target="http://h/adm/x", encoded_slash=False)
def test_no_reading_lies_under_another_route(target: str, encoded_slash: bool) -> None:
    """Whatever the upstream makes of the path, it is the route that the key was checked for."""
    found = canonical(target, "h", encoded_slash=encoded_slash)
    if isinstance(found, str):
        event("refused")
        return
    assert isinstance(found, CanonicalTarget)
    for table in (TWO, WITH_REST):
        route = table.match("GET", found)
        if route is None or isinstance(route, Ambiguous):
            event("no route" if route is None else "ambiguous")
            continue
        event(route.name)
        for how, path in readings(found.origin_form):
            for prefix in (OPEN, SHUT):
                assert prefix == route.name or not lies_under(path, prefix), how


@settings(max_examples=200, deadline=None)
@given(target=TARGETS)
def test_an_accepted_target_is_forwarded_unchanged(target: str) -> None:
    """The gateway repairs nothing: what it accepts in origin-form is what it sends."""
    found = canonical(target, "h")
    if isinstance(found, CanonicalTarget):
        event("accepted")
        assert found.origin_form in {target, "/" + target.removeprefix("http://h").lstrip("/")}


@given(target=st.text())
def test_every_text_gets_an_answer(target: str) -> None:
    """No target, however broken, is an exception."""
    assert canonical(target, "h")
