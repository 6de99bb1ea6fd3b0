"""A key that is sent otherwise than as Bearer: the same key, the same answer, at the same price."""

import base64
import itertools
from collections.abc import Callable
from typing import Unpack

import pytest

from gateway.core.keys import Environment, KeyStatus, KeyType
from gateway.core.refusal import Refusal, Refused
from gateway.core.token import SECRET_ID_LENGTH, parse
from gateway.pipeline.inquiry import Admitted
from tests.pipeline.world import (
    Answer,
    RequestFields,
    World,
    plain_key,
    reason_of,
    token_for,
)

_KINDS = list(itertools.product(KeyType, Environment))


def halves(token: str) -> tuple[str, str]:
    """API key and API secret of a token."""
    parsed = parse(token)
    assert parsed is not None
    return parsed.secret_id, token[8 + SECRET_ID_LENGTH : -6]


def by_basic(token: str) -> RequestFields:
    """As HTTP Basic: API key and API secret."""
    text = base64.b64encode(":".join(halves(token)).encode()).decode()
    return {"authorization": (f"Basic {text}",)}


def by_basic_whole(token: str) -> RequestFields:
    """As HTTP Basic: the whole key, without a password."""
    text = base64.b64encode(f"{token}:".encode()).decode()
    return {"authorization": (f"Basic {text}",)}


def by_headers(token: str) -> RequestFields:
    """As two headers."""
    api_key, api_secret = halves(token)
    return {"authorization": (), "api_keys": (api_key,), "api_secrets": (api_secret,)}


def by_header(token: str) -> RequestFields:
    """As one header with the whole key."""
    return {"authorization": (), "api_keys": (token,)}


def by_query(token: str) -> RequestFields:
    """In the query."""
    return {"authorization": (), "target": f"/v1/dns/zones?a=1&api_key={token}&b=%20"}


Way = Callable[[str], RequestFields]
WAYS = [by_basic, by_basic_whole, by_headers, by_header, by_query]
PAIRS = [by_basic, by_headers]


async def told(world: World, **fields: Unpack[RequestFields]) -> Answer:
    """Ask, with these fields in place of the usual ones."""
    return await world.ask("", **fields)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize(("type_", "environment"), _KINDS, ids=str)
async def test_every_key_can_be_sent_in_every_way(
    way: Way, type_: KeyType, environment: Environment
) -> None:
    """The first request looks the key up, the next finds it in memory, and so does Bearer from then on."""
    world = World(query_parameters=("api_key",))
    token = world.issue(type=type_, environment=environment, scopes=("read-only",))
    first = await told(world, **way(token))
    again = world.decide("", **way(token))

    assert isinstance(first, Admitted)
    assert isinstance(again, Admitted)
    assert (first.key.id, again.key.id) == ("key_1", "key_1")
    assert isinstance(world.decide(token), Admitted)
    assert (world.reader.calls, len(world.known)) == (1, 1)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
async def test_l2_knows_the_key_in_every_way(way: Way) -> None:
    """What one worker has verified as Bearer another need not verify again, however it is sent."""
    world = World(query_parameters=("api_key",))
    key = plain_key(environment=Environment.TEST)
    world.cached(token_for(key), key)

    assert isinstance(await told(world, **way(token_for(key))), Admitted)
    assert world.reader.calls == 0


@pytest.mark.parametrize("way", PAIRS, ids=lambda way: way.__name__)
async def test_a_wrong_secret_is_unknown_and_remembered(world: World, way: Way) -> None:
    """The wrong half of a pair is told as an unknown id is, and asking again costs nothing."""
    world.issue()
    wrong, nobody = token_for(plain_key(), letter="w"), token_for(plain_key(9))
    answers = [await told(world, **way(token)) for token in (wrong, nobody)]
    calls = world.reader.calls
    again = world.decide("", **way(wrong))

    assert [reason_of(answer) for answer in answers] == [Refusal.UNKNOWN_KEY] * 2
    assert again == answers[0]
    assert world.reader.calls == calls
    assert isinstance(await world.ask(token_for(plain_key())), Admitted)


async def test_a_pair_learns_the_state_of_its_key(world: World) -> None:
    """Who holds the secret is told why it does not work, in whatever way it is sent."""
    token = world.issue(status=KeyStatus.REVOKED)

    assert reason_of(await told(world, **by_basic(token))) is Refusal.REVOKED_KEY


async def test_a_revocation_reaches_pairs(world: World) -> None:
    """A pair that was known a moment ago is refused as soon as the revocation is heard."""
    token = world.issue()
    before = await told(world, **by_headers(token))
    world.revoke()

    assert isinstance(before, Admitted)
    assert reason_of(await told(world, **by_headers(token))) is Refusal.REVOKED_KEY


