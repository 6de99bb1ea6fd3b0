"""What the limiter answers while Redis is away, and what it owes afterwards."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from gateway.core.limits import Bucket, Limit
from gateway.stores.guarded import GuardedLimiter
from gateway.stores.limiter import RedisLimiter
from gateway.stores.redis_client import RedisStore
from tests.doubles import ManualClock
from tests.fixtures_valkey import ValkeyServer

# Windows so long that Redis's own clock mints nothing while a test runs.
HUNDRED = Bucket("{acc}:hundred:key_1", Limit("hundred", 100, 86_400))
FAST = Bucket("{acc}:fast:key_1", Limit("fast", 600, 60))
SLOW = Bucket("{acc}:slow:key_1", Limit("slow", 1, 60))
COSTLY = Bucket("{acc}:costly:key_1", Limit("costly", 8, 8))


@pytest.fixture
def clock() -> ManualClock:
    """This worker's clock."""
    return ManualClock()


@pytest.fixture
async def store(own_valkey: ValkeyServer) -> AsyncIterator[RedisStore]:
    """A store that may be broken."""
    async with RedisStore.open(own_valkey.url, deadline_seconds=0.5) as store:
        await store.check()
        yield store


@pytest.fixture
def limiter(store: RedisStore, clock: ManualClock) -> GuardedLimiter:
    """One of four workers."""
    return GuardedLimiter(RedisLimiter(store), clock, lambda: 4)


async def admitted(limiter: GuardedLimiter, bucket: Bucket, tries: int, cost: int = 1) -> int:
    """How many of so many takes were let through."""
    grants = [await limiter.take([bucket], cost) for _ in range(tries)]
    return sum(grant.allowed for grant in grants)


async def wait_for_health(store: RedisStore, *, to_be: bool) -> None:
    """Poll, with a deadline."""
    give_up_at = time.monotonic() + 8
    while store.is_healthy is not to_be:
        assert time.monotonic() < give_up_at
        await asyncio.sleep(0.01)


async def break_writes(server: ValkeyServer, store: RedisStore) -> None:
    """From here on Redis keeps what it has and takes nothing new."""
    server.command("CONFIG", "SET", "min-replicas-to-write", "1")
    await asyncio.gather(store.write("set", "SET", "k", "v"), return_exceptions=True)
    await wait_for_health(store, to_be=False)


async def mend_writes(server: ValkeyServer, store: RedisStore) -> None:
    """Undo it."""
    server.command("CONFIG", "SET", "min-replicas-to-write", "0")
    await wait_for_health(store, to_be=True)


async def test_a_share_of_what_was_left(
    own_valkey: ValkeyServer, store: RedisStore, limiter: GuardedLimiter
) -> None:
    """Four workers together let through no more than was left when Redis went away."""
    assert await admitted(limiter, HUNDRED, 20) == 20
    await break_writes(own_valkey, store)
    grant = await limiter.take([HUNDRED], 1)

    assert (grant.allowed, grant.is_degraded) == (True, True)
    assert grant.states[0].limit == HUNDRED.limit
    assert await admitted(limiter, HUNDRED, 50) == 80 // 4 - 1


@pytest.mark.parametrize(
    ("bucket", "expected"),
    [
        pytest.param(FAST, 2, id="a-second-of-10-a-second-by-4-workers"),
        pytest.param(SLOW, 1, id="at-least-one"),
        pytest.param(COSTLY, 1, id="at-least-one-of-a-token-a-second"),
    ],
)
async def test_a_bucket_never_seen(
    own_valkey: ValkeyServer,
    store: RedisStore,
    limiter: GuardedLimiter,
    bucket: Bucket,
    expected: int,
) -> None:
    """A key that this worker has not seen may have spent everything elsewhere: it gets a second's share."""
    await break_writes(own_valkey, store)

    assert await admitted(limiter, bucket, 20) == expected


async def test_the_share_is_refilled_at_the_share_of_the_rate(
    own_valkey: ValkeyServer, store: RedisStore, limiter: GuardedLimiter, clock: ManualClock
) -> None:
    """However long the outage, a worker lets through rate / workers."""
    await break_writes(own_valkey, store)
    await admitted(limiter, FAST, 20)
    after = []
    for _ in range(4):
        clock.advance(2.0)
        after.append(await admitted(limiter, FAST, 20))
    refused = await limiter.take([FAST], 1)

    assert after == [5, 5, 5, 5]
    # It began with 2.5 tokens and mints 2.5 a second.
    assert refused.retry_after_seconds == pytest.approx(0.2, abs=1e-3)


async def test_a_cost_above_the_share_is_saved_up_for(
    own_valkey: ValkeyServer, store: RedisStore, limiter: GuardedLimiter, clock: ManualClock
) -> None:
    """A costly route is slow during an outage, not shut."""
    await break_writes(own_valkey, store)
    allowed = []
    for _ in range(5):
        allowed.append(await admitted(limiter, COSTLY, 1, cost=5))
        clock.advance(4.1)

    assert allowed == [0, 0, 0, 0, 1]


