"""Sections are read together: what is right is not told, and one mistake does not hide another."""

import pytest

from gateway.http.terms import METHODS as SERVED
from gateway.settings.load import read_text
from gateway.settings.sections import METHODS

API = 'upstreams: {api: {targets: ["http://127.0.0.1:9001"]}}\n'


def _told(text: str) -> list[str]:
    return [problem.field for problem in read_text(text, "k.yaml", {}).problems]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(
            "listen: {methods_extra: [PURGE]}\nscopes: {x: [{methods: [PURGE]}]}", id="extra-method"
        ),
        pytest.param("scopes: {x: [{routes: ['*']}]}", id="all-routes"),
        pytest.param("listen: {port: 0}\nadmin: {port: 0}", id="any-free-ports"),
        pytest.param("listen: {port: 8081, host: 10.0.0.1}", id="same-port-on-other-addresses"),
        pytest.param("plans: {starter: {limits: []}}", id="no-limits"),
        pytest.param("plans: {free: {}}\naccounts: {default_plan: free}", id="own-default-plan"),
        pytest.param(
            API
            + "routes:\n"
            + "  - {name: read, match: {path: '/v1/**', methods: [GET]}, upstream: api}\n"
            + "  - {name: write, match: {path: '/v1/**'}, upstream: api}\n",
            id="same-path-other-methods",
        ),
        pytest.param(
            API
            + "routes: [{name: big, match: {path: /big}, upstream: api, cost: 50, plans: [large]}]\n"
            + "plans: {starter: {limits: [{quota: 5, window: 1s}]}, large: {limits: [{quota: 50, window: 1s}]}}",
            id="cost-that-the-named-plan-holds",
        ),
        pytest.param(
            "plans:\n  starter: &p {limits: [{quota: 5, window: 1s}]}\n  other: *p\n", id="alias"
        ),
        pytest.param("listen: {port: 8080} # c\n'admin': {\"port\": 8082}", id="quoted-names"),
    ],
)
def test_right(text: str) -> None:
    """Nothing that works is called a mistake."""
    assert _told(text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "routes: [{nmae: dns, upstream: gone, match: {path: x}}]",
            ["routes[0].match.path", "routes[0].name", "routes[0].nmae", "routes[0].upstream"],
            id="in-one-route",
        ),
        pytest.param(
            "upstreams: {api: {targets: [nonsense]}}\nroutes: [{name: a, match: {path: /}, upstream: api}]",
            ["upstreams.api.targets[0]"],
            id="a-wrong-upstream-is-still-defined",
        ),
        pytest.param(
            API
            + "routes: [{name: a, match: {path: v1}, upstream: api}]\nscopes: {x: [{routes: [a]}]}",
            ["routes[0].match.path"],
            id="a-wrong-route-is-still-defined",
        ),
        pytest.param(
            "plans: {starter: {limits: [{quota: 0, window: 60}]}}\naccounts: {default_plan: starter}",
            ["plans.starter.limits[0].quota", "plans.starter.limits[0].window"],
            id="a-wrong-plan-is-still-defined",
        ),
        pytest.param(
            "listen: {port: 1, port: 2, host: 5}\nlogs: {level: loud}",
            ["listen.host", "listen.port", "logs.level"],
            id="a-name-twice-hides-nothing",
        ),
        pytest.param(
            API
            + "routes:\n"
            + "  - {name: a, match: {path: /a}, upstream: api}\n"
            + "  - {name: b, match: {path: [/b, /A]}, upstream: api}\n",
            ["routes[1].match"],
            id="letter-case-is-no-difference",
        ),
        pytest.param(
            API
            + "routes:\n"
            + "  - {name: a, match: {path: '/**', methods: ['*']}, upstream: api}\n"
            + "  - {name: b, match: {path: /b}, upstream: api}\n",
            ["routes[1].match"],
            id="a-star-is-every-method",
        ),
    ],
)
def test_all_at_once(text: str, expected: list[str]) -> None:
    """Every mistake is told in one go, and none that only follows from another."""
    assert _told(text) == expected


def test_methods_are_those_that_are_served() -> None:
    """A method that passes the check is served, and one that is served passes the check."""
    assert frozenset(METHODS) == SERVED
