"""A rush of keys that nobody knows yet does not slow those that are known (bench/warm.py measures it)."""

import asyncio
import os
import sys

import pytest

from gateway.core.refusal import Refusal
from gateway.pipeline.inquiry import Admitted
from gateway.pipeline.verifier import Verifier
from tests.pipeline.world import World, reason_of


async def test_few_keys_are_searched_in_sql_at_once(world: World) -> None:
    """Of many first uses at once, SQL is asked for four; the others have their turn, and their answer."""
    tokens = [world.issue(number) for number in range(1, 21)]
    world.reader.before.close()
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(world.ask(token)) for token in tokens]
        await world.reader.before.wait_for_arrival()
        for _ in range(20):
            await asyncio.sleep(0)
        at_once = world.reader.calls
        world.reader.before.open()

    assert at_once == world.lookup.searches_max == 4
    assert all(isinstance(task.result(), Admitted) for task in asked)


async def test_who_gets_no_turn_in_time_is_refused_as_overloaded(world: World) -> None:
    """While SQL holds every turn, another first use is 503 at its deadline, and a known key is served."""
    known = world.issue(99)
    assert isinstance(await world.ask(known), Admitted)
    world.lookup.turn_deadline_seconds = 0.02
    world.reader.before.close()
    async with asyncio.TaskGroup() as group:
        held = [group.create_task(world.ask(world.issue(number))) for number in range(1, 5)]
        for _ in range(20):
            await asyncio.sleep(0)
        late = await world.ask(world.issue(5))
        meanwhile = world.decide(known)
        world.reader.before.open()

    assert reason_of(late) is Refusal.OVERLOADED
    assert isinstance(meanwhile, Admitted)
    assert all(isinstance(task.result(), Admitted) for task in held)
    assert isinstance(await world.ask(world.issue(6)), Admitted)


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priority of their own there")
async def test_argon2_gives_way_to_the_event_loop() -> None:
    """The threads that verify have a lower priority than the loop, which keeps its own."""

    def verify(token_hash: str, _: bytes) -> bool:
        return os.getpriority(os.PRIO_PROCESS, 0) > int(token_hash)

    verifier = Verifier(verify, threads=1)
    before = os.getpriority(os.PRIO_PROCESS, 0)

    assert await verifier.verify(str(before), b"")
    assert os.getpriority(os.PRIO_PROCESS, 0) == before
    verifier.close()
