"""Whether a key may be used, asked without a request: the same rules, as far as there is something to judge."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.core.credential import Credential
from gateway.core.keys import Account, ApiAccess, Environment, KeyStatus, KeyType
from gateway.core.limits import Limit
from gateway.core.methods import METHODS
from gateway.core.refusal import Refusal, Refused
from gateway.pipeline.verification import Verification, Verified, verify
from tests.doubles import ManualClock
from tests.pipeline.test_explanation import keys
from tests.pipeline.world import KeyFields, World, reason_of, token_for, unknown_token

NOON = ManualClock().now()
DNS = Verification("GET", "/v1/dns/zones")
FEW = Limit("few", 4, 60)
ALONE = Verification()


async def verified(world: World, token: str, asked: Verification = ALONE) -> Verified | Refused:
    """With the methods that every listener serves."""
    return await verify(world.admission, Credential(token), asked, METHODS)


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    fields=keys,
    asked=st.builds(
        Verification,
        st.sampled_from(METHODS),
        st.sampled_from(["/v1/dns/a", "/v1/servers", "/v1/sandbox/x", "/v2", "/v1/dns/../x"]),
        address=st.sampled_from(["192.0.2.1", "10.0.0.1"]),
        origin=st.sampled_from([None, "https://app.example"]),
        scopes=st.just(()),
        cost=st.none(),
        payer=st.just(""),
    ),
    letter=st.sampled_from("sss?"),
)
async def test_verify_says_what_admission_says(
    fields: KeyFields, asked: Verification, letter: str
) -> None:
    """With a path, verify answers and takes what the same request would be answered and would take."""
    told, done = World(), World()
    tokens = [world.issue(**fields) for world in (told, done)]
    token = unknown_token() if letter == "?" else tokens[0]

    verdict = await verified(told, token, asked)
    answer = await done.ask(
        token,
        method=asked.method,
        target=asked.target or "",
        host=None,
        address=asked.address,
        origin=asked.origin,
    )
    for world in (told, done):
        world.verifier.close()

    assert type(verdict) is Verified or verdict == answer
    assert reason_of(answer) is (verdict.reason if isinstance(verdict, Refused) else None)
    assert told.limiter.levels == done.limiter.levels


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        pytest.param({}, None, id="good"),
        pytest.param({"status": KeyStatus.REVOKED}, Refusal.REVOKED_KEY, id="revoked"),
        pytest.param({"expires_at": NOON}, Refusal.EXPIRED_KEY, id="expired"),
        pytest.param(
            {"account": Account("acc_1", "Ada", "starter", ApiAccess.DISABLED)},
            Refusal.API_ACCESS_DISABLED,
            id="no-access",
        ),
        pytest.param({"addresses": ("192.0.2.0/24",)}, Refusal.IP_NOT_ALLOWED, id="no-address"),
        pytest.param(
            {"origins": ("https://app.example",)}, Refusal.ORIGIN_NOT_ALLOWED, id="no-origin"
        ),
        pytest.param({"scopes": ()}, None, id="no-route-is-judged"),
    ],
)
async def test_a_key_alone_is_judged(
    world: World, fields: KeyFields, reason: Refusal | None
) -> None:
    """Without a path the key's own state counts, and a bound key needs to be told from where it is used."""
    verdict = await verified(world, world.issue(**fields))

    assert (verdict.reason if isinstance(verdict, Refused) else None) is reason


@pytest.mark.parametrize(
    ("fields", "scopes", "reason"),
    [
        pytest.param({}, ("read-write",), None, id="held"),
        pytest.param(
            {"scopes": ("read-only", "dns-only")}, ("dns-only", "read-only"), None, id="both-held"
        ),
        pytest.param(
            {"scopes": ("read-only",)},
            ("read-only", "dns-only"),
            Refusal.INSUFFICIENT_SCOPE,
            id="one-of-two",
        ),
        pytest.param({"scopes": ("gone",)}, ("gone",), Refusal.INSUFFICIENT_SCOPE, id="left-config"),
        pytest.param(
            {"type": KeyType.PUBLISHABLE}, ("read-write",), Refusal.PUBLISHABLE_KEY, id="publishable"
        ),
        pytest.param(
            {"type": KeyType.PUBLISHABLE, "scopes": ("read-only",)}, ("read-only",), None, id="reads"
        ),
    ],
)  # fmt: skip
async def test_every_scope_asked_for_must_be_held(
    world: World, fields: KeyFields, scopes: tuple[str, ...], reason: Refusal | None
) -> None:
    """One scope too little is a no, and takes nothing."""
    limited: KeyFields = {"limits": (FEW,), **fields}
    token = world.issue(**limited)
    verdict = await verified(world, token, Verification(scopes=scopes))

    assert (verdict.reason if isinstance(verdict, Refused) else None) is reason
    assert bool(world.limiter.levels) is (reason is None)


