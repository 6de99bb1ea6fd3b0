"""Leases when clocks do not agree: workers' run too fast or too slow, and the store's is set back.

A clock of the store that is set forward has its price in docs/decisions/0011-what-is-lent-counts.md; nobody can
move that of a real Redis, so `tests/contracts/test_lease_arithmetic.py` moves the moments that it has stored.
"""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.leases import Lease
from gateway.core.limits import MICRO, Limit
from tests.core.test_leases import Store

_RATE_OF_CLOCKS = st.floats(0.8, 1.25)


@dataclass
class World:
    """Workers with clocks of their own, and a store with another; true time is `now`."""

    limit: Limit
    speeds: list[float]
    now: float = 1000.0
    store_is_behind: float = 0.0
    admitted: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = Store(self.limit)
        self.leases = [Lease(self.clock(at)) for at in range(len(self.speeds))]

    def clock(self, at: int) -> float:
        return 1e6 * at + self.now * self.speeds[at]

    def request(self, at: int) -> None:
        lease, now = self.leases[at], self.clock(at)
        if lease.tokens >= 1 and now < lease.until:
            _ = lease.spend(1, now)
            self.admitted.append(self.now)
            return
        lease.used(1, now)
        (is_allowed,), more = self.store.ask(
            f"w{at}",
            lease.ask(self.limit, now),
            [1],
            int((self.now - self.store_is_behind) * MICRO),
        )
        lease.lent(more)
        if is_allowed:
            self.admitted.append(self.now)

    def check(self) -> None:
        """Over every interval at most quota + T x rate."""
        rate = self.limit.quota / self.limit.window_seconds
        inside, last = 0.0, 0.0
        for at in self.admitted:
            inside = max(0.0, inside - (at - last) * rate) + 1
            last = at
            assert inside <= self.limit.quota + 1e-6


@settings(max_examples=300, deadline=None)
@given(
    limit=st.builds(Limit, st.just("x"), st.integers(1, 300), st.integers(1, 10)),
    speeds=st.lists(_RATE_OF_CLOCKS, min_size=2, max_size=4),
    rounds=st.lists(
        st.tuples(
            st.integers(0, 3),
            st.integers(1, 150),
            st.sampled_from([0.0, 0.05, 0.25, 1.0, 1.8, 2.05, 2.5, 8.0]),
            st.sampled_from([0.0, 0.0, 0.0, 0.4, 3.0, 3600.0]),
        ),
        min_size=4,
        max_size=20,
    ),
)
def test_the_promise_holds_whatever_the_clocks_say(
    limit: Limit, speeds: list[float], rounds: list[tuple[int, int, float, float]]
) -> None:
    """Over every T of true time at most quota + T x rate, by clocks a quarter wrong and a store that is set back."""
    world = World(limit, speeds)
    for at, requests, pause, set_back in rounds:
        for _ in range(requests):
            world.now += 0.0005
            world.request(at % len(speeds))
        world.now += pause
        world.store_is_behind += set_back
    world.check()
