"""What is served, refused and told while Redis, SQL or both are away (design §9), by real gateways."""

import asyncio
import contextlib
import math
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
from sqlalchemy import func, select
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.core.keys import Environment, KeyType
from gateway.core.limits import MICRO, Limit
from gateway.core.token import compose
from gateway.stores.places import DATABASE_NAME
from gateway.stores.tables import usage_records
from tests.end_to_end.load import Use, Users, check_rate, using
from tests.fixtures_gateway import Gateway, NewSite, Reply, Site, eventually
from tests.fixtures_valkey import ValkeyServer
from tests.relay import Relay

# Of requests that need nothing new from the store that is away; a busy machine has its part in it.
BOUND_SECONDS = 1.0
UNKNOWN_TOKEN = compose(KeyType.SECRET, Environment.LIVE, "0" * 12, "0" * 32)


class Fault(NamedTuple):
    """How Redis is broken, and mended."""

    begin: Callable[[ValkeyServer], object]
    end: Callable[[ValkeyServer], object]


FAULTS = {
    "killed": Fault(ValkeyServer.kill, ValkeyServer.start),
    "frozen": Fault(ValkeyServer.freeze, ValkeyServer.thaw),
    # It ends by itself, and nothing else can end it: UNPAUSE waits like everything else.
    "paused": Fault(lambda redis: redis.command("CLIENT", "PAUSE", 2500, "ALL"), lambda _: None),
    "writes paused": Fault(
        lambda redis: redis.command("CLIENT", "PAUSE", 60_000, "WRITE"),
        lambda redis: redis.command("CLIENT", "UNPAUSE"),
    ),
    "out of memory": Fault(
        lambda redis: redis.command("CONFIG", "SET", "maxmemory", 1),
        lambda redis: redis.command("CONFIG", "SET", "maxmemory", 0),
    ),
    "read-only": Fault(
        lambda redis: redis.command("REPLICAOF", "127.0.0.1", 1),
        lambda redis: redis.command("REPLICAOF", "NO", "ONE"),
    ),
}


def is_degraded(gateway: Gateway, store: str) -> bool:
    """What /metrics says of the store."""
    return gateway.metrics()[f'keywright_degraded{{store="{store}"}}'] == 1


