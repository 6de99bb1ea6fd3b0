"""Leases: what is lent ahead never lets more through than the bucket's own promise."""

import itertools
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.leases import (
    LOAN_US,
    SPENDABLE_SECONDS,
    Ask,
    Held,
    Lease,
    Loan,
    Tally,
    ahead,
    lend,
    settle,
)
from gateway.core.limits import MICRO, BucketLevel, Limit, filled, spend

PER_MINUTE = Limit("default", 1000, 60)


@dataclass
class Store:
    """The store's half, in memory, on its own clock."""

    limit: Limit
    held: Held = field(default_factory=Held)

    def ask(
        self, worker: str, ask: Ask | None, costs: list[int], now_us: int
    ) -> tuple[list[bool], int]:
        """Which of the costs are allowed, and how many tokens are lent."""
        if ask is None:
            alive = {
                name: loan for name, loan in self.held.loans.items() if loan.expires_us > now_us
            }
            lent = sum(loan.tokens for loan in alive.values())
            level = filled(self.held.level, self.limit, now_us, lent)
        else:
            level, alive = settle(self.held, self.limit, worker, ask, now_us)
        allowed = []
        for cost in costs:
            (level,), grant = spend((level,), (self.limit,), cost, now_us)
            allowed.append(grant.allowed)
        (more,) = (0,) if ask is None else lend((level,), (ask,))
        if more:
            level = level._replace(microtokens=level.microtokens - more * MICRO)
            held = alive.pop(worker, Loan(0, 0)).tokens
            alive[worker] = Loan(held + more, now_us + LOAN_US)
        self.held = Held(level, alive)
        return allowed, more


def has(lease: Lease, cost: int, now: float) -> bool:
    """Whether so many may be spent without asking."""
    return lease.tokens >= cost and now < lease.until


