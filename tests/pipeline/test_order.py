"""Which "no" is told when several are due (design §1): the first in the order of the rooms."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Unpack

import pytest

from gateway.core.keys import ApiAccess, Environment, KeyStatus, KeyType
from gateway.core.limits import Bucket, Limit
from gateway.core.refusal import Refusal
from tests.pipeline.world import (
    ACCOUNT,
    KeyFields,
    RequestFields,
    World,
    plain_key,
    reason_of,
    token_for,
)

LIMIT = Limit("default", 1000, 60)
BUCKET = Bucket("{acc_1}:default:key_1", LIMIT)


@dataclass
class Case:
    """A key and a request, both fine until a fault is put in."""

    world: World
    key: KeyFields = field(default_factory=KeyFields)
    request: RequestFields = field(default_factory=RequestFields)
    acts: list[Callable[[], object]] = field(default_factory=list)

    async def warm(self) -> str:
        """Issue the key and let this worker get to know it."""
        token = self.world.issue(**self.key)
        await self.world.ask(token)
        self.world.limiter.levels.clear()
        return token


class Fault(NamedTuple):
    """What is wrong, and the refusal that it gives alone."""

    reason: Refusal
    put_into: Callable[[Case], object]


def _key(**fields: Unpack[KeyFields]) -> Callable[[Case], None]:
    return lambda case: case.key.update(fields)


def _request(**fields: Unpack[RequestFields]) -> Callable[[Case], None]:
    return lambda case: case.request.update(fields)


def _stale(case: Case) -> None:
    def cut_off() -> None:
        case.world.feed.silence()
        case.world.reader.is_away = True
        case.world.clock.advance(601)

    case.acts.append(cut_off)


def _spent(case: Case) -> None:
    case.acts.append(lambda: case.world.limiter.take_nowait([BUCKET], LIMIT.quota))


def _publishable(case: Case) -> None:
    case.key["type"] = KeyType.PUBLISHABLE
    case.request["method"] = "POST"


WRONG_SECRET = token_for(plain_key(), letter="w")

FAULTS = {
    "target": Fault(Refusal.BAD_REQUEST, _request(target="/v1/dns//zones")),
    "no_key": Fault(Refusal.MISSING_KEY, _request(authorization=())),
    "two_keys": Fault(
        Refusal.AMBIGUOUS_CREDENTIALS, _request(authorization=("Bearer a", "Bearer b"))
    ),
    "shape": Fault(Refusal.MALFORMED_KEY, _request(authorization=("Bearer sk_live_short",))),
    "secret": Fault(Refusal.UNKNOWN_KEY, _request(authorization=(f"Bearer {WRONG_SECRET}",))),
    "stale": Fault(Refusal.STORE_UNAVAILABLE, _stale),
    "revoked": Fault(Refusal.REVOKED_KEY, _key(status=KeyStatus.REVOKED)),
    "disabled": Fault(Refusal.DISABLED_KEY, _key(status=KeyStatus.DISABLED)),
    "too_early": Fault(Refusal.NOT_YET_VALID, _key(not_before=2e9)),
    "expired": Fault(Refusal.EXPIRED_KEY, _key(expires_at=1.0)),
    "environment": Fault(Refusal.ENVIRONMENT_MISMATCH, _key(environment=Environment.TEST)),
    "access": Fault(
        Refusal.API_ACCESS_DISABLED,
        _key(account=replace(ACCOUNT, api_access=ApiAccess.DISABLED)),
    ),
    "address": Fault(Refusal.IP_NOT_ALLOWED, _key(addresses=("198.51.100.0/24",))),
    "origin": Fault(Refusal.ORIGIN_NOT_ALLOWED, _key(origins=("https://app.example",))),
    "route": Fault(Refusal.NO_ROUTE, _request(target="/nowhere")),
    "plan": Fault(Refusal.PLAN_REQUIRED, _request(target="/v1/servers/1")),
    "publishable": Fault(Refusal.PUBLISHABLE_KEY, _publishable),
    "scope": Fault(Refusal.INSUFFICIENT_SCOPE, _key(scopes=())),
    "limit": Fault(Refusal.RATE_LIMITED, _spent),
}

NAMES = tuple(FAULTS)


@pytest.fixture
def world() -> Iterator[World]:
    """A worker whose listener is for live keys only."""
    world = World(environment=Environment.LIVE)
    yield world
    world.verifier.close()


async def _reason(world: World, *names: str) -> Refusal | None:
    """What is said when all of these are wrong at once; the first has the last word on what it is about."""
    case = Case(world)
    for name in reversed(names):
        FAULTS[name].put_into(case)
    token = await case.warm()
    for act in case.acts:
        act()
    return reason_of(await world.ask(token, **case.request))


@pytest.mark.parametrize("name", NAMES)
async def test_each_fault_alone_is_refused_for_what_it_is(world: World, name: str) -> None:
    """Every fault of the table is noticed."""
    assert await _reason(world, name) is FAULTS[name].reason


async def test_without_a_fault_the_request_is_admitted(world: World) -> None:
    """The table's starting point is a request that passes."""
    assert await _reason(world) is None


@pytest.mark.parametrize(
    ("earlier", "later"),
    [pytest.param(*pair, id="-".join(pair)) for pair in itertools.combinations(NAMES, 2)],
)
async def test_of_two_faults_the_earlier_is_told(world: World, earlier: str, later: str) -> None:
    """A caller learns what a later room would have said only after the earlier ones agree."""
    assert await _reason(world, earlier, later) is FAULTS[earlier].reason


@pytest.mark.parametrize("name", [name for name in NAMES if name != "limit"])
async def test_a_refused_request_takes_no_tokens(world: World, name: str) -> None:
    """Whoever is refused for another reason still has the whole limit (design §5)."""
    await _reason(world, name)

    assert not world.limiter.levels