def percentile_99(uses: list[Use]) -> float:
    """In seconds."""
    return sorted(use.ended - use.sent for use in uses)[len(uses) * 99 // 100 - 1]


async def until(look: Callable[[], bool], what: str) -> None:
    """As `eventually`, while the test's own load goes on."""
    await asyncio.to_thread(eventually, look, what)


def assert_all_served(users: Users) -> None:
    """No request of the load was refused or lost, and none took long."""
    uses = [use for *_, use in users.uses]
    assert {use.status for use in uses} == {200}
    assert percentile_99(uses) < BOUND_SECONDS


@pytest.mark.parametrize("name", FAULTS)
async def test_without_redis_keys_work(
    new_site: NewSite, own_valkey: ValkeyServer, name: str
) -> None:
    """Known keys are served, others verified in SQL, a wrong one is 401; it is told, and heals by itself."""
    site = new_site(redis={"url": own_valkey.url})
    gateway = site.start()
    known, unused = site.operator.keys(2, "pub-only")
    before = await asyncio.to_thread(gateway.ask, "GET", "/pub/x", known.secret)

    async with using([gateway.port], [known.secret]) as users:
        await users.goes_on(20)
        FAULTS[name].begin(own_valkey)
        try:
            await until(lambda: is_degraded(gateway, "redis"), "the outage to be noticed")
            await users.goes_on(100)
            first_use = await asyncio.to_thread(gateway.ask, "GET", "/pub/x", unused.secret)
            wrong = await asyncio.to_thread(gateway.ask, "GET", "/pub/x", UNKNOWN_TOKEN)
            readiness = await asyncio.to_thread(gateway.admin, "/readyz")
        finally:
            FAULTS[name].end(own_valkey)
        await until(lambda: not is_degraded(gateway, "redis"), "the end of the outage")
        await users.goes_on(20)
    after = await asyncio.to_thread(gateway.ask, "GET", "/pub/x", known.secret)

    assert_all_served(users)
    assert first_use.status == 200
    assert wrong.code == "unknown_key"
    assert (readiness.status, readiness.document["status"]) == (200, "degraded")
    # What one worker knows of a limit is not what the cluster knows, so it does not say it.
    assert first_use.headers["RateLimit"] is None
    assert before.headers["RateLimit"]
    assert after.headers["RateLimit"]
    told = [event["event"] for event in gateway.events]
    assert told.count("store_is_away") == told.count("store_is_back") == 1


def wait_until_both_are_counted(own_valkey: ValkeyServer) -> None:
    """Return once each of two workers has given a sign of life from now on, and so has seen the other's."""
    seconds, microseconds = own_valkey.command("TIME")
    now_ms = int(seconds) * 1000 + int(microseconds) // 1000
    eventually(
        lambda: own_valkey.command("ZCOUNT", "keywright:workers", f"({now_ms}", "+inf") == 2,
        "two signs of life",
    )


def tokens(own_valkey: ValkeyServer, bucket: str) -> float:
    """What Redis has in a bucket; infinite if it does not know."""
    held: bytes | None = own_valkey.command("GET", bucket)
    return math.inf if held is None else int(held.split()[0]) / MICRO


async def test_limits_fall_to_the_share(new_site: NewSite, own_valkey: ValkeyServer) -> None:
    """Without Redis two workers together let through what was left of the plan, and it counts afterwards."""
    quota, window_seconds = 100, 10_000
    site = new_site(redis={"url": own_valkey.url})
    gateways = [site.start(), site.start()]
    key = site.operator.key("pub-only", limits=[Limit("default", quota, window_seconds)])
    begin = time.monotonic()
    for number in range(20):
        answer = gateways[number % 2].ask("GET", "/pub/x", key.secret)
        assert answer.status == 200
    await asyncio.to_thread(wait_until_both_are_counted, own_valkey)
    bucket = f"keywright:bucket:{{{site.operator.account}}}:default:{key.id}"
    # What a worker borrowed ahead is missing in what the other sees, until it is given back.
    await until(lambda: tokens(own_valkey, bucket) >= quota - 20, "all that was lent to be back")
    for gateway in gateways:
        assert gateway.ask("GET", "/pub/x", key.secret).status == 200
    used = [Use(200, begin, time.monotonic())] * 22

    own_valkey.kill()
    async with using([gateway.port for gateway in gateways], [key.secret]) as users:
        for gateway in gateways:
            await until(
                lambda each=gateway: is_degraded(each, "redis"),  # type: ignore[misc]
                "the outage to be noticed",
            )
        await users.goes_on(60)
    own_valkey.start()
    for gateway in gateways:
        await until(
            lambda each=gateway: not is_degraded(each, "redis"),  # type: ignore[misc]
            "the end of the outage",
        )
    # Without a further request for it, Redis hears of all that was let through meanwhile.
    await until(lambda: tokens(own_valkey, bucket) < 2, "the debts to be told")
    async with using([gateway.port for gateway in gateways], [key.secret]) as afterwards:
        await afterwards.goes_on(5)
    last = gateways[0].ask("GET", "/pub/x", key.secret)

    uses = [use for *_, use in users.uses]
    # The one that was not asked last did not know of the other's last request: that is the "+ 1".
    every = [*used, *uses, *(use for *_, use in afterwards.uses)]
    check_rate(every, quota, quota / window_seconds)
    assert {use.status for use in uses} == {200, 429}
    # Nearly all that was left: each share is rounded down.
    assert sum(use.status == 200 for use in uses) >= quota - len(used) - 4
    assert last.status == 429
    assert ";r=0;" in last.headers["RateLimit"]


async def test_flushed_redis_refuses_nobody_and_gives_nothing_away(
    new_site: NewSite, own_valkey: ValkeyServer
) -> None:
    """FLUSHALL under load: every key works on, and a bucket starts again from what the worker knows."""
    site = new_site(redis={"url": own_valkey.url, "deadline": "5s"})
    gateway = site.start()
    keys = site.operator.keys(10, "pub-only")
    limited = site.operator.key("pub-only", limits=[Limit("default", 10, 6000)])
    for _ in range(7):
        assert gateway.ask("GET", "/pub/x", limited.secret).status == 200

    async with using([gateway.port], [key.secret for key in keys]) as users:
        await users.goes_on(50)
        own_valkey.command("FLUSHALL")
        await users.goes_on(100)
    statuses = [gateway.ask("GET", "/pub/x", limited.secret).status for _ in range(5)]

    assert_all_served(users)
    assert statuses == [200] * 3 + [429] * 2


@pytest.fixture
def sql_relay(sql_url: str) -> Iterator[Relay]:
    """On the way to the test's PostgreSQL."""
    port = make_url(sql_url).port
    assert port is not None
    with Relay(port) as relay:
        yield relay


@pytest.fixture
def sql_site(new_site: NewSite, own_valkey: ValkeyServer, sql_url: str, sql_relay: Relay) -> Site:
    """A site whose gateways and commands reach PostgreSQL through `sql_relay`."""
    url = make_url(sql_url).set(port=sql_relay.port).render_as_string(hide_password=False)
    return new_site(
        redis={"url": own_valkey.url, "deadline": "250ms"},
        store={"url": url, "deadline": "500ms"},
        keys={"staleness_budget": "3s"},
        usage={"flush_interval": "50ms"},
    )


async def rows_of(engine: AsyncEngine, key_id: str, count: int) -> int:
    """How many usage records the key has, as soon as there are `count` of them."""
    counted = select(func.count()).where(usage_records.c.key_id == key_id)
    async with asyncio.timeout(30), engine.connect() as connection:
        while (rows := (await connection.execute(counted)).scalar_one()) < count:  # noqa: ASYNC110 -- written by another process
            await asyncio.sleep(0.05)
    return rows


def assert_unavailable(*replies: Reply) -> None:
    """An outage is 503 with a time to come back, never a 401."""
    for reply in replies:
        assert (reply.status, reply.code) == (503, "store_unavailable")
        assert int(reply.headers["Retry-After"]) >= 1


def assert_said_in_words(done: subprocess.CompletedProcess[str]) -> None:
    """The command could not, and says so in a sentence."""
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr
    assert "database" in done.stderr


def silence(relay: Relay) -> None:
    """Connections stand, and nothing comes."""
    relay.is_silent = True


@pytest.mark.parametrize("database", ["postgresql"])
@pytest.mark.parametrize("begin", [Relay.cut, silence], ids=["stopped", "silent"])
async def test_without_sql_known_keys_work_and_usage_is_kept(
    sql_site: Site, sql_relay: Relay, sql_engine: AsyncEngine, begin: Callable[[Relay], None]
) -> None:
    """Known keys are all served, by Redis' copy too; another is 503, and no record of usage is lost."""
    busy, other = sql_site.start(), sql_site.start()
    known, unused = sql_site.operator.keys(2, "pub-only")

    async with using([busy.port], [known.secret]) as users:
        await users.goes_on(20)
        begin(sql_relay)
        from_redis = await asyncio.to_thread(other.ask, "GET", "/pub/x", known.secret)
        asked_at = time.monotonic()
        first_use = await asyncio.to_thread(busy.ask, "GET", "/pub/x", unused.secret)
        took = time.monotonic() - asked_at
        wrong = await asyncio.to_thread(busy.ask, "GET", "/pub/x", UNKNOWN_TOKEN)
        await until(lambda: is_degraded(busy, "sql"), "the outage to be noticed")
        said = await asyncio.to_thread(sql_site.operator.run, "keys", "list")
        readiness = await asyncio.to_thread(busy.admin, "/readyz")
        await users.goes_on(100)
        sql_relay.mend()
        await until(lambda: not is_degraded(busy, "sql"), "the end of the outage")
        await users.goes_on(20)

    assert_all_served(users)
    assert from_redis.status == 200
    assert_unavailable(first_use, wrong)
    assert took < 0.5 + BOUND_SECONDS
    assert_said_in_words(said)
    assert (readiness.status, readiness.document["status"]) == (200, "degraded")
    assert busy.ask("GET", "/pub/x", unused.secret).status == 200
    requests = len(users.uses) + 1
    assert await rows_of(sql_engine, known.id, requests) == requests
    assert busy.metrics()["keywright_usage_lost_total"] == 0


def _connected(path: Path) -> sqlite3.Connection:
    """As by another program."""
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False)


