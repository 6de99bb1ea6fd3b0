"""What a refused caller is told, and the rate-limit fields of every answer."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.limits import Grant, Limit, LimitState
from gateway.core.problem import Problem, problem, ratelimit_fields
from gateway.core.refusal import Refusal, Refused

DEFAULT = Limit("default", 1000, 60)
DAILY = Limit("daily", 50_000, 86_400)


def grant(*states: LimitState, wait: float = 0.0, is_degraded: bool = False) -> Grant:
    """A decision that told these levels; one that has to wait was a no."""
    violated = tuple(state.limit.name for state in states if wait and not state.remaining)
    return Grant(not wait, states, wait, violated, is_degraded)


def answer(refused: Refused, *, legacy: bool = False) -> Problem:
    """As the gateway's own realm and docs would give it."""
    return problem(
        refused, "r-1", realm="api", docs_url="https://docs.example/", legacy_headers=legacy
    )


def header(found: Problem, name: str) -> str | None:
    """The one value of a field; None if it is not there."""
    values = [value for key, value in found.headers if key == name]
    assert len(values) <= 1
    return values[0] if values else None


@pytest.mark.parametrize("reason", Refusal, ids=lambda reason: reason.code)
def test_every_refusal_is_a_problem_document(reason: Refusal) -> None:
    """A client finds code, status, sentence and request id of any refusal in the same place."""
    found = answer(Refused(reason))
    members = json.loads(found.body)

    assert members == {
        "type": f"https://docs.example/problems/{reason.code}",
        "title": reason.title,
        "status": reason.status,
        "detail": reason.text,
        "code": reason.code,
        "request_id": "r-1",
    }
    assert found.status == reason.status
    assert header(found, "Content-Type") == "application/problem+json"
    assert header(found, "Content-Length") == str(len(found.body))
    assert header(found, "Cache-Control") == "no-store"
    assert header(found, "X-Request-Id") == "r-1"


@pytest.mark.parametrize("reason", Refusal, ids=lambda reason: reason.code)
def test_challenge_and_wait_go_by_status(reason: Refusal) -> None:
    """A 401 has its challenge (RFC 9110 §15.5.2); a 429 or 503 says when to come back, never 0."""
    found = answer(Refused(reason))

    assert (header(found, "Retry-After") == "1") is (reason.status in {429, 503})
    assert header(found, "WWW-Authenticate") is not None or reason.status != 401


@pytest.mark.parametrize(
    ("refused", "expected"),
    [
        pytest.param(Refused(Refusal.MISSING_KEY), 'Bearer realm="api"', id="bare"),
        pytest.param(
            Refused(Refusal.UNKNOWN_KEY),
            'Bearer realm="api", error="invalid_token", '
            'error_description="The API key is not valid."',
            id="invalid-token",
        ),
        pytest.param(
            Refused(Refusal.AMBIGUOUS_CREDENTIALS),
            'Bearer realm="api", error="invalid_request", error_description="The request carries '
            'more than one credential, or an incomplete one. Send exactly one."',
            id="invalid-request",
        ),
        pytest.param(
            Refused(Refusal.INSUFFICIENT_SCOPE, scopes=("read-write", "dns-only")),
            'Bearer realm="api", error="insufficient_scope", error_description="The API key\'s '
            'scopes do not allow this request.", scope="read-write dns-only"',
            id="scope",
        ),
        pytest.param(Refused(Refusal.PLAN_REQUIRED), None, id="no-credential-would-help"),
        pytest.param(Refused(Refusal.STORE_UNAVAILABLE), None, id="an-outage-is-no-challenge"),
    ],
)
def test_challenge(refused: Refused, expected: str | None) -> None:
    """WWW-Authenticate says what RFC 6750 §3.1 wants for each case."""
    assert header(answer(refused), "WWW-Authenticate") == expected


def test_a_realm_cannot_break_out() -> None:
    """An operator's realm with quotes and line ends is still one quoted string."""
    found = problem(Refused(Refusal.MISSING_KEY), "r", realm='a"b\\c\r\né', docs_url="https://d")

    assert header(found, "WWW-Authenticate") == 'Bearer realm="a\'b/c"'


@pytest.mark.parametrize(
    ("refused", "member", "expected"),
    [
        pytest.param(
            Refused(Refusal.BAD_REQUEST, hint="The path contains a backslash."),
            "detail",
            "The request cannot be understood in one way only. The path contains a backslash.",
            id="hint",
        ),
        pytest.param(
            Refused(Refusal.INSUFFICIENT_SCOPE, scopes=("a", "b")), "scope", "a b", id="scope"
        ),
        pytest.param(Refused(Refusal.NO_ROUTE, scopes=("a",)), "scope", None, id="scope-elsewhere"),
        pytest.param(
            Refused(
                Refusal.RATE_LIMITED,
                grant=grant(LimitState(DEFAULT, 0, 60.0), LimitState(DAILY, 9, 1.0), wait=0.06),
            ),
            "violated-policies",
            ["default"],
            id="violated",
        ),
        pytest.param(
            Refused(Refusal.UPSTREAM_TIMEOUT, grant=grant(LimitState(DEFAULT, 9, 1.0))),
            "violated-policies",
            None,
            id="not-violated",
        ),
    ],
)
def test_members_of_some_refusals(refused: Refused, member: str, expected: object) -> None:
    """What a program needs to act on is a member, not only a part of a sentence."""
    assert json.loads(answer(refused).body).get(member) == expected


