"""From a change in the control plane to every worker, with the proof that it was heard (design §3)."""

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest

from gateway.clock import SystemClock
from gateway.core.changes import Change, Receipt
from gateway.stores.announcer import RedisAnnouncer
from gateway.stores.feed import RedisFeed
from gateway.stores.key_cache import RedisKeyCache
from gateway.stores.redis_client import RedisStore
from gateway.stores.workers import WorkerRegistry
from gateway.tasks import Crew
from tests.contracts.test_key_cache import PEPPERS, SECRET_ID, at_version
from tests.fixtures_valkey import ValkeyServer

FORGET_ALL = Change(version=0)
STREAM = "keywright:changes"


@dataclass
class Worker:
    """One worker's feed and registry, and what it was told."""

    feed: RedisFeed
    registry: WorkerRegistry
    told: list[Change] = field(default_factory=list)


@contextlib.asynccontextmanager
async def working(url: str, name: str, *, listens: bool = True) -> AsyncIterator[Worker]:
    """A worker that lives as long as the block."""
    async with RedisStore.open(url, deadline_seconds=1.0) as store:
        clock = SystemClock()
        worker = Worker(RedisFeed(store, clock, name), WorkerRegistry(store, clock, name))
        worker.feed.on_change(worker.told.append)
        async with Crew() as crew:
            if listens:
                _ = crew.start("feed", worker.feed.run())
                await wait_until(lambda: worker.feed.heard_at > -math.inf)
            _ = crew.start("workers", worker.registry.run())
            await wait_for_beat(store, name)
            yield worker


async def wait_until(is_so: Callable[[], bool]) -> None:
    """Poll, with a deadline."""
    give_up_at = time.monotonic() + 8
    while not is_so():
        assert time.monotonic() < give_up_at
        await asyncio.sleep(0.005)


async def wait_for_beat(store: RedisStore, name: str) -> None:
    """Until this worker is on the list."""
    give_up_at = time.monotonic() + 8
    while name not in await WorkerRegistry(store, SystemClock(), "").live():
        assert time.monotonic() < give_up_at
        await asyncio.sleep(0.005)


async def announce(store: RedisStore, change: Change, *secret_ids: str) -> Receipt:
    """As a revocation does."""
    buried = [(secret_id, change.version) for secret_id in secret_ids]
    return await RedisAnnouncer(store, SystemClock()).announce(change, buried)


async def test_all_workers_hear_it_before_the_receipt(
    valkey_url: str, redis_store: RedisStore
) -> None:
    """The receipt counts every live worker, and each has forgotten the key by then."""
    change = Change(version=7, key_id="key_1")
    async with working(valkey_url, "a") as a, working(valkey_url, "b") as b:
        receipt = await announce(redis_store, change, SECRET_ID)

        assert (receipt.workers, receipt.acknowledged, receipt.missing) == (2, 2, ())
        assert receipt.is_announced
        assert receipt.milliseconds < 1000
        assert a.told == b.told == [FORGET_ALL, change]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(Change(1, key_id="key_1"), id="a-key"),
        pytest.param(Change(2, account_id="acc_1"), id="an-account"),
        pytest.param(Change(3, key_id="key_1", account_id="acc_1"), id="both"),
        pytest.param(Change(4), id="everything"),
    ],
)
async def test_a_change_arrives_as_it_was_sent(
    valkey_url: str, redis_store: RedisStore, change: Change
) -> None:
    """What is to be forgotten is neither more nor less than what was announced."""
    async with working(valkey_url, "a") as worker:
        await announce(redis_store, change)

        assert worker.told[1:] == [change]


async def test_without_workers_there_is_nobody_to_wait_for(redis_store: RedisStore) -> None:
    """A revocation while no gateway runs answers at once."""
    receipt = await announce(redis_store, Change(1, key_id="key_1"), SECRET_ID)

    assert (receipt.workers, receipt.acknowledged, receipt.is_announced) == (0, 0, True)
    assert receipt.milliseconds < 1000


async def test_a_deaf_worker_is_named(valkey_url: str, redis_store: RedisStore) -> None:
    """After two seconds the receipt says who has not answered."""
    async with working(valkey_url, "a"), working(valkey_url, "deaf", listens=False):
        receipt = await announce(redis_store, Change(1, key_id="key_1"))

    assert (receipt.workers, receipt.acknowledged, receipt.missing) == (2, 1, ("deaf",))
    assert 1900 <= receipt.milliseconds < 4000


async def test_a_worker_that_stopped_is_not_waited_for(
    valkey_url: str, redis_store: RedisStore
) -> None:
    """A worker that ends takes itself off the list."""
    async with working(valkey_url, "a"):
        pass
    receipt = await announce(redis_store, Change(1, key_id="key_1"))

    assert receipt.workers == 0


async def test_the_tombstone_stands_before_the_news(
    valkey_url: str, redis_store: RedisStore
) -> None:
    """A worker that forgets a key and looks it up again at once does not find the old copy."""
    cache = RedisKeyCache(redis_store, PEPPERS)
    await cache.fill(at_version(1))
    looks: list[asyncio.Task[None]] = []
    found = []

    async def look() -> None:
        found.append(await cache.find(SECRET_ID))

    async with working(valkey_url, "a") as worker, Crew() as crew:
        worker.feed.on_change(lambda _: looks.append(crew.start("look", look())))
        await announce(redis_store, Change(2, key_id="key_1"), SECRET_ID)
        await asyncio.gather(*looks)

    assert found == [None]
    assert not await cache.fill(at_version(1))