@pytest.mark.parametrize(
    ("asked", "left"),
    [
        pytest.param(Verification(), 3, id="one-without-a-path"),
        pytest.param(DNS, 3, id="the-route's"),
        pytest.param(DNS._replace(cost=3), 1, id="own"),
        pytest.param(Verification(cost=0), 4, id="none"),
    ],
)
async def test_a_use_costs_what_is_said(world: World, asked: Verification, left: int) -> None:
    """The cost is one, the route's, or the caller's own; nothing is taken for nothing, and what is left is told."""
    verdict = await verified(world, world.issue(limits=(FEW,)), asked)

    assert isinstance(verdict, Verified)
    assert [state.remaining for state in verdict.grant.states] == [left]


async def test_what_is_used_up_is_refused_but_can_be_looked_at(world: World) -> None:
    """A use beyond the limit is rate_limited and takes nothing; cost 0 still tells what is left."""
    token = world.issue(limits=(FEW,))
    spent = await verified(world, token, Verification(cost=4))
    refused = await verified(world, token)
    looked = await verified(world, token, Verification(cost=0))

    assert isinstance(spent, Verified)
    assert isinstance(refused, Refused)
    assert (refused.reason, refused.key is None) == (Refusal.RATE_LIMITED, False)
    assert (refused.retry_after_seconds or 0) > 0
    assert isinstance(looked, Verified)
    assert looked.grant.states[0].remaining == 0


async def test_a_stranger_learns_nothing_of_a_key(world: World) -> None:
    """A revoked key is just as unknown as any other to who has not its secret."""
    token = world.issue(status=KeyStatus.REVOKED)
    key = next(iter(world.reader.rows.values())).key
    guessed = await verified(world, token_for(key, letter="t"))
    holder = await verified(world, token)

    assert guessed == Refused(Refusal.UNKNOWN_KEY)
    assert isinstance(holder, Refused)
    assert holder.reason is Refusal.REVOKED_KEY


async def test_a_revocation_while_waiting_is_heard(world: World) -> None:
    """A key that is revoked while its tokens are being taken is not called good."""
    token = world.issue(limits=(FEW,))
    await verified(world, token)
    world.limiter.is_instant = False
    world.limiter.after.close()
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(verified(world, token))
        await world.limiter.after.wait_for_arrival()
        world.revoke()
        world.limiter.after.open()
    verdict = asking.result()

    assert isinstance(verdict, Refused)
    assert verdict.reason is Refusal.REVOKED_KEY


async def test_an_outage_is_no_answer_about_the_key(world: World) -> None:
    """While the key cannot be looked up, nobody says that it is bad."""
    token = world.issue()
    world.reader.is_away = True
    verdict = await verified(world, token)

    assert isinstance(verdict, Refused)
    assert (verdict.reason, verdict.reason.status) == (Refusal.STORE_UNAVAILABLE, 503)


async def test_a_guess_at_what_is_left_is_no_answer(world: World) -> None:
    """While limits cannot be counted, a use beyond this process's share is no "rate_limited"."""
    token = world.issue(limits=(FEW,))
    await verified(world, token, Verification(cost=4))
    world.limiter.is_instant, world.limiter.is_away = False, True
    verdict = await verified(world, token)

    assert isinstance(verdict, Refused)
    assert (verdict.reason, verdict.grant is None) == (Refusal.STORE_UNAVAILABLE, False)


async def test_who_asks_answers_for_unknown_keys() -> None:
    """Without an address of the holder, it is the asking one's failures that are throttled."""
    world = World(failures_per_minute=2)
    asked = Verification(payer="198.51.100.1")
    for number in range(2):
        await verified(world, unknown_token(number), asked)
    throttled = await verified(world, unknown_token(7), asked)
    other = await verified(world, unknown_token(8), asked._replace(address="192.0.2.9"))
    world.verifier.close()

    assert isinstance(throttled, Refused)
    assert throttled.reason is Refusal.RATE_LIMITED
    assert other == Refused(Refusal.UNKNOWN_KEY)


async def test_environment_of_the_listener_counts() -> None:
    """A gateway for test keys does not call a live key good."""
    world = World(environment=Environment.TEST)
    verdict = await verified(world, world.issue())
    world.verifier.close()

    assert isinstance(verdict, Refused)
    assert verdict.reason is Refusal.ENVIRONMENT_MISMATCH
