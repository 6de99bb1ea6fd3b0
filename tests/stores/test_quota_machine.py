"""Whatever workers, stores and the calendar do, and in whatever order: what becomes of a quota."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from gateway.core.quota import Quota
from tests.quota_workers import ACCOUNT, Shop

WORKERS = 3
NOON = 1_795_262_400.0  # 2026-11-21
one_of_them = st.integers(0, WORKERS - 1)


class QuotaMachine(RuleBasedStateMachine):
    """Three workers, one account, and a plain sum beside them."""

    shop: Shop

    @initialize(limit=st.sampled_from([3, 40, 700]))
    def begin(self, limit: int) -> None:
        """Everything is there, and the month has begun."""
        self.limit = limit
        self.shop = Shop(Quota(limit, 10**15), WORKERS, NOON)
        self._new_month()
        self._look()

    def _new_month(self) -> None:
        self.let_through = self.taken_back = self.bytes = 0
        # Some may be counted that were not used, or may be in the wrong month.
        self.is_exact = True
        self.slack = 0

    @property
    def aside(self) -> int:
        """What SQL has set aside."""
        return self.shop.setter.aside[ACCOUNT, self.shop.month.name]

    @property
    def taken(self) -> int:
        """What Redis has for taken."""
        place = self.shop.room.places.get((ACCOUNT, self.shop.month.name))
        return 0 if place is None else place.pot.taken

    @property
    def is_whole(self) -> bool:
        """Whether both stores are there."""
        return not (self.shop.room.is_away or self.shop.setter.is_away)

    @property
    def is_told(self) -> bool:
        """Whether both are there, and each has heard what was lent or set aside while it was away."""
        place = self.shop.room.places[ACCOUNT, self.shop.month.name]
        is_even = place.pot.set_aside == self.aside >= min(place.pot.taken, self.limit)
        return self.is_whole and is_even

    @rule(number=one_of_them, times=st.integers(1, 15))
    def requests(self, number: int, times: int) -> None:
        """Some at once; nobody is refused unless all of the quota is in somebody's hands."""
        served = self.shop.ask(number, times)
        self.let_through += served
        assert served == times or max(self.aside, self.taken) >= self.limit

    @rule(number=one_of_them, times=st.integers(1, 200))
    def many_requests(self, number: int, times: int) -> None:
        """One after the other, as fast as they come."""
        served = self.shop.serve(number, times, 10)
        self.let_through += served
        self.bytes += 10 * served
        assert served == times or max(self.aside, self.taken) >= self.limit

    @rule(number=one_of_them, size=st.integers(0, 10**6), is_counted=st.booleans())
    def ends(self, number: int, size: int, is_counted: bool) -> None:
        """One of those under way, served or not."""
        worker = self.shop.workers[number]
        if worker.under_way:
            worker.end(size, is_counted=is_counted)
            self.taken_back += not is_counted
            self.bytes += size if is_counted else 0

    @rule(seconds=st.sampled_from([0.1, 0.6, 3.0, 12.0]))
    def time_passes(self, seconds: float) -> None:
        """Leases are renewed, or end."""
        self.shop.passes(seconds)

    @precondition(lambda self: self.is_told)
    @rule(is_redis=st.booleans())
    def store_goes(self, is_redis: bool) -> None:
        """One of the two: without both, and without what one of them said, there are shares beyond the quota."""
        self.shop.room.loses_next = False
        self.shop.room.is_away = is_redis
        self.shop.setter.is_away = not is_redis

    @rule()
    def stores_come(self) -> None:
        """Both are there."""
        self.shop.room.is_away = self.shop.setter.is_away = False

    @precondition(lambda self: self.is_told)
    @rule()
    def answer_is_lost(self) -> None:
        """The next thing that Redis says is heard by nobody."""
        self.shop.room.loses_next = True

    @precondition(lambda self: self.is_told)
    @rule()
    def redis_is_emptied(self) -> None:
        """All at once, while workers live on."""
        self.shop.room.flush()
        self._look()
        self.is_exact = False

    @rule(number=one_of_them)
    def worker_is_killed(self, number: int) -> None:
        """With all that it held."""
        self.shop.kill(number)
        self.is_exact = False

    @precondition(lambda self: self.is_whole)
    @rule()
    def month_ends(self) -> None:
        """What is under way then may be counted to the new month."""
        self._settle()
        before, was, under_way = self.shop.month, self._used(), self._under_way()
        self.shop.clock.jump(before.end_us / 1e6)
        self.shop.passes(5.0)
        if self.is_exact and (ACCOUNT, before.name) in self.shop.room.places:
            assert self.shop.used(before) == was
        self._new_month()
        self._look()
        self.slack, self.is_exact = under_way, not under_way

    @invariant()
    def never_more_than_the_quota(self) -> None:
        """That is the promise."""
        if hasattr(self, "shop"):
            assert self._used() <= self.limit + self.slack

    def teardown(self) -> None:
        """When all is well again and nothing lost, all is counted, and the very rest is let through."""
        if hasattr(self, "shop"):
            try:
                self._ends_well()
            finally:
                self.shop.close()

    def _ends_well(self) -> None:
        self.stores_come()
        self._settle()
        for number, worker in enumerate(self.shop.workers):
            while worker.under_way:
                self.ends(number, 1, is_counted=True)
        self._settle()
        self._look()
        if self.is_exact:
            place = self.shop.room.places[ACCOUNT, self.shop.month.name]
            assert (self.shop.used(), place.pot.bytes) == (self._used(), self.bytes)
            assert self.shop.serve(0, self.limit + 1) == self.limit - self._used()

    def _settle(self) -> None:
        self.shop.room.loses_next = False
        self.shop.passes(15.0)

    def _look(self) -> None:
        # A month that Redis does not know of and SQL cannot tell of is as if both were away.
        self.shop.room.loses_next = False
        self.shop.run(self.shop.workers[0].desk.look(self.shop.workers[0].meter))

    def _used(self) -> int:
        return self.let_through - self.taken_back

    def _under_way(self) -> int:
        return sum(worker.under_way for worker in self.shop.workers)


QuotaMachine.TestCase.settings = settings(
    max_examples=30, stateful_step_count=25, deadline=None, derandomize=True
)
TestQuotaMachine = QuotaMachine.TestCase
