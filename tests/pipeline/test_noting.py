"""Whether a process has taken tokens lately."""

import pytest

from gateway.core.limits import Bucket, Limit
from gateway.pipeline.counting import Lately, NotingLimiter
from tests.doubles import ManualClock, MemoryLimiter

BUCKETS = (Bucket("key:k:default", Limit("default", 10, 60)),)


@pytest.mark.parametrize(
    ("buckets", "cost", "later_seconds", "expected"),
    [
        pytest.param(BUCKETS, 1, 0, True, id="just-now"),
        pytest.param(BUCKETS, 1, 600, True, id="ten-minutes-ago"),
        pytest.param(BUCKETS, 1, 601, False, id="longer-ago"),
        pytest.param(BUCKETS, 0, 0, False, id="only-asked-what-is-left"),
        pytest.param((), 1, 0, False, id="no-limit"),
    ],
)
async def test_what_counts_as_taking(
    buckets: tuple[Bucket, ...], cost: int, later_seconds: float, expected: bool
) -> None:
    """Only who takes tokens has a share of the rate in an outage, and for ten minutes more."""
    clock = ManualClock()
    lately = Lately(clock)
    limiter = NotingLimiter(MemoryLimiter(clock), lately)
    assert not lately.is_so()

    grant = await limiter.take(buckets, cost)
    clock.advance(later_seconds)

    assert grant.allowed
    assert lately.is_so() is expected
