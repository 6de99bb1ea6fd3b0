"""What the one admission says yes to, and the facts that its "no" carries (design §4, §5, §6)."""

from dataclasses import replace

import pytest

from gateway.core.keys import Environment, KeyType, Owner
from gateway.core.limits import CountedPer, Limit
from gateway.core.refusal import Refusal, Refused
from gateway.pipeline.inquiry import Admitted, Waits
from tests.pipeline.world import ACCOUNT, World, plain_key, reason_of

PER_KEY = Limit("burst", 10, 60)
PER_ACCOUNT = Limit("shared", 20, 60, CountedPer.ACCOUNT)
PER_ADDRESS = Limit("each", 5, 60, CountedPer.ADDRESS)


async def test_admitted_says_who_where_and_how_much_is_left(world: World) -> None:
    """Everything that the lane needs to forward the request is in the answer."""
    answer = await world.ask(world.issue(), target="/v1/dns/zones?page=2")

    assert isinstance(answer, Admitted)
    assert (answer.key, answer.route.name) == (plain_key(), "dns")
    assert answer.target.origin_form == "/v1/dns/zones?page=2"
    assert [state.remaining for state in answer.grant.states] == [999]
    assert answer.known.identity.decode().splitlines() == [
        "X-Keywright-Key-Id: key_1",
        "X-Keywright-Account: acc_1",
        "X-Keywright-Scopes: read-write",
        "X-Keywright-Environment: live",
    ]


@pytest.mark.parametrize(
    ("type_", "scopes", "method", "reason"),
    [
        (KeyType.SECRET, ("read-only",), "GET", None),
        (KeyType.SECRET, ("read-only",), "HEAD", None),
        (KeyType.SECRET, ("read-only",), "POST", Refusal.INSUFFICIENT_SCOPE),
        (KeyType.SECRET, ("read-only", "dns-only"), "POST", None),
        (KeyType.SECRET, (), "GET", Refusal.INSUFFICIENT_SCOPE),
        (KeyType.SECRET, ("gone",), "GET", Refusal.INSUFFICIENT_SCOPE),
        (KeyType.PUBLISHABLE, ("read-only",), "GET", None),
        (KeyType.PUBLISHABLE, ("read-write",), "GET", None),
        (KeyType.PUBLISHABLE, ("read-write",), "POST", Refusal.PUBLISHABLE_KEY),
        (KeyType.PUBLISHABLE, (), "GET", Refusal.INSUFFICIENT_SCOPE),
    ],
)
async def test_scopes(
    world: World, type_: KeyType, scopes: tuple[str, ...], method: str, reason: Refusal | None
) -> None:
    """The union of the key's scopes; for a publishable key, as far as publishable scopes go as well."""
    token = world.issue(type=type_, scopes=scopes)

    assert reason_of(await world.ask(token, method=method)) is reason


@pytest.mark.parametrize(
    ("plan", "owner", "left"),
    [
        pytest.param("starter", Owner("admin", None), "read-write read-only", id="admin"),
        pytest.param("starter", Owner("member", None), "read-only", id="what-the-plan-offers"),
        pytest.param("starter", Owner("member", ("dns-only",)), "", id="what-the-user-has"),
        pytest.param("starter", Owner("viewer", None), "", id="viewer"),
        pytest.param("free", Owner("member", None), "", id="plan-that-offers-nothing"),
        pytest.param("vps", Owner("member", None), "read-write read-only", id="plan-offers-all"),
        pytest.param("gone", Owner("member", None), "read-only", id="plan-left-the-configuration"),
    ],
)
async def test_a_key_does_no_more_than_its_owner(
    world: World, plan: str, owner: Owner, left: str
) -> None:
    """Owner and plan narrow the key, and the upstream is told of the scopes that are left, not of the key's."""
    account = replace(ACCOUNT, plan=plan)
    token = world.issue(owner=owner, account=account, scopes=("read-write", "read-only"))
    read, write = await world.ask(token), await world.ask(token, method="POST")

    assert reason_of(read) is (None if left else Refusal.INSUFFICIENT_SCOPE)
    assert isinstance(write, Admitted) is ("read-write" in left)
    if isinstance(read, Admitted):
        assert f"X-Keywright-Scopes: {left}" in read.known.identity.decode().splitlines()
        assert read.known.scopes == tuple(left.split())


