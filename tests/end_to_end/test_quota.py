"""Monthly quotas as callers meet them, through real gateways and real stores (docs/quotas.md)."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.fixtures_gateway import NewSite, Site, fetch
from tests.fixtures_valkey import ValkeyServer

MONTHS = {28, 29, 30, 31}


def plans(**quota: Any) -> Mapping[str, Any]:  # noqa: ANN401 -- fields of a quota
    """The one plan, without limits, and with this quota."""
    return {"starter": {"limits": [], "quota": quota}}


@pytest.mark.parametrize("express", [True, False], ids=["express", "aiohttp"])
def test_exactly_the_quota_passes_and_the_answer_says_what_is_left(
    new_site: NewSite, express: bool
) -> None:
    """Of five requests a month five pass; each answer says how many are left, and the sixth is a 429."""
    listen = {"host": "127.0.0.1", "port": 0, "express": express}
    site: Site = new_site(plans=plans(requests=5), listen=listen)
    gateway = site.start()
    secret = site.operator.key("pub-only").secret

    replies = [gateway.ask("GET", "/pub/x", secret) for _ in range(7)]

    assert [reply.status for reply in replies] == [200] * 5 + [429] * 2
    left = [reply.headers["RateLimit"] for reply in replies]
    assert [text.split(";")[:2] for text in left] == [
        ['"monthly"', f"r={count}"] for count in (4, 3, 2, 1, 0, 0, 0)
    ]
    policy = replies[0].headers["RateLimit-Policy"]
    seconds = int(policy.removeprefix('"monthly";q=5;w='))
    assert seconds % 86_400 == 0
    assert seconds // 86_400 in MONTHS
    words = [reply.headers.get("X-Keywright-Quota") for reply in replies]
    assert words == [None, None, None, "warning", "warning", "exceeded", "exceeded"]
    problem = replies[5].document
    assert (problem["code"], problem["violated-policies"]) == ("quota_exceeded", ["monthly"])
    assert int(replies[5].headers["Retry-After"]) <= seconds


def test_beyond_the_quota_plans_differ_in_what_goes_on(new_site: NewSite) -> None:
    """A soft quota serves on and says so; another serves critical routes only; used is what was served."""
    routes = [
        {"name": "pub", "match": {"path": "/pub/**"}, "upstream": "origin"},
        {"name": "adm", "match": {"path": "/adm/**"}, "upstream": "origin", "critical": True},
    ]
    for at_limit, statuses in (("soft", [200, 200, 200]), ("critical_only", [429, 200, 429])):
        site: Site = new_site(plans=plans(requests=2, at_limit=at_limit), routes=routes)
        gateway = site.start()
        secret = site.operator.key("read-write").secret
        first = [gateway.ask("GET", "/pub/x", secret).status for _ in range(2)]
        after = [gateway.ask("GET", path, secret) for path in ("/pub/x", "/adm/x", "/pub/x")]

        assert first == [200, 200]
        assert [reply.status for reply in after] == statuses
        assert {reply.headers["X-Keywright-Quota"] for reply in after} == {"exceeded"}


def test_bytes_are_counted_when_answers_have_ended(new_site: NewSite) -> None:
    """A quota of bytes refuses once what has ended is more than it; what was under way then has passed."""
    site: Site = new_site(plans=plans(bytes="2KiB"))
    gateway = site.start()
    secret = site.operator.key("pub-only").secret
    body = b"x" * 1500
    statuses = [gateway.ask("POST", "/pub/x", secret, body=body).status for _ in range(4)]

    assert statuses == [200, 200, 429, 429]


def test_every_door_counts_on_one_quota(new_site: NewSite) -> None:
    """What the proxy and forward-auth let through is one sum, both refuse beyond it alike, and explain says why."""
    site: Site = new_site(plans=plans(requests=4))
    gateway = site.start(whole=True)
    key = site.operator.key("pub-only")

    def authorized() -> tuple[int, str | None]:
        sent = {"Authorization": f"Bearer {key.secret}"}
        reply = fetch(gateway.admin_port, "GET", "/v1/authorize/pub/x", sent)
        return reply.status, reply.headers.get("X-Keywright-Quota")

    def proxied() -> tuple[int, str | None]:
        reply = gateway.ask("GET", "/pub/x", key.secret)
        return reply.status, reply.headers.get("X-Keywright-Quota")

    served = [door() for door in (proxied, authorized, proxied, authorized)]
    refused = [proxied(), authorized()]
    why = site.operator.cli("explain", key.id, "--path", "/pub/x")

    assert [status for status, _ in served] == [200] * 4
    assert refused == [(429, "exceeded")] * 2
    assert (why["allowed"], why["code"]) == (False, "quota_exceeded")


def test_redis_is_killed_and_comes_back_empty(new_site: NewSite, own_valkey: ValkeyServer) -> None:
    """Requests go on as if nothing were, up to the quota, and an empty Redis gives out nothing twice."""
    site: Site = new_site(plans=plans(requests=60), redis={"url": own_valkey.url})
    gateway = site.start()
    secret = site.operator.key("pub-only").secret

    def statuses(count: int) -> list[int]:
        return [gateway.ask("GET", "/pub/x", secret).status for _ in range(count)]

    before = statuses(10)
    own_valkey.kill()
    away = statuses(20)
    own_valkey.start()
    after = statuses(40)

    assert before + away == [200] * 30
    assert set(after) == {200, 429}
    # What Redis had set aside and lent to nobody is waited for.
    assert 25 <= after.count(200) <= 30
    assert after[:25] == [200] * 25