@dataclass
class World:
    """Workers and a store, in one time; who is admitted when is written down."""

    limit: Limit
    now: float = 1000.0
    admitted: list[tuple[float, int]] = field(default_factory=list)
    largest_loan: int = 0

    def __post_init__(self) -> None:
        self.store = Store(self.limit)
        self.names = 0
        self.workers = [self.worker() for _ in range(2)]

    def worker(self) -> tuple[str, Lease]:
        self.names += 1
        return f"w{self.names}", Lease(self.now)

    def request(self, at: int, cost: int, *, is_answer_lost: bool) -> None:
        name, lease = self.workers[at]
        if has(lease, cost, self.now):
            _ = lease.spend(cost, self.now)
            self.admitted.append((self.now, cost))
            return
        lease.used(cost, self.now)
        self.converse(name, lease, [cost], is_answer_lost=is_answer_lost)

    def converse(self, name: str, lease: Lease, costs: list[int], *, is_answer_lost: bool) -> None:
        ask = lease.ask(self.limit, self.now)
        allowed, more = self.store.ask(name, ask, costs, int(self.now * MICRO))
        # Conservatively: a request whose answer got lost was let through.
        self.admitted += [(self.now, cost) for cost, yes in zip(costs, allowed, strict=True) if yes]
        if is_answer_lost:
            lease.failed()
        else:
            lease.lent(more)
        self.largest_loan = max(self.largest_loan, lease.tokens)
        lent = sum(loan.tokens for loan in self.store.held.loans.values())
        assert self.store.held.level is not None
        assert self.store.held.level.microtokens + lent * MICRO <= self.limit.quota * MICRO

    def live(self, step: tuple[Any, ...], cost: int) -> None:
        """One thing that happens."""
        match step:
            case ("burst", int(at), int(number), bool(is_lost)):
                for index in range(number):
                    self.now += 0.0005
                    self.request(at, cost, is_answer_lost=is_lost and index == number // 2)
            case ("wait", float(seconds)):
                self.now += seconds
            case ("prefetch", int(at), bool(is_lost)):
                self.converse(*self.workers[at], [], is_answer_lost=is_lost)
            case ("give_back", int(at)):
                name, lease = self.workers[at]
                if lease.is_idle(self.now):
                    self.converse(name, lease, [], is_answer_lost=False)
            case ("die", int(at)):
                self.workers[at] = self.worker()
            case _:
                raise ValueError(step)

    def check(self) -> None:
        """Over every interval at most quota + T x rate."""
        rate = self.limit.quota / self.limit.window_seconds
        # A bucket that leaks at the rate overflows in just those intervals that break the promise.
        inside, last = 0.0, 0.0
        for at, cost in self.admitted:
            inside = max(0.0, inside - max(0.0, at - last) * rate) + cost
            last = at
            assert inside <= self.limit.quota + 1e-6


# Each round: a worker's burst, what happens then to some worker, and a pause.
rounds = st.lists(
    st.tuples(
        st.tuples(
            st.just("burst"), st.integers(0, 1), st.integers(1, 200), st.sampled_from([False, True])
        ),
        st.one_of(
            st.tuples(st.sampled_from(["give_back", "die"]), st.integers(0, 1)),
            st.tuples(st.just("prefetch"), st.integers(0, 1), st.booleans()),
        ),
        st.tuples(
            st.just("wait"),
            st.one_of(st.sampled_from([0.0, 0.05, 0.25, 1.0, 1.45, 2.1]), st.floats(0, 4.0)),
        ),
    ),
    min_size=4,
    max_size=20,
)


@settings(max_examples=500, deadline=None)
@given(
    limit=st.builds(Limit, st.just("x"), st.integers(1, 300), st.integers(1, 10)),
    rounds=rounds,
    cost=st.integers(1, 3),
)
def test_the_promise_holds_for_all_workers_together(
    limit: Limit, rounds: list[Any], cost: int
) -> None:
    """Over every T at most quota + T x rate, whoever borrows, dies, gives back or hears no answer."""
    world = World(limit)
    for step in itertools.chain.from_iterable(rounds):
        world.live(step, cost)
    world.check()


def test_a_busy_worker_borrows() -> None:
    """A hot key's requests are nearly all decided without asking: else there would be no point."""
    world = World(Limit("hot", 100_000, 10))
    asked = 0
    for _ in range(5000):
        world.now += 0.0002
        _, lease = world.workers[0]
        asked += not has(lease, 1, world.now)
        world.request(0, 1, is_answer_lost=False)

    assert len(world.admitted) == 5000
    assert asked < 100


def test_a_slow_key_is_never_lent_to() -> None:
    """Who asks once a second gets an exact answer each time, and nothing lies around."""
    assert ahead(1, 1.0, PER_MINUTE) == 0
    assert ahead(10, 1.0, PER_MINUTE) == 0


def test_idle_tokens_go_back() -> None:
    """What nobody has wanted for 200 ms is in the bucket again, for the other workers."""
    store = Store(PER_MINUTE, Held(BucketLevel(500 * MICRO, 0), {"w": Loan(100, LOAN_US)}))
    lease = Lease(0.0)
    lease.ask(PER_MINUTE, 0.0)
    lease.lent(100)
    assert not lease.is_idle(0.1)
    assert lease.is_idle(0.2)
    store.ask("w", lease.ask(PER_MINUTE, 0.2), [], 0)

    assert store.held == Held(BucketLevel(600 * MICRO, 0), {})


def test_a_dead_workers_tokens_are_not_minted_twice() -> None:
    """While a loan runs the bucket does not fill into its room; afterwards it does."""
    held = Held(BucketLevel(900 * MICRO, 0), {"dead": Loan(100, LOAN_US)})
    early, _ = settle(held, PER_MINUTE, "w", Ask(0, 0, 0), LOAN_US - 1)
    late, loans = settle(held, PER_MINUTE, "w", Ask(0, 0, 0), 60 * MICRO)

    assert early.microtokens == 900 * MICRO
    assert (late.microtokens, loans) == (1000 * MICRO, {})


def test_a_forgotten_loan_is_not_revived() -> None:
    """A worker that was silent for too long starts from nothing."""
    held = Held(BucketLevel(0, 0), {"w": Loan(50, LOAN_US)})
    _, loans = settle(held, PER_MINUTE, "w", Ask(50, 0, 0), LOAN_US)
    lease = Lease(0.0)
    lease.ask(PER_MINUTE, 0.0)
    lease.lent(50)

    assert loans == {}
    assert not has(lease, 1, SPENDABLE_SECONDS)
    assert SPENDABLE_SECONDS * MICRO < LOAN_US


def borrower(tokens: int) -> tuple[Lease, Tally]:
    """A lease of so many tokens since 0.0, and the tally of its worker."""
    tally = Tally()
    lease = Lease(0.0, tally)
    lease.ask(PER_MINUTE, 0.0)
    lease.lent(tokens)
    return lease, tally


def told(tally: Tally) -> tuple[int, int, int, int]:
    """Borrowed, returned, expired, and the worst loss."""
    return tally.borrowed, tally.returned, tally.expired, tally.stranded_max


def test_what_goes_back_is_counted_when_the_store_has_heard() -> None:
    """Tokens are returned once there is an answer; nothing was lost with them."""
    lease, tally = borrower(100)
    lease.spend(30, 0.1)
    lease.ask(PER_MINUTE, 0.5)
    before = told(tally)
    lease.lent(0)

    assert before == (100, 0, 0, 0)
    assert told(tally) == (100, 70, 0, 0)


def test_what_was_given_up_and_not_heard_of_is_lost_once() -> None:
    """The store did not answer a worker that gave tokens back: they count as expired, and only once."""
    lease, tally = borrower(100)
    lease.ask(PER_MINUTE, 0.3)
    lease.failed()
    lease.ask(PER_MINUTE, 0.6)
    lease.lent(0)

    assert told(tally) == (100, 0, 100, 100)


def test_what_outlives_its_loan_is_lost() -> None:
    """Held too long, tokens are gone; the worst such loss is kept when a smaller one follows."""
    lease, tally = borrower(100)
    lease.spend(20, 0.0)
    lease.ask(PER_MINUTE, SPENDABLE_SECONDS)
    lease.lent(5)
    lease.ask(PER_MINUTE, 2 * SPENDABLE_SECONDS)

    assert told(tally) == (105, 0, 85, 80)


def test_a_lease_that_makes_room_for_another_loses_what_it_held() -> None:
    """A bucket that is forgotten for want of room shows in the tally."""
    lease, tally = borrower(40)
    lease.forget()

    assert told(tally) == (40, 0, 40, 40)


def test_a_lost_bucket_knows_its_loans_again() -> None:
    """After a flush the bucket starts from what the worker knows, its own tokens included."""
    held = Held(BucketLevel(10 * MICRO, 5), {}, is_lost=True)
    level, loans = settle(held, PER_MINUTE, "w", Ask(20, 0, 0), 5)

    assert level.microtokens == 10 * MICRO
    assert loans == {"w": Loan(20, 5 + LOAN_US)}


@pytest.mark.parametrize("left", [0, 1, 3, 4, 400])
def test_loans_shrink_near_the_end(left: int) -> None:
    """At most a quarter of what is left is lent, so that the last tokens go to whoever asks."""
    assert lend((BucketLevel(left * MICRO, 0),), (Ask(0, 0, 1000),)) == (left // 4,)


def test_a_debt_lends_nothing() -> None:
    """A bucket below zero has nothing to lend."""
    assert lend((BucketLevel(-5 * MICRO, 0),), (Ask(0, 0, 10),)) == (0,)