async def test_news_of_a_cut_connection_are_caught_up(
    own_valkey: ValkeyServer,
) -> None:
    """A worker that was cut off hears what it missed, once each and in order, without forgetting the rest."""
    async with (
        RedisStore.open(own_valkey.url, deadline_seconds=1.0) as store,
        working(own_valkey.url, "a") as worker,
    ):
        changes = []
        for version in range(1, 30):
            own_valkey.command("CLIENT", "KILL", "TYPE", "normal")
            own_valkey.command("XADD", STREAM, "*", "v", version, "k", "key_1", "a", "")
            changes.append(Change(version, key_id="key_1"))
        await wait_until(lambda: len(worker.told) > len(changes))
        await wait_until(lambda: store.is_healthy)

        assert worker.told == [FORGET_ALL, *changes]


@pytest.mark.parametrize(
    "lose",
    [
        pytest.param(("FLUSHALL",), id="flushed"),
        pytest.param(("XTRIM", STREAM, "MAXLEN", "0"), id="trimmed"),
        pytest.param(("DEL", STREAM), id="deleted"),
    ],
)
async def test_what_may_have_been_missed_makes_it_forget_everything(
    valkey_url: str,
    valkey_server: ValkeyServer,
    redis_store: RedisStore,
    lose: tuple[str, ...],
) -> None:
    """A feed that was lost is not taken for a feed without news, and goes on afterwards."""
    async with working(valkey_url, "a") as worker:
        valkey_server.command(*lose)
        await wait_until(lambda: worker.told == [FORGET_ALL, FORGET_ALL])
        await wait_for_beat(redis_store, "a")
        receipt = await announce(redis_store, Change(9, key_id="key_1"))

        assert receipt.acknowledged == 1
        assert worker.told[2:] == [Change(9, key_id="key_1")]


async def test_a_restarted_redis_is_a_lost_feed(own_valkey: ValkeyServer) -> None:
    """After kill -9 the worker is not heard for a while, then forgets everything and hears again."""
    async with working(own_valkey.url, "a") as worker:
        own_valkey.kill()
        last = worker.feed.heard_at
        began = time.monotonic()
        await wait_until(lambda: time.monotonic() - worker.feed.heard_at > 1.0)
        own_valkey.start()
        restarted = time.monotonic()
        await wait_until(lambda: worker.feed.heard_at > restarted)

        assert last <= began
        assert worker.told == [FORGET_ALL, FORGET_ALL]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        pytest.param(("v", "x", "k", "key_1", "a", ""), [FORGET_ALL], id="no-number"),
        pytest.param(("v", "1"), [FORGET_ALL], id="half"),
        pytest.param(("v", "1", "k", b"\xff", "a", ""), [FORGET_ALL], id="not-text"),
        pytest.param(("anchor", "1"), [], id="a-place-only"),
    ],
)
async def test_an_entry_that_cannot_be_read_may_mean_anything(
    valkey_url: str,
    valkey_server: ValkeyServer,
    redis_store: RedisStore,
    fields: tuple[str | bytes, ...],
    told: list[Change],
) -> None:
    """A damaged entry makes the worker forget too much, never too little, and does not stop it."""
    async with working(valkey_url, "a") as worker:
        valkey_server.command("XADD", STREAM, "*", *fields)
        await announce(redis_store, Change(2, key_id="key_1"))

        assert worker.told[1:] == [*told, Change(2, key_id="key_1")]


async def test_heard_at_keeps_up_while_nothing_happens(valkey_url: str) -> None:
    """Silence on the feed is told from deafness: it is confirmed at least once a second."""
    async with working(valkey_url, "a") as worker:
        first = worker.feed.heard_at
        await wait_until(lambda: worker.feed.heard_at > first)

        assert worker.feed.heard_at - first < 1.0


async def test_a_frozen_redis_is_not_heard(own_valkey: ValkeyServer) -> None:
    """A Redis that hangs does not count as silent."""
    async with working(own_valkey.url, "a") as worker:
        own_valkey.freeze()
        try:
            await wait_until(lambda: time.monotonic() - worker.feed.heard_at > 1.5)
        finally:
            own_valkey.thaw()
        thawed = time.monotonic()
        await wait_until(lambda: worker.feed.heard_at > thawed)

        assert worker.told == [FORGET_ALL]


async def test_an_outage_is_in_the_receipt(own_valkey: ValkeyServer) -> None:
    """A revocation while Redis is away says that the news did not go out, and does not fail."""
    own_valkey.kill()
    async with RedisStore.open(own_valkey.url) as store:
        receipt = await announce(store, Change(1, key_id="key_1"), SECRET_ID)

    assert (receipt.is_announced, receipt.workers, receipt.acknowledged) == (False, 0, 0)


async def test_the_worker_count_is_believed_to_fall_only_after_a_while(
    own_valkey: ValkeyServer,
) -> None:
    """Right after a restart of Redis a worker does not take itself for the only one."""
    async with working(own_valkey.url, "a") as a:
        async with working(own_valkey.url, "b"):
            await wait_until(lambda: a.registry.count() == 2)
        own_valkey.command("FLUSHALL")
        async with RedisStore.open(own_valkey.url, deadline_seconds=1.0) as store:
            await wait_for_beat(store, "a")

        assert a.registry.count() == 2
