"""A flood of unknown keys: bounded memory, and no known key is slowed by it (design §3)."""

import asyncio

from gateway.core.refusal import Refusal
from gateway.pipeline.inquiry import Admitted
from tests.pipeline.world import World, reason_of, unknown_token

FLOOD = 2_000


async def test_flood_fills_no_memory() -> None:
    """Whatever is kept of unknown keys has a bound, from however many addresses they come."""
    world = World(unknown_max=50)
    for number in range(FLOOD):
        address = f"198.51.{number // 256}.{number % 256}"
        assert (
            reason_of(await world.ask(unknown_token(number), address=address))
            is Refusal.UNKNOWN_KEY
        )

    assert len(world.known) == 0
    assert len(world.known._unknown) == 50
    assert len(world.lookup._flights) == 0
    assert not world.cache.entries
    world.verifier.close()


async def test_flood_from_one_address_stops_at_the_throttle() -> None:
    """After its allowance it costs no look-up any more."""
    world = World(failures_per_minute=300)
    for number in range(FLOOD):
        await world.ask(unknown_token(number))

    assert world.reader.calls == 300
    world.verifier.close()


async def test_the_same_unknown_key_is_looked_up_once() -> None:
    """A client with a wrong key in a loop is answered from memory."""
    world = World()
    for _ in range(100):
        assert reason_of(await world.ask(unknown_token())) is Refusal.UNKNOWN_KEY

    assert world.reader.calls == 1
    world.verifier.close()


async def test_known_key_is_answered_at_once_while_look_ups_are_stuck() -> None:
    """With every place for look-ups taken, a known key needs none of them."""
    world = World(flights_max=10)
    token = world.issue()
    await world.ask(token)
    world.reader.before.close()
    async with asyncio.TaskGroup() as group:
        stuck = [group.create_task(world.ask(unknown_token(number))) for number in range(20)]
        await world.reader.before.wait_for_arrival()
        assert isinstance(world.decide(token), Admitted)
        world.reader.before.open()

    reasons = [reason_of(request.result()) for request in stuck]
    assert reasons.count(Refusal.OVERLOADED) == 10
    assert reasons.count(Refusal.UNKNOWN_KEY) == 10
    world.verifier.close()