@pytest.mark.parametrize(("type_", "environment"), _KINDS, ids=str)
async def test_another_kind_of_token_costs_no_argon2(
    type_: KeyType, environment: Environment
) -> None:
    """A token whose type or environment is not the key's is nobody's, without a hash being computed."""
    verified: list[bytes] = []

    def verify(_: str, token_bytes: bytes) -> bool:
        verified.append(token_bytes)
        return True

    world = World(verify=verify)
    token = world.issue(type=KeyType.SECRET, environment=Environment.LIVE)
    other = token_for(plain_key(type=type_, environment=environment))
    answer = await world.ask(other)

    if other == token:
        assert isinstance(answer, Admitted)
        assert verified == [token.encode()]
    else:
        assert reason_of(answer) is Refusal.UNKNOWN_KEY
        assert verified == []


async def test_a_condemned_token_does_not_condemn_the_pair(world: World) -> None:
    """That `sk_live_…` is nobody's says nothing about a pair whose key is a `pk_test_…`."""
    token = world.issue(
        type=KeyType.PUBLISHABLE, environment=Environment.TEST, scopes=("read-only",)
    )
    condemned = [
        reason_of(await world.ask(token_for(plain_key(type=type_, environment=environment))))
        for type_, environment in _KINDS[:-1]
    ]

    assert condemned == [Refusal.UNKNOWN_KEY] * 3
    assert isinstance(await told(world, **by_basic(token)), Admitted)


async def test_half_a_pair_learns_what_is_missing(world: World) -> None:
    """Who sends the API key alone is told to send the secret; who sends the secret alone as well."""
    api_key, api_secret = halves(world.issue())
    key_alone = await told(world, authorization=(), api_keys=(api_key,))
    secret_alone = await told(world, authorization=(), api_secrets=(api_secret,))

    assert isinstance(key_alone, Refused)
    assert isinstance(secret_alone, Refused)
    assert (key_alone.reason, secret_alone.reason) == (
        Refusal.MALFORMED_KEY,
        Refusal.AMBIGUOUS_CREDENTIALS,
    )
    assert "API secret" in key_alone.hint
    assert "API key" in secret_alone.hint
    assert world.reader.calls == world.cache.calls == 0


async def test_the_query_is_forwarded_without_the_key() -> None:
    """What the upstream gets, and what is decided on, is the target less the credential, byte for byte."""
    world = World(query_parameters=("api_key",))
    token = world.issue()
    answer = await told(world, **by_query(token))
    unused = await world.ask(token, target="/v1/dns/zones?a=%2f&&b")

    assert isinstance(answer, Admitted)
    assert answer.target.origin_form == "/v1/dns/zones?a=1&b=%20"
    assert token not in repr(answer)
    assert isinstance(unused, Admitted)
    assert unused.target.origin_form == "/v1/dns/zones?a=%2f&&b"


@pytest.mark.parametrize(
    "parameters", [(), ("key",)], ids=["no-parameter-configured", "another-parameter"]
)
async def test_the_query_is_not_read_unless_configured(parameters: tuple[str, ...]) -> None:
    """A key in the query is no credential where the operator has not said so, and the query stays whole."""
    world = World(query_parameters=parameters)
    token = world.issue()
    alone = await told(world, **by_query(token))
    with_bearer: RequestFields = {**by_query(token), "authorization": (f"Bearer {token}",)}
    beside = await told(world, **with_bearer)

    assert reason_of(alone) is Refusal.MISSING_KEY
    assert isinstance(beside, Admitted)
    assert beside.target.origin_form == by_query(token)["target"]


async def test_two_ways_at_once_are_refused_before_any_look_up() -> None:
    """Even the same key in two places is refused: a proxy in front may have read the other one."""
    world = World(query_parameters=("api_key",))
    token = world.issue()
    bearer: RequestFields = {"authorization": (f"Bearer {token}",)}
    twice: RequestFields = {"target": f"{by_query(token)['target']}&api%5Fkey={token}"}
    both: list[RequestFields] = [
        {**by_headers(token), **bearer},
        {**by_header(token), **bearer},
        {**by_query(token), **bearer},
        {**by_headers(token), **by_basic(token)},
        {**by_query(token), "api_keys": (token,)},
        {**by_query(token), **twice},
    ]
    answers = [await told(world, **fields) for fields in both]

    assert [reason_of(answer) for answer in answers] == [Refusal.AMBIGUOUS_CREDENTIALS] * 6
    assert world.reader.calls == world.cache.calls == 0


async def test_a_flood_of_pairs_is_throttled_as_any_other() -> None:
    """An address that keeps sending wrong pairs is refused for a while, before anything is looked up."""
    world = World(failures_per_minute=3)
    world.issue()
    reasons = [
        reason_of(await told(world, **by_headers(token_for(plain_key(), letter=letter))))
        for letter in "abcde"
    ]

    assert reasons[:3] == [Refusal.UNKNOWN_KEY] * 3
    assert reasons[-1] is Refusal.RATE_LIMITED
