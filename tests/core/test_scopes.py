"""What a key may do is the union of its scopes."""

import pytest

from gateway.core.scopes import ScopeRule, ScopeTable

ROUTES = ("dns", "servers")
TABLE = ScopeTable(
    {
        "read-only": [ScopeRule(methods=frozenset({"GET", "OPTIONS"}))],
        "read-write": [ScopeRule()],
        "dns-only": [ScopeRule(routes=frozenset({"dns"}))],
        "dns-read": [ScopeRule(frozenset({"GET"}), frozenset({"dns"}))],
        "servers-write": [ScopeRule(frozenset({"POST", "DELETE"}), frozenset({"servers"}))],
        "probe": [ScopeRule(frozenset({"HEAD"}))],
        "mixed": [
            ScopeRule(frozenset({"GET"}), frozenset({"dns"})),
            ScopeRule(frozenset({"POST"}), frozenset({"servers"})),
        ],
        "nothing": [],
    }
)


@pytest.mark.parametrize(
    ("names", "route", "method", "expected"),
    [
        pytest.param(["read-only"], "dns", "GET", True, id="method"),
        pytest.param(["read-only"], "dns", "HEAD", True, id="P16-HEAD-is-judged-as-GET"),
        pytest.param(["read-only"], "dns", "POST", False, id="other-method"),
        pytest.param(["read-only"], "dns", "get", False, id="M17-lower-case"),
        pytest.param(["read-write"], "dns", "PURGE", True, id="any-method"),
        pytest.param(["read-write"], "elsewhere", "GET", False, id="no-such-route"),
        pytest.param(["dns-only"], "dns", "DELETE", True, id="route"),
        pytest.param(["dns-only"], "servers", "GET", False, id="other-route"),
        pytest.param(["dns-read", "servers-write"], "dns", "GET", True, id="union-first"),
        pytest.param(["dns-read", "servers-write"], "servers", "POST", True, id="union-second"),
        pytest.param(["dns-read", "servers-write"], "servers", "GET", False, id="no-product"),
        pytest.param(["mixed"], "dns", "POST", False, id="lines-do-not-mix"),
        pytest.param(["mixed"], "servers", "POST", True, id="second-line"),
        pytest.param(["probe"], "dns", "HEAD", True, id="HEAD-alone"),
        pytest.param(["probe"], "dns", "GET", False, id="HEAD-does-not-give-GET"),
        pytest.param(["nothing"], "dns", "GET", False, id="scope-without-lines"),
        pytest.param(["gone"], "dns", "GET", False, id="unknown-scope"),
        pytest.param([], "dns", "GET", False, id="no-scope"),
    ],
)
def test_rights(names: list[str], route: str, method: str, expected: bool) -> None:
    """A key may do what one of its scopes allows as a whole, and nothing besides."""
    assert TABLE.rights(names, ROUTES).allow(route, method) is expected


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE", "OPTIONS", "get", ""])
def test_allowing_agrees_with_rights(route: str, method: str) -> None:
    """The scopes that a refusal names are exactly those that would have let the request through."""
    enough = tuple(
        name for name in TABLE.names if TABLE.rights([name], ROUTES).allow(route, method)
    )

    assert TABLE.allowing(route, method) == enough


def test_unknown() -> None:
    """A scope that the config lacks is named, so that a key cannot be made with it unnoticed."""
    assert TABLE.unknown(["read-only", "gone", "read only"]) == ("gone", "read only")