async def test_narrowing_the_owner_narrows_the_key_at_once(world: World) -> None:
    """A change of the owner reaches a key that this worker has in memory, and so does undoing it."""
    token = world.issue(owner=Owner("admin", None))
    before = await world.ask(token, method="POST")
    world.change(owner=Owner("member", None))
    narrowed = await world.ask(token, method="POST")
    world.change(owner=Owner("admin", None))

    assert isinstance(before, Admitted)
    assert reason_of(narrowed) is Refusal.INSUFFICIENT_SCOPE
    assert isinstance(await world.ask(token, method="POST"), Admitted)


async def test_insufficient_scope_names_what_would_do(world: World) -> None:
    """The caller learns which scopes to ask for, and the record knows the route."""
    refused = await world.ask(world.issue(scopes=("read-only",)), method="DELETE")

    assert isinstance(refused, Refused)
    assert (refused.scopes, refused.route) == (("read-write", "dns-only"), "dns")
    assert refused.key == plain_key(scopes=("read-only",))


@pytest.mark.parametrize(
    ("origin", "reason"),
    [
        ("https://app.example", None),
        ("HTTPS://App.Example", None),
        ("https://app.example:8443", Refusal.ORIGIN_NOT_ALLOWED),
        ("http://app.example", Refusal.ORIGIN_NOT_ALLOWED),
        ("https://app.example.evil.example", Refusal.ORIGIN_NOT_ALLOWED),
        ("null", Refusal.ORIGIN_NOT_ALLOWED),
        ("", Refusal.ORIGIN_NOT_ALLOWED),
        (None, Refusal.ORIGIN_NOT_ALLOWED),
    ],
)
async def test_origins(world: World, origin: str | None, reason: Refusal | None) -> None:
    """Scheme, host and port must be one of the list; letter case and a final slash in the list do not matter."""
    token = world.issue(origins=("https://App.example/",))

    assert reason_of(await world.ask(token, origin=origin)) is reason


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("198.51.100.9", None),
        ("2001:db8::9", None),
        ("::ffff:198.51.100.9", None),
        ("192.0.2.1", Refusal.IP_NOT_ALLOWED),
        ("nonsense", Refusal.IP_NOT_ALLOWED),
        ("", Refusal.IP_NOT_ALLOWED),
    ],
)
async def test_addresses(world: World, address: str, reason: Refusal | None) -> None:
    """A key with an address list is good from there only; what cannot be read is not there."""
    token = world.issue(addresses=("198.51.100.0/24", "2001:db8::/32"))

    assert reason_of(await world.ask(token, address=address)) is reason


@pytest.mark.parametrize("environment", Environment)
async def test_route_for_one_environment(world: World, environment: Environment) -> None:
    """A route may be for test keys only, on a listener for both."""
    answer = await world.ask(world.issue(environment=environment), target="/v1/sandbox/x")

    is_test = environment is Environment.TEST
    assert reason_of(answer) is (None if is_test else Refusal.ENVIRONMENT_MISMATCH)


async def test_path_that_servers_read_differently_is_refused(world: World) -> None:
    """The second reading of a path may not lead to another route, nor be told to strangers as such."""
    token = world.issue()
    refused = await world.ask(token, target="/v1/dns;/../servers/1")
    assert reason_of(refused) is Refusal.BAD_REQUEST

    ambiguous = await world.ask(token, target="/v1/DNS/zones")
    assert isinstance(ambiguous, Refused)
    assert ambiguous.reason in {Refusal.BAD_REQUEST, Refusal.NO_ROUTE}


@pytest.mark.parametrize(
    ("plan", "reason"),
    [
        ("vps", None),
        ("starter", Refusal.PLAN_REQUIRED),
        ("no longer configured", Refusal.PLAN_REQUIRED),
    ],
)
async def test_plans(world: World, plan: str, reason: Refusal | None) -> None:
    """A route for some plans; a plan that left the configuration counts as the default one."""
    token = world.issue(account=replace(ACCOUNT, plan=plan))

    assert reason_of(await world.ask(token, target="/v1/servers/1")) is reason


async def test_plan_that_left_the_configuration_is_not_unlimited(world: World) -> None:
    """Its accounts have the default plan's limits."""
    answer = await world.ask(world.issue(account=replace(ACCOUNT, plan="no longer configured")))

    assert isinstance(answer, Admitted)
    assert [state.limit.quota for state in answer.grant.states] == [1000]


