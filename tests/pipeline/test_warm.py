"""A known key is decided about in memory, without task, future or loop (design §1, §11)."""

import asyncio
import timeit

from gateway.core.keys import Account, ApiAccess
from gateway.pipeline.inquiry import Admitted
from tests.pipeline.world import World

# Far above what it takes (about 9 us), so that a busy machine does not fail it; far below what
# one task or one round trip would make of it in the mean.
MICROSECONDS_MAX = 100


def warm_world() -> tuple[World, str]:
    """A worker that knows one key, whose plan has no limits; its loop is closed."""
    world = World()
    token = world.issue(account=Account("acc_1", "Ada", "free", ApiAccess.APPROVED))
    asyncio.run(world.ask(token))
    world.verifier.close()
    return world, token


def test_decision_needs_no_event_loop() -> None:
    """Where no loop runs, no task and no future can be made."""
    world, token = warm_world()

    assert isinstance(world.decide(token), Admitted)
    assert (world.reader.calls, world.cache.calls) == (1, 2)


def test_decision_takes_microseconds() -> None:
    """The whole of admission, from the header's text to the route, without the limiter."""
    world, token = warm_world()
    inquiry = world.inquire(token)
    seconds = min(timeit.repeat(lambda: world.admission.decide(inquiry), number=2_000, repeat=5))

    assert seconds / 2_000 * 1e6 < MICROSECONDS_MAX
