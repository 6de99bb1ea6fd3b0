"""What token buckets in Redis owe: the arithmetic of `gateway.core.limits`, for all workers at once."""

import asyncio
import json
import sys
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gateway.clock import SystemClock
from gateway.core.limits import (
    MICRO,
    QUOTA_MAX,
    WINDOW_SECONDS_MAX,
    Bucket,
    BucketLevel,
    Limit,
    take_all,
)
from gateway.ports import Limiter
from gateway.stores.guarded import GuardedLimiter
from gateway.stores.limiter import RedisLimiter
from gateway.stores.redis_client import RedisStore
from tests.contracts.alone import take, take_each
from tests.doubles import ManualClock, MemoryLimiter

PER_MINUTE = Limit("default", 1000, 60)
HOURLY = Limit("hourly", 3, 3600)
ONE = Limit("one", 1, 60)


class LimiterContract:
    """What every Limiter owes admission. Windows are long: nothing is refilled while a test runs."""

    async def test_a_full_bucket_grants_its_quota_and_not_one_more(self, limiter: Limiter) -> None:
        """The quota is exact."""
        bucket = Bucket("{acc}:hourly:key_1", HOURLY)
        grants = [await limiter.take([bucket], 1) for _ in range(5)]

        assert [grant.allowed for grant in grants] == [True, True, True, False, False]
        assert [grant.states[0].remaining for grant in grants] == [2, 1, 0, 0, 0]
        assert grants[-1].violated == ("hourly",)
        assert 1100 < grants[-1].retry_after_seconds <= 1200
        assert not grants[-1].is_degraded

    async def test_many_at_one_instant_get_the_quota_and_not_one_more(
        self, limiter: Limiter
    ) -> None:
        """Requests that ask at the same time do not see the same token."""
        bucket = Bucket("{acc}:one:key_1", ONE)
        grants = await asyncio.gather(*(limiter.take([bucket], 1) for _ in range(200)))

        assert sum(grant.allowed for grant in grants) == 1

    async def test_a_cost_is_taken_whole_or_not_at_all(self, limiter: Limiter) -> None:
        """A refused request takes nothing, so a cheaper one still fits."""
        bucket = Bucket("{acc}:hourly:key_1", HOURLY)
        grants = [await limiter.take([bucket], cost) for cost in (2, 2, 1)]

        assert [grant.allowed for grant in grants] == [True, False, True]

    async def test_looking_takes_nothing(self, limiter: Limiter) -> None:
        """A cost of nothing tells what is left, before and after, and leaves it there."""
        bucket = Bucket("{acc}:hourly:key_1", HOURLY)
        before = [await limiter.take([bucket], 0) for _ in range(5)]
        spent = [await limiter.take([bucket], 1) for _ in range(3)]
        after = await limiter.take([bucket], 0)

        assert {grant.states[0].remaining for grant in before} == {3}
        assert all(grant.allowed for grant in [*before, *spent])
        assert (after.allowed, after.states[0].remaining) == (True, 0)

    async def test_all_buckets_or_none(self, limiter: Limiter) -> None:
        """One exhausted limit leaves the others untouched, and only it is named."""
        wide, narrow = Bucket("{acc}:default:key_1", PER_MINUTE), Bucket("{acc}:one:key_1", ONE)
        first = await limiter.take([wide, narrow], 1)
        second = await limiter.take([wide, narrow], 1)
        third = await limiter.take([wide], 1)

        assert (first.allowed, second.allowed, third.allowed) == (True, False, True)
        assert second.violated == ("one",)
        assert third.states[0].remaining >= 998

    async def test_buckets_do_not_touch_each_other(self, limiter: Limiter) -> None:
        """One key's exhaustion is no other key's."""
        await limiter.take([Bucket("{acc}:one:key_1", ONE)], 1)
        other = await limiter.take([Bucket("{acc}:one:key_2", ONE)], 1)

        assert other.allowed

    async def test_without_limits_everything_passes(self, limiter: Limiter) -> None:
        """A key without a limit is not limited."""
        grant = limiter.take_nowait([], 1) or await limiter.take([], 1)

        assert (grant.allowed, grant.states) == (True, ())