@pytest.mark.parametrize(
    ("refused", "expected"),
    [
        pytest.param(
            Refused(Refusal.RATE_LIMITED, grant=grant(wait=0.001)), "1", id="never-below-one"
        ),
        pytest.param(Refused(Refusal.RATE_LIMITED, grant=grant(wait=2.0)), "2", id="whole-seconds"),
        pytest.param(Refused(Refusal.RATE_LIMITED, grant=grant(wait=2.001)), "3", id="rounded-up"),
        pytest.param(
            Refused(Refusal.RATE_LIMITED, grant=grant(wait=7.5, is_degraded=True)),
            "8",
            id="stays-when-degraded",
        ),
        pytest.param(Refused(Refusal.STORE_UNAVAILABLE, retry_after_seconds=4.2), "5", id="given"),
        pytest.param(
            Refused(Refusal.RATE_LIMITED, grant=grant(wait=9.0), retry_after_seconds=4.0),
            "9",
            id="the-later-of-two",
        ),
        pytest.param(Refused(Refusal.UNKNOWN_KEY), None, id="nothing-to-wait-for"),
    ],
)
def test_retry_after(refused: Refused, expected: str | None) -> None:
    """A client that waits as told does not come early, and never hammers on a 0."""
    assert header(answer(refused), "Retry-After") == expected


@pytest.mark.parametrize(
    ("told", "policy", "level"),
    [
        pytest.param(
            grant(LimitState(DEFAULT, 940, 3.6)),
            '"default";q=1000;w=60',
            '"default";r=940;t=4',
            id="one",
        ),
        pytest.param(
            grant(LimitState(DEFAULT, 1000, 0.0), LimitState(DAILY, 49_999, 1.73)),
            '"default";q=1000;w=60, "daily";q=50000;w=86400',
            '"default";r=1000;t=0, "daily";r=49999;t=2',
            id="two",
        ),
        pytest.param(
            grant(LimitState(DEFAULT, -5, 60.3)),
            '"default";q=1000;w=60',
            '"default";r=0;t=61',
            id="debt",
        ),
        pytest.param(
            grant(LimitState(Limit('a"b\\cé', 1, 1), 1, 0.0)),
            '"a\\"b\\\\c";q=1;w=1',
            '"a\\"b\\\\c";r=1;t=0',
            id="name-that-needs-escapes",
        ),
    ],
)
def test_ratelimit_fields(told: Grant, policy: str, level: str) -> None:
    """The fields are Structured Field lists, as the IETF draft writes them."""
    assert ratelimit_fields(told) == [("RateLimit-Policy", policy), ("RateLimit", level)]


def test_legacy_fields_tell_the_tightest_limit() -> None:
    """A client that knows only X-RateLimit-* slows down for the limit that it will meet first."""
    told = grant(
        LimitState(DEFAULT, 940, 3.6),
        LimitState(DAILY, 100, 86_000.5),
        LimitState(Limit("burst", 10, 1), 9, 0.1),
    )

    assert ratelimit_fields(told, legacy=True)[2:] == [
        ("X-RateLimit-Limit", "50000"),
        ("X-RateLimit-Remaining", "100"),
        ("X-RateLimit-Reset", "86001"),
    ]


@pytest.mark.parametrize(
    "told",
    [
        pytest.param(grant(LimitState(DEFAULT, 3, 1.0), is_degraded=True), id="degraded"),
        pytest.param(grant(), id="no-limits"),
    ],
)
def test_no_numbers_are_made_up(told: Grant) -> None:
    """One worker's guess, or no limit at all, is not presented as the state of a limit."""
    assert ratelimit_fields(told, legacy=True) == []


@pytest.mark.parametrize("legacy", [False, True])
def test_a_429_carries_the_fields(legacy: bool) -> None:
    """The refused caller sees the same fields as the served one."""
    told = grant(LimitState(DEFAULT, 0, 60.0), wait=0.06)
    found = answer(Refused(Refusal.RATE_LIMITED, grant=told), legacy=legacy)

    assert [field for field in found.headers if "RateLimit" in field[0]] == ratelimit_fields(
        told, legacy=legacy
    )


@given(hint=st.text(), scopes=st.lists(st.text(), max_size=3), realm=st.text())
def test_no_header_line_is_broken(hint: str, scopes: list[str], realm: str) -> None:
    """Whatever ends up in an answer, each header is one line of printable ASCII."""
    refused = Refused(Refusal.INSUFFICIENT_SCOPE, scopes=tuple(scopes), hint=hint)
    found = problem(refused, "r-1", realm=realm, docs_url="https://docs.example")

    assert json.loads(found.body)["code"] == "insufficient_scope"
    assert all(re.fullmatch(r"[ -~]*", value) for _, value in found.headers)
