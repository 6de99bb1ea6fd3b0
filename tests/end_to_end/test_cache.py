"""What gateways remember of keys, and that it is never more than a memory (design §3)."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from functools import partial

import pytest

from admin.services.catalogue import Services
from gateway.core import token
from gateway.core.keys import Environment, KeyType
from tests.end_to_end.load import using
from tests.fixtures_gateway import OPERATOR, NewSite, Site
from tests.fixtures_valkey import ValkeyServer


@pytest.fixture
def site(new_site: NewSite, own_valkey: ValkeyServer) -> Site:
    """A site whose gateways share a Redis that the test looks into."""
    return new_site(
        redis={"url": own_valkey.url, "deadline": "5s"}, keys={"failed_per_minute": 1_000_000}
    )


def entry(secret: str) -> str:
    """Where Redis keeps the key of this token."""
    parsed = token.parse(secret)
    assert parsed is not None
    return f"keywright:key:{{{parsed.secret_id}}}"


def calls(own_valkey: ValkeyServer, command: str) -> int:
    """How often Redis has run it."""
    stats = own_valkey.command("INFO", "commandstats")
    return int(stats.get(f"cmdstat_{command}", {}).get("calls", 0))


def look_ups(own_valkey: ValkeyServer) -> int:
    """How often Redis was asked for a key."""
    return calls(own_valkey, "hmget")


def unknown(number: int) -> str:
    """A well-formed token of no key."""
    return token.compose(KeyType.SECRET, Environment.LIVE, f"zz{number}".ljust(12, "z"), "u" * 32)


def test_malformed_keys_cost_no_store_anything(site: Site, own_valkey: ValkeyServer) -> None:
    """Wrong checksums are refused by themselves: Redis is asked for none of a hundred."""
    gateway = site.start()
    good = site.operator.key("pub-only").secret
    before = look_ups(own_valkey)

    wrong = [f"{good[:20]}{number:03d}{good[23:]}" for number in range(100)]
    codes = Counter(gateway.ask("GET", "/pub/x", secret).code for secret in wrong)

    assert codes == {"malformed_key": 100}
    assert look_ups(own_valkey) == before


def test_a_refused_key_is_remembered_for_a_while(site: Site, own_valkey: ValkeyServer) -> None:
    """The same unknown key again and again is looked up once."""
    gateway = site.start()
    before = look_ups(own_valkey)

    codes = Counter(gateway.ask("GET", "/pub/x", unknown(1)).code for _ in range(30))

    assert codes == {"unknown_key": 30}
    assert look_ups(own_valkey) == before + 1


def test_a_known_key_is_looked_up_once(site: Site, own_valkey: ValkeyServer) -> None:
    """From its second use on a key is in memory; another worker finds it in Redis."""
    first, second = site.start(), site.start()
    key = site.operator.key("pub-only")
    before = look_ups(own_valkey)

    statuses = [first.ask("GET", "/pub/x", key.secret).status for _ in range(20)]
    assert look_ups(own_valkey) == before + 1
    statuses += [second.ask("GET", "/pub/x", key.secret).status for _ in range(20)]

    assert statuses == [200] * 40
    assert look_ups(own_valkey) == before + 2


Spoil = Callable[[ValkeyServer, str], object]
SPOILS: dict[str, Spoil] = {
    "a text": lambda redis, name: redis.command("SET", name, "garbage"),
    "nothing": lambda redis, name: redis.command("SET", name, ""),
    "a list": lambda redis, name: redis.command("RPUSH", name, "a", "b"),
    "half": lambda redis, name: redis.command("HSET", name, "v", "x", "d", "x", "p", "x"),
    "broken JSON": lambda redis, name: redis.command(
        *("HSET", name, "v", 999, "d", b"\0" * 32, "p", "none", "body", b'{"scopes":[')
    ),
}


def test_garbage_in_redis_is_a_miss(site: Site, own_valkey: ValkeyServer) -> None:
    """Whatever stands where a key should: the answer is SQL's, neither a 500 nor more than the key may do."""
    gateway = site.start()
    for name, spoil in SPOILS.items():
        key, revoked = site.operator.keys(2, "pub-only")
        site.operator.act(partial(_revoke, revoked.id))
        for each in (key, revoked):
            own_valkey.command("DEL", entry(each.secret))
            spoil(own_valkey, entry(each.secret))

        assert gateway.ask("GET", "/pub/x", key.secret).status == 200, name
        assert gateway.ask("GET", "/adm/x", key.secret).code == "insufficient_scope", name
        assert gateway.ask("GET", "/pub/x", revoked.secret).code == "revoked_key", name


async def _revoke(key_id: str, services: Services) -> None:
    await services.keys.revoke(OPERATOR, key_id)


def test_redis_cannot_widen_a_key(site: Site, own_valkey: ValkeyServer) -> None:
    """A copy in which somebody has written another scope is no copy."""
    first, second = site.start(), site.start()
    key = site.operator.key("pub-only")
    assert first.ask("GET", "/pub/x", key.secret).status == 200
    body = own_valkey.command("HGET", entry(key.secret), "body")
    assert b'"pub-only"' in body

    own_valkey.command(
        "HSET", entry(key.secret), "body", body.replace(b'"pub-only"', b'"read-only"')
    )

    assert second.ask("GET", "/adm/x", key.secret).code == "insufficient_scope"


async def test_memory_never_outlives_expiry(site: Site) -> None:
    """A key in steady use is refused from the moment it expires, however well it is known."""
    gateway = site.start()
    made_at = time.time()
    key = await asyncio.to_thread(site.operator.key, "pub-only", expires_in_seconds=2)
    offset = time.time() - time.monotonic()

    async with using([gateway.port], [key.secret]) as users:
        await users.goes_on(20)
        async with asyncio.timeout(30):
            while users.uses[-1][2].status == 200:  # noqa: ASYNC110 -- grows by what others do
                await asyncio.sleep(0.01)
        await users.goes_on(20)

    uses = users.of(key.secret)
    served = [use for use in uses if use.status == 200]
    assert served
    assert {use.status for use in uses} == {200, 401}
    # The key was made after `made_at`, and its life is counted from then.
    made = site.operator.act(lambda services: services.keys.show(OPERATOR, key.id))
    assert made.expires_at is not None
    assert made.expires_at >= made_at + 2
    assert max(use.sent + offset for use in served) <= made.expires_at + 0.1


async def test_keys_work_on_while_redis_is_emptied(site: Site, own_valkey: ValkeyServer) -> None:
    """FLUSHALL again and again under load on two gateways: not one of 40 keys is refused."""
    ports = [site.start().port, site.start().port]
    keys = await asyncio.to_thread(site.operator.keys, 40, "pub-only")

    async with using(ports, [key.secret for key in keys]) as users:
        for _ in range(4):
            await users.goes_on(60)
            own_valkey.command("FLUSHALL")
        await users.goes_on(60)

    assert {use.status for *_, use in users.uses} == {200}