async def test_a_locked_sqlite_holds_up_usage_and_commands_alone(new_site: NewSite) -> None:
    """While another program holds SQLite's lock every key works, and all usage is written afterwards."""
    site = new_site(redis={"deadline": "5s"}, usage={"flush_interval": "50ms"})
    gateway = site.start()
    known, unused = site.operator.keys(2, "pub-only")
    path = site.data_dir / DATABASE_NAME

    with contextlib.closing(_connected(path)) as holder:
        async with using([gateway.port], [known.secret]) as users:
            await users.goes_on(20)
            holder.execute("BEGIN EXCLUSIVE")
            await users.goes_on(100)
            first_use = await asyncio.to_thread(gateway.ask, "GET", "/pub/x", unused.secret)
            said = await asyncio.to_thread(site.operator.run, "accounts", "create", "Late")
            await users.goes_on(20)
            holder.execute("ROLLBACK")
        wanted = len(users.uses)
        count = f"SELECT count(*) FROM usage_records WHERE key_id = '{known.id}'"  # noqa: S608
        await until(lambda: holder.execute(count).fetchone()[0] >= wanted, "the usage")
        rows = holder.execute(count).fetchone()[0]

    assert_all_served(users)
    assert rows == wanted
    assert first_use.status == 200
    assert_said_in_words(said)


