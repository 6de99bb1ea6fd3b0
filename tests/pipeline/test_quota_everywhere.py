"""Whoever asks about a request is told the same of its quota: the proxy, verify, forward-auth and explain."""

import itertools
from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeAlias

import pytest
from multidict import CIMultiDict

from admin.core.forwarded import PREFIX
from admin.services.forward_auth import Asked, ForwardAuth, ForwardTerms
from gateway.core.addresses import Networks
from gateway.core.credential import Credential
from gateway.core.methods import METHODS
from gateway.core.places import Places
from gateway.core.problem import ratelimit_fields
from gateway.core.quota import AtLimit, Quota
from gateway.core.record import UsageRecord
from gateway.core.refusal import Refused
from gateway.pipeline.exchange import Reports
from gateway.pipeline.explanation import Supposed, explain
from gateway.pipeline.verification import Verification, verify
from tests.pipeline.world import World, plain_key

PLAIN, CRITICAL = "/v1/dns/zones", "/v1/login"
QUOTA = 4
OK = 200


class Said(NamedTuple):
    """The status that a request gets, and the quota's word in the answer; None where there is no room for it."""

    status: int
    word: str | None = None


Way: TypeAlias = Callable[[World, str, str], Awaitable[Said]]


class Sink:
    """Usage and metrics, of which nothing is asked here."""

    def record(self, record: UsageRecord) -> None:
        """Nothing."""

    def __call__(
        self,
        record: UsageRecord,
        key_name: str | None,
        overhead_seconds: float,
        upstream_seconds: float | None,
        target: str | None,
    ) -> None:
        """Nothing."""


def word_of(fields: dict[str, str]) -> str:
    """That of the quota's field."""
    return fields.get("X-Keywright-Quota", "")


async def through_the_proxy(world: World, token: str, path: str) -> Said:
    """A request that is passed on and answered."""
    answer = await world.ask(token, target=path)
    if isinstance(answer, Refused):
        assert answer.grant is not None
        return Said(answer.reason.status, word_of(dict(ratelimit_fields(answer.grant))))
    meter = answer.known.meter
    assert meter is not None
    lines = meter.lines().decode().strip().splitlines()
    meter.ended(0, is_counted=True)
    return Said(OK, word_of(dict(line.split(": ", 1) for line in lines)))


async def by_forward_auth(world: World, token: str, path: str) -> Said:
    """A proxy in front asks."""
    sink = Sink()
    terms = ForwardTerms(
        realm="api",
        docs_url="https://docs.example",
        has_legacy_headers=False,
        trusted=Networks(()),
        methods=METHODS,
        places=Places(),
    )
    door = ForwardAuth(world.admission, terms, Reports(sink, sink), world.clock)
    fields = CIMultiDict({"Authorization": f"Bearer {token}"})
    answer = await door.answer(Asked("GET", PREFIX + path, fields, "192.0.2.1", "r-1"))
    return Said(answer.status, word_of(dict(answer.fields)))


async def by_verify(world: World, token: str, path: str) -> Said:
    """Somebody asks about the key, for this request."""
    asked = Verification("GET", path, address="192.0.2.1")
    verdict = await verify(world.admission, Credential(token), asked, METHODS)
    if isinstance(verdict, Refused):
        return Said(verdict.reason.status)
    assert verdict.known.meter is not None
    verdict.known.meter.ended(0, is_counted=True)
    return Said(OK)


WAYS: tuple[Way, ...] = (through_the_proxy, by_forward_auth, by_verify)


@pytest.mark.parametrize("at_limit", AtLimit)
async def test_all_ways_count_and_judge_alike(at_limit: AtLimit) -> None:
    """The same requests get the same statuses and the same word whichever way is asked, and explain foretells them."""
    told: list[list[Said]] = []
    for way in WAYS:
        world = World(quota=Quota(QUOTA, None, at_limit))
        token = world.issue()
        said = []
        for path in (*[PLAIN] * QUOTA, PLAIN, CRITICAL, PLAIN):
            foretold = await explain(
                world.admission, plain_key(), Supposed("GET", path, "192.0.2.1"), METHODS
            )
            said.append(await way(world, token, path))
            status = OK if foretold.refused is None else foretold.refused.reason.status
            assert said[-1].status == status
        world.verifier.close()
        told.append(said)

    plain, critical = (
        (429 if at_limit is not AtLimit.SOFT else OK),
        (429 if at_limit is AtLimit.REFUSE else OK),
    )
    proxy, forward, verified = told
    assert [one.status for one in proxy] == [OK] * QUOTA + [plain, critical, plain]
    assert [one.word for one in proxy] == ["", "", "warning", "warning"] + ["exceeded"] * 3
    assert forward == proxy
    assert [one.status for one in verified] == [one.status for one in proxy]


async def test_ways_share_one_quota() -> None:
    """What one way has used the others cannot use, and a verify that costs nothing uses nothing."""
    world = World(quota=Quota(QUOTA))
    token = world.issue()
    statuses = [
        (await way(world, token, PLAIN)).status
        for way in itertools.islice(itertools.cycle(WAYS), 6)
    ]
    look = Verification("GET", PLAIN, address="192.0.2.1", cost=0)
    looked = await verify(world.admission, Credential(token), look, METHODS)
    world.verifier.close()

    assert statuses == [OK] * QUOTA + [429, 429]
    assert not isinstance(looked, Refused)


async def test_nobody_is_refused_for_what_no_store_says() -> None:
    """Without the stores every way says that they are away, and none that the quota is used up."""
    for way in WAYS:
        world = World(quota=Quota(QUOTA))
        token = world.issue()
        world.quotas.is_away = True
        assert (await way(world, token, PLAIN)).status == 503
        foretold = await explain(
            world.admission, plain_key(), Supposed("GET", PLAIN, "192.0.2.1"), METHODS
        )
        assert foretold.refused is None
        world.verifier.close()
