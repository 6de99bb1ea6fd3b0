"""Which route a request belongs to."""

import pytest

from gateway.core.paths import CanonicalTarget, canonical
from gateway.core.routes import Ambiguous, Route, RouteTable, parse_pattern


def route(name: str, *patterns: str, methods: str = "") -> Route:
    """A route in few words."""
    parsed = tuple(parse_pattern(text) for text in patterns)
    return Route(name, parsed, upstream="u", methods=frozenset(methods.split()))


def outcome(table: RouteTable, method: str, target: str, *, encoded_slash: bool = False) -> str:
    """The route's name, `-` for none, `?` for ambiguous."""
    found = canonical(target, "h", encoded_slash=encoded_slash)
    assert isinstance(found, CanonicalTarget)
    match table.match(method, found):
        case Route(name=name):
            return name
        case Ambiguous(hint=hint):
            assert hint
            return "?"
        case None:
            return "-"


@pytest.mark.parametrize(
    ("pattern", "target", "expected"),
    [
        pytest.param("/v1/dns", "/v1/dns", True, id="literal"),
        pytest.param("/v1/dns", "/v1/dns/", True, id="trailing-slash-of-the-target"),
        pytest.param("/v1/dns/", "/v1/dns", True, id="trailing-slash-of-the-pattern"),
        pytest.param("/v1/dns", "/v1/dnsx", False, id="longer-name"),
        pytest.param("/v1/dns", "/v1/dns/x", False, id="deeper"),
        pytest.param("/v1/dns", "/v1", False, id="shallower"),
        pytest.param("/v1/dns/**", "/v1/dns", True, id="rest-may-be-nothing"),
        pytest.param("/v1/dns/**", "/v1/dns/a/b", True, id="rest-may-be-deep"),
        pytest.param("/v1/dns/**", "/v1/dnsx/a", False, id="rest-starts-at-a-slash"),
        pytest.param("/v1/*/x", "/v1/a/x", True, id="one-segment"),
        pytest.param("/v1/*/x", "/v1/x", False, id="one-segment-is-not-none"),
        pytest.param("/v1/*/x", "/v1/a/b/x", False, id="one-segment-is-not-two"),
        pytest.param("/v1/*", "/v1/", False, id="one-segment-is-not-empty"),
        pytest.param("/*/x/**", "/a/x/b", True, id="wildcard-first"),
        pytest.param("/**", "/", True, id="all-root"),
        pytest.param("/**", "/a/b", True, id="all"),
        pytest.param("/", "/", True, id="root"),
        pytest.param("/", "/a", False, id="root-only"),
        pytest.param("/zürich", "/z%C3%BCrich", True, id="decoded-literal"),
        pytest.param("/v1/dns", "/v1/%64ns", True, id="encoded-letter"),
    ],
)
def test_a_pattern_matches(pattern: str, target: str, expected: bool) -> None:
    """Patterns are whole segments; nothing matches by prefix of a name."""
    table = RouteTable([route("r", pattern)])

    assert outcome(table, "GET", target) == ("r" if expected else "-")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("v1", "start with a slash", id="no-slash"),
        pytest.param("", "start with a slash", id="empty"),
        pytest.param("/a//b", "empty segment", id="empty-segment"),
        pytest.param("/a//", "empty segment", id="empty-last-segment"),
        pytest.param("//", "empty segment", id="two-slashes"),
        pytest.param("/a/../b", "dot segment", id="dots"),
        pytest.param("/a/**/b", "at the end", id="rest-inside"),
        pytest.param("/**/**", "at the end", id="rest-twice"),
        pytest.param("/a/b*", "whole segment", id="half-wildcard"),
        pytest.param("/a/***", "whole segment", id="three-stars"),
        pytest.param("/a/%2e", "decoded", id="encoded"),
        pytest.param("/a;b", "decoded", id="parameter"),
        pytest.param("/a?b", "decoded", id="query"),
        pytest.param("/a b", "decoded", id="space"),
    ],
)
def test_a_bad_pattern_is_explained(text: str, says: str) -> None:
    """A pattern that could never match, or not as meant, is a mistake that the operator is told."""
    with pytest.raises(ValueError, match=says):
        parse_pattern(text)


TABLE = RouteTable(
    [
        route("read", "/v1/dns/**", methods="GET"),
        route("write", "/v1/dns/**", methods="POST DELETE"),
        route("billing", "/v1/billing/**", "/v2/billing"),
        route("admin", "/admin/**"),
        route("rest", "/**", methods="GET POST"),
    ]
)


