"""Limits as callers meet them, through real gateways that share one Redis (design §5)."""

import asyncio
import json
import math
import re
import sys
import time
from collections import Counter
from collections.abc import Sequence

import pytest

from gateway.core import token
from gateway.core.limits import Limit
from tests.end_to_end.load import Caller, Use, admitted, at_one_instant, check_rate
from tests.fixtures_gateway import Gateway, NewSite, Reply, Site

QUOTA, WINDOW_SECONDS = 1000, 60
RATE = QUOTA / WINDOW_SECONDS


def tight(quota: int, window_seconds: int) -> list[Limit]:
    """A key's own limits: one of them."""
    return [Limit("default", quota, window_seconds)]


def pair(site: Site) -> tuple[Gateway, Gateway]:
    """Two gateways on the same stores."""
    return site.start(), site.start()


async def hammered(ports: Sequence[int], secret: str, seconds: float) -> list[Use]:
    """What three client processes at once saw, the first on one gateway and the last on another."""
    begin = time.monotonic() + 1.0
    words = [secret, str(begin), str(begin + seconds), "4"]
    processes = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.end_to_end.load", str(ports[number % len(ports)])),
            *words,
            stdout=asyncio.subprocess.PIPE,
        )
        for number in range(3)
    ]
    said = [(await process.communicate())[0] for process in processes]
    return [Use(*use) for each in said for use in json.loads(each)]


def between(passed: Sequence[Use], begin: float, end: float) -> tuple[int, int]:
    """How many were admitted between two instants: at least, and at most."""
    surely = sum(begin <= use.sent and use.ended <= end for use in passed)
    return surely, sum(use.ended >= begin and use.sent <= end for use in passed)


