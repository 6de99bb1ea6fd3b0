"""Explain says what admission would say, and why, without taking anything."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.core.keys import Account, ApiAccess, Environment, Key, KeyStatus, KeyType, Owner
from gateway.core.limits import CountedPer, Limit
from gateway.core.methods import METHODS
from gateway.core.refusal import Refusal
from gateway.pipeline.explanation import Explanation, Outcome, Supposed, explain
from tests.doubles import ManualClock
from tests.pipeline.world import KeyFields, World, plain_key, reason_of

NOON = ManualClock().now()
RULES = (
    "method",
    "path",
    "status",
    "not_before",
    "expiry",
    "environment",
    "api_access",
    "address",
    "origin",
    "route",
    "route_environment",
    "plan",
    "publishable",
    "scope",
    "quota",
    "limits",
)
instants = st.one_of(st.none(), st.sampled_from([NOON - 1, NOON, NOON + 1]))
owners = st.one_of(
    st.none(),
    st.builds(
        Owner,
        st.sampled_from(["admin", "member", "viewer"]),
        st.one_of(st.none(), st.just(("read-only",))),
    ),
)
keys = st.fixed_dictionaries(
    {
        "account": st.builds(
            Account,
            st.just("acc_1"),
            st.just("Ada"),
            st.sampled_from(["starter", "vps", "gone"]),
            st.sampled_from([ApiAccess.APPROVED, ApiAccess.APPROVED, ApiAccess.DENIED]),
        ),
        "type": st.sampled_from(KeyType),
        "environment": st.sampled_from(Environment),
        "status": st.sampled_from([KeyStatus.ACTIVE, KeyStatus.ACTIVE, *KeyStatus]),
        "scopes": st.lists(
            st.sampled_from(["read-only", "read-write", "dns-only", "gone"]), unique=True
        ).map(tuple),
        "not_before": instants,
        "expires_at": instants,
        "secret_expires_at": instants,
        "addresses": st.sampled_from([(), (), ("192.0.2.0/24",), ("2001:db8::/32",)]),
        "origins": st.sampled_from([(), (), ("https://app.example",)]),
        "limits": st.sampled_from(
            [
                (),
                (Limit("few", 4, 60),),
                (
                    Limit("one", 1, 60, CountedPer.ADDRESS),
                    Limit("account", 9, 60, CountedPer.ACCOUNT),
                ),
            ]
        ),
        "owner": owners,
    }
)
requests = st.builds(
    Supposed,
    st.sampled_from(METHODS),
    st.sampled_from(
        [
            "/v1/dns/a",
            "/v1/dns/a?x=1",
            "/v1/servers",
            "/v1/sandbox/x",
            "/v2",
            "/v1/dns/../x",
            "//",
            "*",
            "/V1/dns",
        ]
    ),
    st.sampled_from(["192.0.2.1", "10.0.0.1", "2001:db8::1"]),
    st.sampled_from([None, "https://app.example", "https://evil.example"]),
)


@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    fields=keys,
    request=requests,
    serves=st.sampled_from([None, *Environment]),
    spent=st.integers(0, 10),
)
async def test_explain_says_what_admission_says(
    fields: KeyFields, request: Supposed, serves: Environment | None, spent: int
) -> None:
    """The verdict, its reason, its route and what is left are those of the very same request."""
    world = World(environment=serves)
    token = world.issue(**fields)
    known = world.terms.known(plain_key(**fields), 0.0)
    for _ in range(spent):
        await world.limiter.take(known.buckets_for(request.address), 1)

    first = await explained(world, plain_key(**fields), request)
    again = await explained(world, plain_key(**fields), request)
    answer = await world.ask(
        token,
        method=request.method,
        target=request.target,
        host=None,
        address=request.address,
        origin=request.origin,
    )
    world.verifier.close()

    assert first == again
    assert [ruling.rule for ruling in first.rulings] == list(RULES)
    assert reason_of(answer) is (first.refused.reason if first.refused else None)
    if first.refused is not None and first.refused.reason is Refusal.INSUFFICIENT_SCOPE:
        assert getattr(answer, "scopes", None) == first.refused.scopes


async def explained(world: World, key: Key, request: Supposed) -> Explanation:
    """With the methods that every listener serves."""
    return await explain(world.admission, key, request, METHODS)


ASKED = Supposed("POST", "/v1/servers/1", "10.0.0.1", None)


async def test_what_comes_behind_a_refusal_is_told() -> None:
    """One look shows everything that stands in the way, not only the first of it."""
    world = World(environment=Environment.TEST)
    key = plain_key(
        account=Account("acc_1", "Ada", "starter", ApiAccess.DENIED),
        status=KeyStatus.REVOKED,
        not_before=NOON + 1,
        expires_at=NOON - 1,
        secret_expires_at=NOON - 1,
        addresses=("192.0.2.0/24",),
        origins=("https://app.example",),
        type=KeyType.PUBLISHABLE,
        scopes=("read-only",),
        limits=(Limit("few", 4, 60),),
    )
    explanation = await explained(world, key, ASKED)
    world.verifier.close()

    refusing = {
        ruling.rule: ruling.refused.reason.code for ruling in explanation.rulings if ruling.refused
    }
    assert refusing == {
        "status": "revoked_key",
        "not_before": "not_yet_valid",
        "expiry": "expired_key",
        "environment": "environment_mismatch",
        "api_access": "api_access_disabled",
        "address": "ip_not_allowed",
        "origin": "origin_not_allowed",
        "plan": "plan_required",
        "publishable": "publishable_key",
        "scope": "insufficient_scope",
        "limits": "rate_limited",
    }
    assert explanation.refused is not None
    assert explanation.refused.reason is Refusal.REVOKED_KEY


@pytest.mark.parametrize(
    ("fields", "rule", "words"),
    [
        pytest.param({"expires_at": NOON}, "expiry", "It is valid until 20", id="expiry"),
        pytest.param(
            {"addresses": ("192.0.2.0/24",)},
            "address",
            "192.0.2.0/24; this is 10.0.0.1",
            id="address",
        ),
        pytest.param(
            {"scopes": ("read-only",)},
            "scope",
            "It has read-only; for POST on dns read-write or dns-only is needed.",
            id="scope",
        ),
        pytest.param(
            {"owner": Owner("viewer", None)},
            "scope",
            "It has no scope (read-write being more than its owner may have)",
            id="owner",
        ),
        pytest.param(
            {"type": KeyType.PUBLISHABLE},
            "publishable",
            "at most what is in read-only",
            id="publishable",
        ),
    ],
)
async def test_details_name_the_facts(
    world: World, fields: KeyFields, rule: str, words: str
) -> None:
    """Each rule says what the key has and what the request would need."""
    explanation = await explained(world, plain_key(**fields), ASKED._replace(target="/v1/dns/a"))
    (ruling,) = (ruling for ruling in explanation.rulings if ruling.rule == rule)

    assert ruling.outcome is Outcome.REFUSE
    assert words in ruling.detail


async def test_without_a_route_its_rules_are_not_reached(world: World) -> None:
    """Nothing is claimed about rules that have nothing to judge."""
    explanation = await explained(world, plain_key(), ASKED._replace(target="/nowhere"))

    unreached = [
        ruling.rule for ruling in explanation.rulings if ruling.outcome is Outcome.NOT_REACHED
    ]
    assert unreached == ["route_environment", "plan", "publishable", "scope", "limits"]


async def test_limits_are_told_when_they_can_be(world: World) -> None:
    """What is left stands in the answer; when Redis is away nobody guesses."""
    key = plain_key(limits=(Limit("few", 4, 60),))
    request = ASKED._replace(target="/v1/dns/a")
    near = await explained(world, key, request)
    world.limiter.is_instant, world.limiter.is_away = False, True
    away = await explained(world, key, request)

    assert near.rulings[-1].detail == "The request takes 1; few has 4 of 4 left."
    assert (away.rulings[-1].outcome, away.refused) == (Outcome.NOT_REACHED, None)