@pytest.mark.parametrize(
    ("method", "target", "expected"),
    [
        pytest.param("GET", "/v1/dns/a", "read", id="by-method"),
        pytest.param("HEAD", "/v1/dns/a", "read", id="HEAD-goes-with-GET"),
        pytest.param("POST", "/v1/dns/a", "write", id="other-method"),
        pytest.param("HEAD", "/v1/x", "rest", id="HEAD-at-the-end"),
        pytest.param("get", "/v1/dns/a", "-", id="M17-methods-are-case-sensitive"),
        pytest.param("DELETE", "/v1/x", "-", id="no-route-for-the-method"),
        pytest.param("GET", "/v1/billing", "billing", id="first-in-order"),
        pytest.param("GET", "/v2/billing", "billing", id="second-pattern"),
        pytest.param("GET", "/v2/billing/x", "rest", id="falls-through"),
        pytest.param("GET", "/", "rest", id="root"),
        pytest.param("GET", "/admin;v=1/x", "?", id="parameters-hide-a-route"),
        pytest.param("GET", "/admin%3Bv=1/x", "?", id="encoded-parameters-hide-a-route"),
        pytest.param("GET", "/admin%3Fx", "?", id="encoded-query-hides-a-route"),
        pytest.param("GET", "/v1/dns;v=1/a;w", "?", id="parameters-of-a-literal"),
        pytest.param("GET", "/v1/dns/a;w=1", "read", id="parameters-that-change-nothing"),
        pytest.param("GET", "/ADMIN/x", "?", id="P09-capitals-hide-a-route"),
        pytest.param("GET", "/%41dmin/x", "?", id="encoded-capital-hides-a-route"),
        pytest.param("GET", "/v1/dns/AbC", "read", id="capitals-that-change-nothing"),
        pytest.param("GET", "/%EF%BD%81dmin/x", "?", id="full-width-letter-hides-a-route"),
        pytest.param("PUT", "/ADMIN/x", "-", id="nothing-to-hide-from"),
    ],
)
def test_first_route_in_order(method: str, target: str, expected: str) -> None:
    """Config order decides, and no spelling of a path slips past a route that stands earlier."""
    assert outcome(TABLE, method, target) == expected


def test_a_wildcard_in_front_keeps_its_place() -> None:
    """A route that begins with * is asked in its turn, among those that begin with a literal."""
    table = RouteTable([route("a-y", "/a/y"), route("any-x", "/*/x"), route("a", "/a/**")])

    assert [outcome(table, "GET", path) for path in ("/a/x", "/b/x", "/a/y", "/a/z", "/b/z")] == [
        "any-x",
        "any-x",
        "a-y",
        "a",
        "-",
    ]


def test_capitals_in_a_pattern_hide_nothing() -> None:
    """A route written with capitals is not passed by in small letters either."""
    table = RouteTable([route("admin", "/Admin/**"), route("rest", "/**")])

    assert [outcome(table, "GET", path) for path in ("/Admin/x", "/admin/x", "/x")] == [
        "admin",
        "?",
        "rest",
    ]


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        pytest.param("/adm%2Fx", "?", id="hides-a-route"),
        pytest.param("/pub/a%2Fb", "pub", id="within-one-route"),
    ],
)
def test_an_encoded_slash_cannot_cross_routes(target: str, expected: str) -> None:
    """Even where %2F is allowed, both of its readings must lead to the same route."""
    table = RouteTable([route("adm", "/adm/**"), route("pub", "/pub/**"), route("rest", "/**")])

    assert outcome(table, "GET", target, encoded_slash=True) == expected


@pytest.mark.parametrize(
    ("routes", "expected"),
    [
        pytest.param([route("a", "/a/**"), route("b", "/b/**")], [], id="apart"),
        pytest.param([route("b", "/a/b"), route("a", "/a/**")], [], id="special-first"),
        pytest.param([route("a", "/a/**"), route("b", "/a/b")], [("b", "a")], id="special-last"),
        pytest.param([route("a", "/a/**"), route("b", "/a")], [("b", "a")], id="rest-is-nothing"),
        pytest.param([route("a", "/a/*"), route("b", "/a/**")], [], id="one-is-less-than-rest"),
        pytest.param([route("a", "/a"), route("b", "/a/**")], [], id="none-is-less-than-rest"),
        pytest.param([route("a", "/a/*"), route("b", "/a/b")], [("b", "a")], id="star"),
        pytest.param([route("a", "/a/b"), route("b", "/a/*")], [], id="literal-before-star"),
        pytest.param([route("a", "/*/**"), route("b", "/**")], [], id="root-is-left"),
        pytest.param(
            [route("a", "/a/**"), route("b", "/b", "/a/c")], [("b", "a")], id="one-of-two-patterns"
        ),
        pytest.param(
            [route("a", "/a/**", methods="GET"), route("b", "/a/b")],
            [],
            id="other-methods-are-left",
        ),
        pytest.param(
            [route("a", "/a/**", methods="GET"), route("b", "/a/b", methods="HEAD GET")],
            [("b", "a")],
            id="HEAD-goes-with-GET",
        ),
        pytest.param(
            [route("a", "/a/**"), route("b", "/a/b", methods="GET")], [("b", "a")], id="all-methods"
        ),
        pytest.param([route("a", "/A"), route("b", "/a")], [("b", "a")], id="letter-case-only"),
    ],
)
def test_shadowed(routes: list[Route], expected: list[tuple[str, str]]) -> None:
    """A pattern that an earlier route always takes is found: its plan or scope would never apply."""
    found = [(late.name, early.name) for late, early in RouteTable(routes).shadowed()]

    assert found == expected


def test_names_are_unique() -> None:
    """Scopes name routes, so two routes of one name cannot be."""
    with pytest.raises(ValueError, match="unique"):
        RouteTable([route("a", "/a"), route("a", "/b")])