class TestGuardedRedisLimiter(LimiterContract):
    @pytest.fixture
    def limiter(self, redis_store: RedisStore) -> Limiter:
        """What admission gets."""
        return GuardedLimiter(RedisLimiter(redis_store), SystemClock(), lambda: 1)


class TestMemoryLimiter(LimiterContract):
    @pytest.fixture
    def limiter(self) -> Limiter:
        """The double that other tests use."""
        return MemoryLimiter(ManualClock())


limits = st.builds(
    Limit,
    name=st.just("any"),
    quota=st.one_of(st.integers(1, 50), st.integers(1, QUOTA_MAX), st.just(QUOTA_MAX)),
    window_seconds=st.one_of(
        st.integers(1, 100), st.integers(1, WINDOW_SECONDS_MAX), st.just(WINDOW_SECONDS_MAX)
    ),
)
# (time that passes first, costs of requests at once, debt), as parts of a window and of a quota.
steps = st.lists(
    st.tuples(
        st.one_of(st.floats(-0.5, 2.5), st.floats(0, 1e-6)),
        st.lists(st.one_of(st.floats(0, 1.2), st.floats(0, 0.3)), min_size=1, max_size=5),
        st.one_of(st.just(0.0), st.floats(0, 2.5)),
    ),
    min_size=1,
    max_size=6,
)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@example(pair=(PER_MINUTE, HOURLY), steps=[(0, [1 / 3], 0.0), (-0.5, [1 / 3], 0.0)], salt="back")
@example(
    pair=(PER_MINUTE, HOURLY),
    steps=[(0, [0.4, 0.7, 0.4], 0.0), (-0.5, [1, 0.4, 0, 0.4], 0.4)],
    salt="mixed",
)
@given(pair=st.tuples(limits, limits), steps=steps, salt=st.uuids())
async def test_redis_and_the_core_agree(
    redis_store: RedisStore, pair: tuple[Limit, Limit], steps: list[Any], salt: object
) -> None:
    """Whatever is asked of it, the script stores and answers what the core says of one request after another."""
    limiter = RedisLimiter(redis_store)
    buckets = [Bucket(f"{{{salt}}}:{i}", limit) for i, limit in enumerate(pair)]
    levels: tuple[BucketLevel | None, ...] = (None, None)
    for passed, cost_parts, debt_part in steps:
        levels = await _let_pass(redis_store, buckets, levels, passed)
        costs = [int(part * min(limit.quota for limit in pair)) for part in cost_parts]
        debts = [int(debt_part * limit.quota) for limit in pair]
        left, grants = await take_each(limiter, buckets, costs, debts=debts)
        # The second bucket's moment is never ahead of the clock, so it was filled up to now.
        now_us = left[1].at_microseconds
        for cost, grant in zip(costs, grants, strict=True):
            levels, expected = take_all(levels, pair, cost, now_us, debts)
            debts = [0, 0]

            assert grant == expected
        if any(grant.allowed for grant in grants):
            assert left == levels
        assert await _stored(redis_store, buckets) == levels


async def _stored(store: RedisStore, buckets: list[Bucket]) -> tuple[BucketLevel | None, ...]:
    texts = [await store.read("get", "GET", "keywright:bucket:" + name) for name, _ in buckets]
    return tuple(text and BucketLevel(*map(int, text.split())) for text in texts)


async def _let_pass(
    store: RedisStore,
    buckets: list[Bucket],
    levels: tuple[BucketLevel | None, ...],
    part: float,
) -> tuple[BucketLevel | None, ...]:
    """Redis's clock cannot be moved, so the stored moments are."""
    for (name, limit), level, passed in zip(buckets, levels, (part, abs(part)), strict=True):
        if level is not None:
            at = level.at_microseconds - int(passed * limit.window_seconds * MICRO)
            await store.write("set", "SET", f"keywright:bucket:{name}", f"{level[0]} {at}")
    return await _stored(store, buckets)


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(("SET", ""), id="empty"),
        pytest.param(("SET", "1e3 abc"), id="garbage"),
        pytest.param(("RPUSH", "x"), id="list"),
    ],
)
async def test_a_bucket_that_cannot_be_read_is_a_new_one(
    redis_store: RedisStore, command: tuple[str, str]
) -> None:
    """Somebody else's value under a bucket's name neither refuses nor breaks anything."""
    await redis_store.write("set", command[0], "keywright:bucket:{acc}:one:key_1", command[1])
    bucket = Bucket("{acc}:one:key_1", ONE)
    limiter = RedisLimiter(redis_store)
    allowed = [(await take(limiter, [bucket], 1))[1].allowed for _ in range(2)]

    assert allowed == [True, False]


