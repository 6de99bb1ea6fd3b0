"""Which request a proxy asks about: whatever a caller adds, it is the one that will be served, or none."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from admin.core.forwarded import PREFIX, Original, caller_address, original
from gateway.core.addresses import Networks

NGINX = [("X-Original-URI", "/v1/dns?a=b"), ("X-Original-Method", "POST")]
CADDY = [("X-Forwarded-Uri", "/v1/dns?a=b"), ("X-Forwarded-Method", "POST")]
ASKED = Original("POST", "/v1/dns?a=b", None)
PROXY = "10.0.0.1"
TRUSTED = Networks([PROXY])


def fields(*pairs: tuple[str, str]) -> CIMultiDict[str]:
    """Header fields, as a server has them."""
    return CIMultiDict(pairs)


@pytest.mark.parametrize(
    ("method", "target", "sent", "expected"),
    [
        pytest.param("GET", PREFIX, NGINX, ASKED, id="nginx"),
        pytest.param("GET", PREFIX, CADDY, ASKED, id="traefik-and-caddy"),
        pytest.param("GET", f"{PREFIX}?a=b", CADDY, ASKED, id="caddy-keeps-the-query"),
        pytest.param("POST", f"{PREFIX}/v1/dns?a=b", [], ASKED, id="envoy"),
        pytest.param(
            "PUT",
            f"{PREFIX}/x",
            [("Host", "api.example")],
            Original("PUT", "/x", "api.example"),
            id="envoy-host",
        ),
        pytest.param(
            "GET",
            PREFIX,
            [*CADDY, ("X-Forwarded-Host", "api.example")],
            ASKED._replace(host="api.example"),
            id="forwarded-host",
        ),
        pytest.param(
            "GET",
            PREFIX,
            [*NGINX, ("X-Original-Host", "api.example"), ("X-Forwarded-Host", "evil")],
            ASKED._replace(host="api.example"),
            id="each-dialect-has-its-host",
        ),
        pytest.param("GET", f"{PREFIX}//x/../y", [], Original("GET", "//x/../y", None), id="raw"),
        pytest.param("GET", PREFIX, NGINX + CADDY, ASKED, id="both-the-same"),
    ],
)
def test_each_proxy_is_understood(
    method: str, target: str, sent: list[tuple[str, str]], expected: Original
) -> None:
    """What nginx, Traefik, Caddy and Envoy send leads to the request that they will serve, byte for byte."""
    assert original(method, target, fields(*sent)) == expected


@pytest.mark.parametrize(
    ("target", "sent", "words"),
    [
        pytest.param(PREFIX, [], "does not say which request", id="nothing"),
        pytest.param("/other", [], "does not say which request", id="another-path"),
        pytest.param(f"{PREFIX}d", [], "does not say which request", id="longer-word"),
        pytest.param(PREFIX, NGINX[:1], "must come together", id="nginx-without-method"),
        pytest.param(PREFIX, CADDY[1:], "must come together", id="caddy-without-uri"),
        pytest.param(PREFIX, [*NGINX, NGINX[0]], "once each", id="twice"),
        pytest.param(f"{PREFIX}/", NGINX, "named in two ways", id="nginx-with-a-slash-too-many"),
    ],
)
def test_unclear_questions_are_refused(
    target: str, sent: list[tuple[str, str]], words: str
) -> None:
    """A proxy that is set up wrongly lets nobody through, and is told what is wrong."""
    answer = original("GET", target, fields(*sent))

    assert isinstance(answer, str)
    assert words in answer


requests = st.tuples(st.sampled_from(["GET", "POST"]), st.sampled_from(["/a", "/b", "/"]))
# Every field by which a request can be named, with what a caller might put there.
forgeries = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from(["X-Original-Method", "X-Forwarded-Method"]),
            st.sampled_from(["GET", "POST", ""]),
        ),
        st.tuples(
            st.sampled_from(["X-Original-URI", "X-Forwarded-Uri"]),
            st.sampled_from(["/a", "/b", "/", ""]),
        ),
    ),
    max_size=5,
)


@given(own=requests, word=st.sampled_from(["", "X-Original", "X-Forwarded"]), forged=forgeries)
def test_no_caller_chooses_another_request(
    own: tuple[str, str], word: str, forged: list[tuple[str, str]]
) -> None:
    """What a caller adds in the words of other proxies is either the same request, or ends in a refusal."""
    method, path = own
    if word:
        # A proxy overwrites its own fields, whatever it does with those of others.
        others = [pair for pair in forged if not pair[0].startswith(word)]
        said = [(f"{word}-Method", method), (f"{word}-Uri", path)]
        answer = original("GET", PREFIX, fields(*said, *others))
    else:
        answer = original(method, PREFIX + path, fields(*forged))

    assert isinstance(answer, str) or answer[:2] == own


@pytest.mark.parametrize(
    ("peer", "sent", "expected"),
    [
        pytest.param(
            PROXY, [("X-Forwarded-For", "192.0.2.7")], "192.0.2.7", id="said-by-the-proxy"
        ),
        pytest.param(
            PROXY, [("X-Forwarded-For", "6.6.6.6, 192.0.2.7")], "192.0.2.7", id="last-word-counts"
        ),
        pytest.param("192.0.2.9", [("X-Forwarded-For", "6.6.6.6")], "192.0.2.9", id="not-trusted"),
        pytest.param(
            "192.0.2.9", [*NGINX, ("X-Real-IP", "6.6.6.6")], "192.0.2.9", id="real-ip-not-trusted"
        ),
        pytest.param(PROXY, [*NGINX, ("X-Real-IP", "192.0.2.7")], "192.0.2.7", id="nginx-real-ip"),
        pytest.param(
            PROXY,
            [*NGINX, ("X-Real-IP", "6.6.6.6"), ("X-Forwarded-For", "192.0.2.7")],
            "192.0.2.7",
            id="forwarded-for-before-real-ip",
        ),
        pytest.param(
            PROXY, [*CADDY, ("X-Real-IP", "6.6.6.6")], PROXY, id="caddy-passes-real-ip-on"
        ),
        pytest.param(PROXY, [("X-Real-IP", "6.6.6.6")], PROXY, id="envoy-passes-real-ip-on"),
    ],
)
def test_address_is_what_a_trusted_proxy_says(
    peer: str, sent: list[tuple[str, str]], expected: str
) -> None:
    """A caller's address comes from a trusted proxy, out of the fields that this proxy writes itself."""
    assert caller_address(peer, fields(*sent), TRUSTED) == expected


def test_what_one_dialect_lacks_no_other_fills_in() -> None:
    """A method in one proxy's words and a path in another's are no request."""
    halves = [*NGINX, *CADDY]
    for pair in combinations(halves, 2):
        answer = original("GET", PREFIX, fields(*pair))

        assert isinstance(answer, str) or list(pair) in (NGINX, CADDY)