async def test_what_was_let_through_is_charged(
    own_valkey: ValkeyServer, store: RedisStore, limiter: GuardedLimiter
) -> None:
    """After the outage the bucket in Redis knows of every request that was let through without it, once."""
    await admitted(limiter, HUNDRED, 20)
    await break_writes(own_valkey, store)
    await admitted(limiter, HUNDRED, 15)
    await mend_writes(own_valkey, store)
    first = await limiter.take([HUNDRED], 1)
    second = await limiter.take([HUNDRED], 1)

    assert (first.is_degraded, first.states[0].remaining) == (False, 100 - 20 - 15 - 1)
    assert second.states[0].remaining == 100 - 20 - 15 - 2


async def test_a_redis_that_lost_everything_hands_out_no_second_quota(
    own_valkey: ValkeyServer, store: RedisStore, limiter: GuardedLimiter
) -> None:
    """kill -9 of a Redis without persistence: the bucket starts again from what the worker knows."""
    await admitted(limiter, HUNDRED, 90)
    own_valkey.kill()
    await wait_for_health(store, to_be=False)
    meanwhile = await admitted(limiter, HUNDRED, 10)
    own_valkey.start()
    await wait_for_health(store, to_be=True)

    assert meanwhile == 10 // 4
    assert await admitted(limiter, HUNDRED, 20) == 100 - 90 - meanwhile


async def test_a_frozen_redis_delays_one_request_only(
    own_valkey: ValkeyServer, store: RedisStore, limiter: GuardedLimiter
) -> None:
    """While Redis hangs, requests are decided from memory."""
    await admitted(limiter, HUNDRED, 4)
    own_valkey.freeze()
    try:
        first = await limiter.take([HUNDRED], 1)
        began = time.monotonic()
        more = await admitted(limiter, HUNDRED, 100)
        took = time.monotonic() - began
    finally:
        own_valkey.thaw()

    assert first.is_degraded
    assert (more, took < 0.4) == (96 // 4 - 1, True)
    await wait_for_health(store, to_be=True)


async def test_only_so_many_buckets_are_remembered(store: RedisStore, clock: ManualClock) -> None:
    """A flood of keys or addresses does not grow this worker's memory; the busy ones stay."""
    limiter = GuardedLimiter(RedisLimiter(store), clock, lambda: 1, buckets_max=3)
    await limiter.take([HUNDRED], 50)
    for i in range(50):
        await limiter.take([HUNDRED], 0)
        await limiter.take([Bucket(f"{{acc}}:x:{i}", SLOW.limit)], 1)
    await store.write("flush", "FLUSHALL")
    remembered = await limiter.take([HUNDRED], 1)
    forgotten = await limiter.take([Bucket("{acc}:x:0", SLOW.limit)], 1)

    assert remembered.states[0].remaining == 49
    assert forgotten.allowed


async def test_two_outages_at_once_do_not_charge_twice(
    own_valkey: ValkeyServer, store: RedisStore, limiter: GuardedLimiter
) -> None:
    """Of many requests that find Redis back at the same moment, one carries the debt."""
    await break_writes(own_valkey, store)
    await admitted(limiter, FAST, 2)
    await mend_writes(own_valkey, store)
    grants = await asyncio.gather(*(limiter.take([HUNDRED, FAST], 1) for _ in range(10)))

    assert min(grant.states[0].remaining for grant in grants) == 90
    assert {grant.states[1].remaining for grant in grants} <= set(range(588, 600))


async def test_debts_are_settled_without_a_further_request(
    own_valkey: ValkeyServer, store: RedisStore, limiter: GuardedLimiter
) -> None:
    """Redis hears of what was let through as soon as it is back, not when this worker is next asked."""
    await admitted(limiter, HUNDRED, 20)
    await break_writes(own_valkey, store)
    assert await admitted(limiter, HUNDRED, 15) == 15
    await limiter.settle()
    await mend_writes(own_valkey, store)
    await limiter.settle()
    other = GuardedLimiter(RedisLimiter(store), ManualClock(), lambda: 4)

    assert (await other.take([HUNDRED], 0)).states[0].remaining == 65
    await limiter.settle()
    assert (await other.take([HUNDRED], 0)).states[0].remaining == 65


async def test_a_guess_is_no_sentence(
    own_valkey: ValkeyServer, store: RedisStore, limiter: GuardedLimiter
) -> None:
    """Whoever is over a small share is told to come back soon: the outage may be over by then."""
    hourly = Bucket("{acc}:hourly:key_1", Limit("hourly", 1, 3600))
    await break_writes(own_valkey, store)
    grants = [await limiter.take([hourly], 1) for _ in range(3)]

    assert [grant.is_degraded for grant in grants] == [True, True, True]
    assert not grants[-1].allowed
    assert 0 < grants[-1].retry_after_seconds <= 30