async def test_a_lost_bucket_starts_from_what_the_worker_knows(redis_store: RedisStore) -> None:
    """Flushing Redis does not hand out a fresh quota; a sight from another clock does not lock a key out."""
    limiter = RedisLimiter(redis_store)
    bucket = Bucket("{acc}:hourly:key_1", HOURLY)
    left, _ = await take(limiter, [bucket], 2)
    await redis_store.write("flush", "FLUSHALL")
    _, after_flush = await take(limiter, [bucket], 2, known=left)
    await redis_store.write("flush", "FLUSHALL")
    ahead = BucketLevel(left[0].microtokens, left[0].at_microseconds + 10**12)
    from_ahead, _ = await take(limiter, [bucket], 1, known=[ahead])

    assert not after_flush.allowed
    assert from_ahead[0].at_microseconds < ahead.at_microseconds


async def test_what_the_worker_knows_yields_to_what_redis_has(redis_store: RedisStore) -> None:
    """An old sight of a bucket does not replace the bucket."""
    limiter = RedisLimiter(redis_store)
    bucket = Bucket("{acc}:hourly:key_1", HOURLY)
    left, _ = await take(limiter, [bucket], 1)
    await take(limiter, [bucket], 2)
    _, grant = await take(limiter, [bucket], 1, known=left)

    assert not grant.allowed


async def test_a_bucket_is_gone_once_it_would_be_full(redis_store: RedisStore) -> None:
    """Keys that are used no more cost no memory, and none is forgotten before it is full again."""
    limiter = RedisLimiter(redis_store)
    await take(limiter, [Bucket("{acc}:a:key_1", Limit("a", 10, 60))], 5)
    await take(limiter, [Bucket("{acc}:b:key_1", Limit("b", 10, 60))], 5, debts=[100])
    half = await redis_store.read("ttl", "PTTL", "keywright:bucket:{acc}:a:key_1")
    indebted = await redis_store.read("ttl", "PTTL", "keywright:bucket:{acc}:b:key_1")

    assert 30_500 < half <= 31_000
    assert 120_500 < indebted <= 121_000


@pytest.fixture
async def hammers(valkey_url: str) -> list[list[int]]:
    """When each of three processes was admitted, in microseconds on Redis's clock."""
    command = (sys.executable, "-m", "tests.contracts.hammer", valkey_url, "3.2")
    processes = [
        await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        for _ in range(3)
    ]
    outputs = await asyncio.gather(*(process.communicate() for process in processes))
    return [json.loads(out) for out, _ in outputs]


async def test_three_processes_share_one_bucket_exactly(hammers: list[list[int]]) -> None:
    """1000 a minute, asked for by three processes at once: 1000 pass at once, then 16 or 17 a second."""
    admitted = sorted(moment for process in hammers for moment in process)
    first = admitted[0]
    # The bucket mints one token in 60 ms; none may be spent before it is minted.
    early = [
        number
        for number, moment in enumerate(admitted[1000:], start=1)
        if moment - first < number * 60_000
    ]
    at_once = sum(moment - first < 1_000_000 for moment in admitted)
    later = [
        sum(second * 1_000_000 <= moment - first < (second + 1) * 1_000_000 for moment in admitted)
        for second in (1, 2)
    ]

    assert all(hammers), "one process had it all"
    assert early == []
    assert at_once == 1000 + 16
    assert sum(later) in {33, 34}
    assert set(later) <= {16, 17}
