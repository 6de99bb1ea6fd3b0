"""The script lends as the core says: the same steps through both."""

import secrets
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.core.leases import LOAN_US, Ask, Held, Loan, lend, settle
from gateway.core.limits import MICRO, Bucket, BucketLevel, Limit, spend
from gateway.stores.limiter import RedisLimiter, Takes
from gateway.stores.redis_client import RedisStore
from tests.contracts.alone import ask

limits = st.builds(Limit, st.just("any"), st.integers(1, 2000), st.integers(1, 5000))
# (worker, what it says: holding, returned, ahead or nothing; costs; how far the store's clock goes on, in seconds)
steps = st.lists(
    st.tuples(
        st.sampled_from(["w_1", "w_2"]),
        st.one_of(
            st.none(),
            st.builds(Ask, st.integers(0, 60), st.integers(0, 30), st.integers(0, 400)),
        ),
        st.lists(st.integers(0, 50), max_size=4),
        st.sampled_from([0.0, 0.3, 1.9, 2.1, 30.0]),
    ),
    min_size=2,
    max_size=8,
)


async def stored(store: RedisStore, name: str) -> Held:
    """What Redis has of a bucket."""
    text = await store.read("get", "GET", f"keywright:bucket:{name}")
    if text is None:
        return Held()
    tokens, at, *rest = text.decode().split()
    loans = {
        worker: Loan(int(held), int(expires))
        for worker, held, expires in zip(rest[::3], rest[1::3], rest[2::3], strict=True)
    }
    return Held(BucketLevel(int(tokens), int(at)), loans)


async def let_pass(store: RedisStore, name: str, held: Held, seconds: float) -> Held:
    """Redis's clock cannot be moved, so the stored moments are."""
    if held.level is None:
        return held
    back = int(seconds * MICRO)
    level = BucketLevel(held.level.microtokens, held.level.at_microseconds - back)
    loans = {who: Loan(loan.tokens, loan.expires_us - back) for who, loan in held.loans.items()}
    words = [f"{level.microtokens} {level.at_microseconds}"]
    words += [f"{who} {loan.tokens} {loan.expires_us}" for who, loan in loans.items()]
    await store.write("set", "SET", f"keywright:bucket:{name}", " ".join(words))
    return Held(level, loans)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(before_and_after=st.tuples(limits, limits), steps=steps, changed_at=st.integers(0, 8))
async def test_redis_lends_as_the_core_says(
    redis_store: RedisStore,
    before_and_after: tuple[Limit, Limit],
    steps: list[Any],
    changed_at: int,
) -> None:
    """Level, loans and what is lent are the same after every step, whoever says what, also when the plan changes."""
    name = f"{{{secrets.token_hex(8)}}}:lent"
    for number, (worker, said, costs, passed) in enumerate(steps):
        limit = before_and_after[number >= changed_at]
        bucket = Bucket(name, limit)
        before = await let_pass(
            redis_store, bucket.name, await stored(redis_store, bucket.name), passed
        )
        limiter = RedisLimiter(redis_store, worker)
        left, _, lent = await ask(limiter, [bucket], Takes(costs, asks=[said]))
        now_us = left[0].at_microseconds
        own = before.loans.get(worker)
        speaks = said or Ask(0 if own is None else own.tokens, 0, 0)
        level, loans = settle(before, limit, worker, speaks, now_us)
        for cost in costs:
            (level,), _ = spend((level,), (limit,), cost, now_us)
        (more,) = lend((level,), (speaks,))
        level = level._replace(microtokens=level.microtokens - more * MICRO)

        assert (left, tuple(lent)) == ((level,), (more,))
        is_heard = own is not None and own.expires_us > now_us
        if said is not None and (more or is_heard):
            kept = loans.get(worker, Loan(0, 0)).tokens + more
            others = {who: loan for who, loan in loans.items() if who != worker}
            mine = {worker: Loan(kept, now_us + LOAN_US)} if kept else {}
            after = await stored(redis_store, bucket.name)
            assert after == Held(level, {**others, **mine})


async def test_a_clock_that_is_set_back_mints_nothing(redis_store: RedisStore) -> None:
    """An empty bucket stays empty, and what is lent stays lent, until the store's clock is where it was."""
    bucket = Bucket("{acc}:back:key_1", Limit("fast", 100, 1))
    limiter = RedisLimiter(redis_store, "w_1")
    await ask(limiter, [bucket], Takes([60], asks=[Ask(0, 0, 10)]))
    before = await let_pass(redis_store, bucket.name, await stored(redis_store, bucket.name), -30)
    left, grants, lent = await ask(limiter, [bucket], Takes([50], asks=[Ask(10, 0, 0)]))
    after = await stored(redis_store, bucket.name)

    assert [grant.allowed for grant in grants] == [False]
    assert (left, list(lent)) == ((before.level,), [0])
    assert {who: loan.tokens for who, loan in after.loans.items()} == {"w_1": 10}


async def test_a_lost_bucket_has_its_loan_again(redis_store: RedisStore) -> None:
    """After a flush what a worker holds counts against the bucket from its next word on."""
    bucket = Bucket("{acc}:lost:key_1", Limit("day", 100, 86_400))
    limiter = RedisLimiter(redis_store, "w_1")
    left, _, lent = await ask(limiter, [bucket], Takes([1], asks=[Ask(0, 0, 20)]))
    await redis_store.write("flush", "FLUSHALL")
    _, _, more = await ask(limiter, [bucket], Takes([], known=left, asks=[Ask(20, 0, 0)]))
    after = await stored(redis_store, bucket.name)

    assert (lent, more) == ([20], [0])
    assert {who: loan.tokens for who, loan in after.loans.items()} == {"w_1": 20}
    assert after.level is not None
    assert after.level.microtokens // MICRO == 79