async def test_three_client_processes_get_exactly_the_quota(
    new_site: NewSite, valkey_url: str
) -> None:
    """Of 1000 per minute, exactly 1000 pass at once, then 16 or 17 a second, through two gateways."""
    site = new_site(redis={"url": valkey_url, "deadline": "5s"}, limits={"mode": "exact"})
    ports = [gateway.port for gateway in pair(site)]
    key = site.operator.key("pub-only", limits=tight(QUOTA, WINDOW_SECONDS))

    uses = await hammered(ports, key.secret, 5.0)

    passed = admitted(uses)
    refused = sorted((use for use in uses if use.status == 429), key=lambda use: use.sent)
    assert Counter(use.status for use in uses) == {200: len(passed), 429: len(refused)}
    check_rate(uses, QUOTA, RATE)
    began = min(passed, key=lambda use: use.ended)
    for moment in (refused[0], refused[len(refused) // 2], refused[-1]):
        surely = sum(use.ended <= moment.sent for use in passed)
        maybe = sum(use.sent <= moment.ended for use in passed)
        assert surely <= QUOTA + RATE * (moment.ended - began.sent)
        # The bucket was empty then, so all that it had ever held was given out.
        assert maybe >= QUOTA + math.floor(RATE * (moment.sent - began.ended))
    first, last = refused[0].ended, refused[-1].sent
    seconds = [first + number for number in range(int(last - first))]
    assert seconds
    for second in seconds:
        surely, maybe = between(passed, second, second + 1)
        assert surely <= 17
        assert maybe >= 16


async def test_gateways_that_borrow_ahead_never_give_more(
    new_site: NewSite, valkey_url: str
) -> None:
    """Tokens borrowed ahead let nobody over the limit, and nearly all of them reach somebody."""
    site = new_site(redis={"url": valkey_url, "deadline": "5s"}, limits={"mode": "leased"})
    ports = [gateway.port for gateway in pair(site)]
    key = site.operator.key("pub-only", limits=tight(QUOTA, WINDOW_SECONDS))

    uses = await hammered(ports, key.secret, 5.0)

    assert {use.status for use in uses} == {200, 429}
    check_rate(uses, QUOTA, RATE)
    assert len(admitted(uses)) >= QUOTA + 3 * RATE


@pytest.fixture
def site(new_site: NewSite, valkey_url: str) -> Site:
    """A site whose gateways share a Redis; one route costs five."""
    return new_site(
        redis={"url": valkey_url, "deadline": "5s"},
        routes=[
            {"name": "pub", "match": {"path": "/pub/**"}, "upstream": "origin"},
            {"name": "adm", "match": {"path": "/adm/**"}, "upstream": "origin", "cost": 5},
        ],
        keys={"failed_per_minute": 20},
    )


async def test_of_two_hundred_at_one_instant_one_passes(site: Site) -> None:
    """One per minute: of 200 requests on 200 connections to two gateways, exactly one is served."""
    ports = [gateway.port for gateway in pair(site)]
    key = site.operator.key("pub-only", limits=tight(1, 60))

    uses = await at_one_instant(ports, key.secret, 200)

    assert Counter(use.status for use in uses) == {200: 1, 429: 199}


def remaining(reply: Reply) -> int:
    """What the RateLimit field says is left."""
    found = re.fullmatch(r'"default";r=(\d+);t=(\d+)', reply.headers["RateLimit"])
    assert found, reply.headers["RateLimit"]
    return int(found[1])


def test_one_key_over_its_limit_leaves_others_alone(site: Site) -> None:
    """Limits of a key count that key; its neighbour has all of its own."""
    gateway = site.start()
    spent, other = site.operator.keys(2, "pub-only", limits=tight(3, 60))

    for _ in range(5):
        gateway.ask("GET", "/pub/x", spent.secret)
    answers = [gateway.ask("GET", "/pub/x", other.secret) for _ in range(3)]

    assert gateway.ask("GET", "/pub/x", spent.secret).code == "rate_limited"
    assert [answer.status for answer in answers] == [200] * 3
    assert [remaining(answer) for answer in answers] == [2, 1, 0]


def test_retry_after_is_honest(site: Site) -> None:
    """Remaining falls to 0 and not below; who waits as long as Retry-After says is served, and hardly sooner."""
    gateway = site.start()
    key = site.operator.key("pub-only", limits=tight(4, 10))
    left = [remaining(gateway.ask("GET", "/pub/x", key.secret)) for _ in range(4)]
    refused = gateway.ask("GET", "/pub/x", key.secret)
    told_at, wait = time.monotonic(), int(refused.headers["Retry-After"])

    told = [wait]
    while (answer := gateway.ask("GET", "/pub/x", key.secret)).status != 200:
        told.append(int(answer.headers["Retry-After"]))
        assert time.monotonic() < told_at + wait + 0.5
    waited = time.monotonic() - told_at

    assert left[0] == 3
    assert left == sorted(left, reverse=True)
    assert (refused.status, remaining(refused)) == (429, 0)
    assert refused.document["violated-policies"] == ["default"]
    assert told == sorted(told, reverse=True)
    assert told[-1] == 1
    assert wait - 1.1 < waited


def forged(secret: str, number: int) -> str:
    """Another token with the same id, well-formed."""
    parsed = token.parse(secret)
    assert parsed is not None
    return token.compose(*parsed, str(number).rjust(32, "x"))


def test_a_flood_of_wrong_secrets_takes_nothing_from_the_victim(site: Site) -> None:
    """Who knows a key's id but not its secret spends none of its tokens, and is soon turned away himself."""
    gateway = site.start()
    victim = site.operator.key("pub-only", limits=tight(6, 600))
    before = gateway.ask("GET", "/pub/x", victim.secret)

    flood = [
        gateway.ask("GET", "/pub/x", forged(victim.secret, number)).code for number in range(60)
    ]
    answers = [gateway.ask("GET", "/pub/x", victim.secret) for _ in range(6)]

    assert set(flood[:20]) == {"unknown_key"}
    assert flood[-1] == "rate_limited"
    assert before.status == 200
    assert [answer.status for answer in answers] == [200] * 5 + [429]


def test_a_spoofed_address_is_no_new_caller(new_site: NewSite, valkey_url: str) -> None:
    """A limit per address, and the throttle of wrong keys, count the peer, whatever X-Forwarded-For says."""
    plan = {"limits": [{"name": "address", "quota": 3, "window": "600s", "per": "address"}]}
    site = new_site(
        redis={"url": valkey_url, "deadline": "5s"},
        plans={"starter": plan},
        keys={"failed_per_minute": 5},
    )
    gateway = site.start()
    first, second = site.operator.keys(2, "pub-only")

    def ask(secret: str, number: int) -> Reply:
        spoofed = {"X-Forwarded-For": f"198.51.100.{number}", "X-Real-IP": f"203.0.113.{number}"}
        return gateway.ask("GET", "/pub/x", secret, headers=spoofed)

    used = [ask(first.secret if number % 2 else second.secret, number) for number in range(6)]
    guessed = [ask(forged(first.secret, number), number).code for number in range(20)]

    assert [answer.status for answer in used] == [200] * 3 + [429] * 3
    assert guessed[:5] == ["unknown_key"] * 5
    assert guessed[-1] == "rate_limited"


def test_keys_of_one_account_share_its_limit(new_site: NewSite, valkey_url: str) -> None:
    """A limit per account counts all of its keys together, beside the limit that each key has."""
    plan = {
        "limits": [
            {"name": "default", "quota": 5, "window": "600s"},
            {"name": "all-keys", "quota": 7, "window": "600s", "per": "account"},
        ]
    }
    site = new_site(redis={"url": valkey_url, "deadline": "5s"}, plans={"starter": plan})
    gateways = pair(site)
    first, second = site.operator.keys(2, "pub-only")

    of_first = [gateways[n % 2].ask("GET", "/pub/x", first.secret) for n in range(7)]
    of_second = [gateways[n % 2].ask("GET", "/pub/x", second.secret) for n in range(3)]

    assert [answer.status for answer in of_first] == [200] * 5 + [429] * 2
    assert [answer.status for answer in of_second] == [200] * 2 + [429]
    assert of_second[-1].document["violated-policies"] == ["all-keys"]


def test_a_route_has_its_cost_and_a_refusal_takes_nothing(site: Site) -> None:
    """Two requests of cost 5 leave 2 of 12 tokens; the third is refused, and those 2 are still there."""
    gateway = site.start()
    key = site.operator.key("read-only", limits=tight(12, 6000))

    targets = ["/adm/x", "/adm/x", "/adm/x", "/adm/x", "/pub/x", "/pub/x", "/pub/x"]
    answers = [gateway.ask("GET", target, key.secret) for target in targets]

    assert [answer.status for answer in answers] == [200, 200, 429, 429, 200, 200, 429]
    assert [remaining(answer) for answer in answers] == [7, 2, 2, 2, 1, 0, 0]


def test_other_refusals_take_nothing(site: Site) -> None:
    """Limits come last: what is refused for another reason costs no token."""
    gateway = site.start()
    key = site.operator.key("pub-only", limits=tight(2, 6000))

    for target, status in (("/adm/x", 403), ("/elsewhere", 404), ("/pub/%2e%2e/adm", 400)):
        assert gateway.ask("GET", target, key.secret).status == status
    answers = [gateway.ask("GET", "/pub/x", key.secret) for _ in range(3)]

    assert [answer.status for answer in answers] == [200, 200, 429]


async def test_pipelining_buys_nothing(site: Site) -> None:
    """A hundred requests written at once on one connection get what they get on a hundred connections."""
    gateway = site.start()
    one, many = site.operator.keys(2, "pub-only", limits=tight(20, 6000))

    async with Caller(gateway.port) as caller:
        pipelined = await caller.pipeline(one.secret, 100)
    uses = await at_one_instant([gateway.port], many.secret, 100)

    assert Counter(pipelined) == {200: 20, 429: 80}
    assert Counter(use.status for use in uses) == {200: 20, 429: 80}
