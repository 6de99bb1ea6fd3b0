"""What a pot in Redis owes: the arithmetic of `gateway.core.quota`, on Redis's clock."""

import time
from itertools import count
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.clock import SystemClock
from gateway.core.quota import (
    SILENT_US,
    Ask,
    Extra,
    Heard,
    Month,
    Told,
    month_at,
)
from gateway.stores.quota_pots import Aside, Lost, OtherMonth, QuotaPots, Where, pot_key
from gateway.stores.redis_client import RedisStore
from tests.fixtures_valkey import ValkeyServer
from tests.quota_stores import MemoryPots, PotRoom

NO_EXTRA = Extra()
# Each example has an account of its own.
ACCOUNTS = count()


def this_month() -> Month:
    """The one that Redis's clock is in, too."""
    return month_at(time.time_ns() // 1000)


class Step(NamedTuple):
    """One worker's question, after it has used some of what it holds; or, with `part`, after that was set aside.

    It may be its last, or be sent twice because the answer was lost.
    """

    worker: int
    spends: int
    returns: int
    need: int
    ahead: int
    direct: int
    part: int
    size: int
    is_beyond: bool
    is_leaving: bool
    is_repeated: bool
    extra: int


steps = st.lists(
    st.builds(
        Step,
        worker=st.integers(0, 2),
        spends=st.integers(0, 40),
        returns=st.integers(0, 5),
        need=st.integers(0, 20),
        ahead=st.integers(0, 50),
        direct=st.one_of(st.just(0), st.integers(0, 10)),
        part=st.one_of(st.just(0), st.integers(1, 60)),
        size=st.integers(0, 10**12),
        is_beyond=st.booleans(),
        is_leaving=st.sampled_from([False, False, True]),
        is_repeated=st.sampled_from([False, False, True]),
        extra=st.sampled_from([0, 7]),
    ),
    min_size=1,
    max_size=12,
)


class Side:
    """What a worker knows of itself."""

    def __init__(self) -> None:
        self.told = Told(0)
        self.life = 1
        self.is_fresh = True

    def tells(self, step: Step) -> Told:
        """As a worker would: what is spent and given back was held."""
        spends = min(step.spends, self.told.held + step.direct)
        held = max(0, self.told.held + step.direct - spends - step.returns)
        return Told(
            self.told.serial + 1,
            self.told.spent + spends,
            held,
            self.told.direct + step.direct,
            min(spends, 3),
            self.told.bytes + step.size,
        )

    def goes_on(self, told: Told, lent: int, *, is_leaving: bool) -> None:
        """With what it was lent, or from the beginning."""
        self.told = Told(told.serial) if is_leaving else told._replace(held=told.held + lent)
        self.life += is_leaving
        self.is_fresh = is_leaving


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(limit=st.one_of(st.none(), st.integers(0, 200)), steps=steps)
async def test_redis_and_the_core_agree(
    redis_store: RedisStore, limit: int | None, steps: list[Step]
) -> None:
    """Whatever workers tell, and in whatever order, the script stores and answers what the core says."""
    month, account = this_month(), f"acc_{next(ACCOUNTS)}"
    where, room = Where(account, month, limit), PotRoom(SystemClock())
    sides = [Side(), Side(), Side()]
    pots = [
        (QuotaPots(redis_store, f"w_{number}"), MemoryPots(room, f"w_{number}"))
        for number in range(3)
    ]
    total = 50
    aside: Aside | None = Aside(total, 20, 7, NO_EXTRA, is_whole=True)
    for step in steps:
        side = sides[step.worker]
        if step.part and aside is None:
            total += step.part
            aside = Aside(total, step.part, 0, Extra(step.extra, 0, month.end_us))
        told = side.tells(step)
        need, ahead = (0, 0) if step.is_leaving else (step.need, step.ahead)
        if step.is_leaving:
            told = told._replace(held=0, under_way=0)
        asked = Ask(told, need, ahead, side.life, side.is_fresh, step.is_leaving)
        heard: Heard | None = None
        for part in (aside, None) if step.is_repeated and not step.is_leaving else (aside,):
            answers = [
                await one.ask(where, asked, aside=part, is_beyond=step.is_beyond)
                for one in pots[step.worker]
            ]
            ours, theirs = answers
            assert isinstance(ours, Heard)
            assert isinstance(theirs, Heard)
            assert ours._replace(now_us=0) == theirs._replace(now_us=0)
            heard = heard or ours
        assert heard is not None
        aside = None
        side.goes_on(told, 0 if limit is None else heard.lent, is_leaving=step.is_leaving)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(Aside(130, 30, 0, NO_EXTRA), Aside(160, 30, 0, NO_EXTRA), id="in-order"),
        pytest.param(Aside(160, 30, 0, NO_EXTRA), Aside(130, 30, 0, NO_EXTRA), id="overtaken"),
    ],
)
async def test_parts_that_arrive_in_any_order_are_all_lent(
    redis_store: RedisStore, first: Aside, second: Aside
) -> None:
    """Two workers that set requests aside at once lose none of them, whoever tells first."""
    where = Where("acc_parts", this_month(), 1000)
    pots = QuotaPots(redis_store, "w_1")
    begun = Aside(100, 40, 0, NO_EXTRA, is_whole=True)
    _ = await pots.ask(where, Ask(Told(1), 0, 0, 1, is_fresh=True), aside=begun)
    _ = await pots.ask(where, Ask(Told(2), 0, 0, 1, is_fresh=False), aside=first)
    heard = await pots.ask(where, Ask(Told(3), 1000, 0, 1, is_fresh=False), aside=second)

    assert isinstance(heard, Heard)
    assert (heard.lent, heard.taken) == (100, 160)