@pytest.mark.parametrize("database", ["postgresql"])
async def test_without_both_known_keys_work_up_to_the_budget(
    sql_site: Site, sql_relay: Relay, own_valkey: ValkeyServer
) -> None:
    """Then they are 503, never 401; either store brings them back."""
    gateway = sql_site.start()
    key = sql_site.operator.key("pub-only")
    budget_seconds = 3.0

    async with using([gateway.port], [key.secret]) as users:
        await users.goes_on(20)
        own_valkey.kill()
        sql_relay.cut()
        gone_at = time.monotonic()
        await until(lambda: users.uses[-1][2].status != 200, "the budget to be used up")
        over_at = time.monotonic()
        refused = await asyncio.to_thread(gateway.ask, "GET", "/pub/x", key.secret)
        sql_relay.mend()
        await until(lambda: users.uses[-1][2].status == 200, "service to be back")

    assert {use.status for *_, use in users.uses} == {200, 503}
    assert budget_seconds - 0.7 < over_at - gone_at < budget_seconds + BOUND_SECONDS
    assert_unavailable(refused)


def test_the_private_valkey_comes_back(new_site: NewSite) -> None:
    """Killed, it is started again by the gateway, which serves meanwhile and counts on as before."""
    site = new_site()
    gateway = site.start()
    key = site.operator.key("pub-only")
    assert gateway.ask("GET", "/pub/x", key.secret).status == 200

    (valkey,) = psutil.Process(gateway.process.pid).children()
    valkey.kill()
    eventually(lambda: is_degraded(gateway, "redis"), "the outage to be noticed")
    meanwhile = gateway.ask("GET", "/pub/x", key.secret)
    eventually(lambda: not is_degraded(gateway, "redis"), "the end of the outage")

    assert meanwhile.status == 200
    assert gateway.ask("GET", "/pub/x", key.secret).headers["RateLimit"]
    assert site.operator.revoke(key.id)["acknowledged"] == 1
    assert gateway.ask("GET", "/pub/x", key.secret).code == "revoked_key"