async def test_plan_without_limits_asks_no_limiter(world: World) -> None:
    """Then there is nothing to take, and nothing to tell."""
    world.limiter.is_instant = False
    token = world.issue(account=replace(ACCOUNT, plan="free"))
    await world.ask(token)
    answer = world.decide(token)

    assert isinstance(answer, Admitted)
    assert answer.grant.states == ()


async def test_buckets_are_named_by_what_they_count(world: World) -> None:
    """One per key, one per account, one per address (IPv6: /64), all on one node of a cluster."""
    token = world.issue(limits=(PER_KEY, PER_ACCOUNT, PER_ADDRESS))
    await world.ask(token)
    await world.ask(token, address="2001:db8::1")

    assert set(world.limiter.levels) == {
        "{acc_1}:burst:key_1",
        "{acc_1}:shared:account",
        "{acc_1}:each:192.0.2.1",
        "{acc_1}:each:2001:db8::/64",
    }


async def test_limits_of_the_key_replace_those_of_its_plan(world: World) -> None:
    """Own limits are meant instead."""
    token = world.issue(limits=(PER_KEY,))
    answer = await world.ask(token)

    assert isinstance(answer, Admitted)
    assert [state.limit for state in answer.grant.states] == [PER_KEY]


async def test_keys_of_one_account_share_its_bucket(world: World) -> None:
    """Two keys together get what the account has, and each its own on top."""
    first, second = (world.issue(number, limits=(PER_ACCOUNT,)) for number in (1, 2))
    for number in range(PER_ACCOUNT.quota):
        assert isinstance(await world.ask((first, second)[number % 2]), Admitted)

    assert reason_of(await world.ask(first)) is Refusal.RATE_LIMITED
    assert reason_of(await world.ask(second)) is Refusal.RATE_LIMITED


@pytest.mark.parametrize("is_instant", [True, False], ids=["from memory", "by I/O"])
async def test_over_the_limit(world: World, is_instant: bool) -> None:
    """The 429 carries the grant, the route and the time to wait, whichever way it was decided."""
    world.limiter.is_instant = is_instant
    token = world.issue(limits=(PER_KEY,))
    for _ in range(PER_KEY.quota):
        assert isinstance(await world.ask(token), Admitted)
    refused = await world.ask(token)

    assert isinstance(refused, Refused)
    assert (refused.reason, refused.route) == (Refusal.RATE_LIMITED, "dns")
    assert refused.grant is not None
    assert refused.grant.violated == ("burst",)
    assert refused.retry_after_seconds == pytest.approx(6.0)


async def test_route_has_its_cost(world: World) -> None:
    """A dear route takes more tokens."""
    token = world.issue(account=replace(ACCOUNT, plan="vps"), limits=(PER_KEY,))
    answers = [await world.ask(token, target="/v1/servers/1") for _ in range(3)]

    assert [reason_of(answer) for answer in answers] == [None, None, Refusal.RATE_LIMITED]


async def test_flood_with_wrong_secrets_leaves_the_victim_its_rate(world: World) -> None:
    """Only a holder of the secret can spend the key's tokens (G10)."""
    token = world.issue()
    for number in range(50):
        await world.ask(token[:-6] + str(number).zfill(6))
    answer = await world.ask(token)

    assert isinstance(answer, Admitted)
    assert answer.grant.states[0].remaining == 999


async def test_answer_waits_only_when_it_needs_io(world: World) -> None:
    """First the key, then, if the limiter cannot say from memory, the tokens; else nothing."""
    token = world.issue()
    assert isinstance(world.decide(token), Waits)
    await world.ask(token)
    assert isinstance(world.decide(token), Admitted)
    world.limiter.is_instant = False
    assert isinstance(world.decide(token), Waits)


async def test_nothing_that_is_printed_holds_a_secret(world: World) -> None:
    """Neither question nor answers show the token, its secret part, its digest, or the query."""
    token = world.issue()
    inquiry = world.inquire(token, target="/v1/dns/zones?api_key=hush")
    answer = await world.ask(token)
    assert isinstance(answer, Admitted)
    texts = [
        repr(inquiry),
        str(inquiry),
        repr(answer),
        repr(world.decide(token)),
        repr(world.known),
    ]
    texts += [repr(world.lookup), repr(world.admission), f"{world.digest(token)!r}"]

    secret, digest = token[-38:-6], world.digest(token).value
    for text in texts:
        assert secret not in text
        assert "hush" not in text
        assert digest.hex() not in text
        assert repr(digest) not in text
        assert repr(world.peppers.current.value) not in text