async def test_a_pot_that_is_gone_is_not_made_by_telling_of_a_part(redis_store: RedisStore) -> None:
    """After a flush only who has read the whole from SQL fills the pot, and with all of it taken."""
    where = Where("acc_gone", this_month(), 1000)
    pots = QuotaPots(redis_store, "w_1")
    asked = Ask(Told(1), 1, 0, 1, is_fresh=True)

    assert isinstance(await pots.ask(where, asked), Lost)
    part = Aside(500, 10, 0, NO_EXTRA)
    assert isinstance(await pots.ask(where, asked, aside=part), Lost)
    heard = await pots.ask(where, asked, aside=part._replace(is_whole=True))
    assert isinstance(heard, Heard)
    assert (heard.taken, heard.lent) == (491, 1)


async def test_only_the_present_month_lends(redis_store: RedisStore) -> None:
    """A month is over, or not yet there, at the very microsecond of Redis's clock."""
    month = this_month()
    pots = QuotaPots(redis_store, "w_1")
    begun = Aside(100, 40, 0, NO_EXTRA, is_whole=True)
    past, coming = month_at(month.start_us - 1), month_at(month.end_us)
    for other in (past, coming):
        where = Where("acc_months", other, 1000)
        asked = Ask(Told(1), 1, 0, 1, is_fresh=True)
        assert isinstance(await pots.ask(where, asked, aside=begun), OtherMonth)
        # What was used is told all the same.
        told = Ask(Told(1, spent=3, direct=1), 0, 0, 1, is_fresh=True)
        heard = await pots.ask(where, told, aside=begun)
        assert isinstance(heard, Heard)
        assert heard.taken == 62


async def test_a_worker_that_has_left_is_not_counted_twice(redis_store: RedisStore) -> None:
    """Who leaves is forgotten with all that it told; who comes again begins anew."""
    where = Where("acc_left", this_month(), 1000)
    pots = QuotaPots(redis_store, "w_1")
    begun = Aside(100, 100, 0, NO_EXTRA, is_whole=True)
    _ = await pots.ask(where, Ask(Told(1), 5, 0, 1, is_fresh=True), aside=begun)
    last = Ask(Told(2, spent=3), 0, 0, 1, is_fresh=False, is_leaving=True)
    left = await pots.ask(where, last)
    again = await pots.ask(where, Ask(Told(3, spent=1), 0, 0, 2, is_fresh=True))

    assert isinstance(left, Heard)
    assert isinstance(again, Heard)
    assert (left.taken, again.taken) == (3, 4)


async def test_the_pot_goes_a_day_after_its_month(
    redis_store: RedisStore, valkey_server: ValkeyServer
) -> None:
    """Nothing of a month stays in Redis for good, and nothing goes before the month has ended."""
    month = this_month()
    begun = Aside(100, 100, 0, NO_EXTRA, is_whole=True)
    asked = Ask(Told(1), 1, 0, 1, is_fresh=True)
    _ = await QuotaPots(redis_store, "w_1").ask(Where("acc_ttl", month, 9), asked, aside=begun)

    expires = valkey_server.command("PEXPIRETIME", pot_key("acc_ttl", month.name))
    assert expires == month.end_us // 1000 + 86_400_000


async def test_a_silent_worker_is_noticed(
    redis_store: RedisStore, valkey_server: ValkeyServer
) -> None:
    """Who asks is told when another has not been heard of for longer than it may trust in what it holds."""
    month = this_month()
    where = Where("acc_silent", month, 100)
    begun = Aside(100, 100, 0, NO_EXTRA, is_whole=True)
    asked = Ask(Told(1), 1, 0, 1, is_fresh=True)
    _ = await QuotaPots(redis_store, "w_dead").ask(where, asked, aside=begun)
    heard = await QuotaPots(redis_store, "w_1").ask(where, asked)
    assert isinstance(heard, Heard)
    assert not heard.is_someone_silent

    seen = time.time_ns() // 1000 - SILENT_US - 1_000_000
    key = pot_key("acc_silent", month.name)
    valkey_server.command("HSET", key, "w:w_dead.1", f"1 0 1 0 0 0 {seen}")
    heard = await QuotaPots(redis_store, "w_1").ask(where, asked)
    assert isinstance(heard, Heard)
    assert heard.is_someone_silent


async def test_what_is_allowed_on_top_ends_on_time(redis_store: RedisStore) -> None:
    """A raise counts until its end on Redis's clock, and not a moment longer."""
    where = Where("acc_raise", this_month(), 2)
    pots = QuotaPots(redis_store, "w_1")
    now = time.time_ns() // 1000
    begun = Aside(5, 5, 0, Extra(3, 0, now + 60_000_000), is_whole=True)
    heard = await pots.ask(where, Ask(Told(1), 9, 0, 1, is_fresh=True), aside=begun)
    assert isinstance(heard, Heard)
    assert (heard.lent, heard.extra.requests) == (5, 3)

    over = Aside(6, 1, 0, Extra(3, 0, now - 1), is_whole=False)
    asked = Ask(Told(2, spent=5), 9, 0, 1, is_fresh=False)
    heard = await pots.ask(where, asked, aside=over)
    assert isinstance(heard, Heard)
    assert (heard.lent, heard.extra) == (0, NO_EXTRA)
