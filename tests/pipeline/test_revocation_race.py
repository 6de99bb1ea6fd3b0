"""A look-up that began before a revocation does not bring the key back, wherever it was held up (design §3)."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from gateway.core.changes import Change
from gateway.core.keys import KeyStatus
from gateway.core.refusal import Refusal
from gateway.pipeline.inquiry import Waits
from gateway.ports import StoredKey
from tests.doubles import Gate, MemoryKeyReader
from tests.pipeline.world import Answer, World, hash_of, reason_of

PLACES: dict[str, Callable[[World], Gate]] = {
    "before L2 is read": lambda world: world.cache.before,
    "with L2's answer in hand": lambda world: world.cache.after,
    "before SQL is read": lambda world: world.reader.before,
    "with SQL's answer in hand": lambda world: world.reader.after,
}


@asynccontextmanager
async def held_up(world: World, token: str, gate: Gate) -> AsyncIterator[asyncio.Task[Answer]]:
    """A request for `token` that stands at `gate` while the block runs, and goes on after it."""
    gate.close()
    async with asyncio.TaskGroup() as group:
        request = group.create_task(world.ask(token))
        await gate.wait_for_arrival()
        yield request
        gate.open()


def no_copy_is_left(world: World, token: str) -> bool:
    """Neither level holds the key as it was before."""
    known = world.known.get(world.digest(token))
    copies = [known.key] if known else []
    copies += [cached.key for _, cached in world.cache.entries.values() if cached is not None]
    return all(key.status is KeyStatus.REVOKED for key in copies)


@pytest.mark.parametrize("place", PLACES)
async def test_key_revoked_during_its_look_up_is_refused(world: World, place: str) -> None:
    """At each place where a look-up waits, a revocation heard meanwhile wins."""
    token = world.issue()
    async with held_up(world, token, PLACES[place](world)) as request:
        world.revoke()

    assert reason_of(request.result()) is Refusal.REVOKED_KEY
    assert no_copy_is_left(world, token)


async def test_copy_out_of_l2_that_was_overtaken_is_not_used(world: World) -> None:
    """Also when Redis had the key: what was read before the tombstone does not count."""
    token = world.issue()
    await world.ask(token)
    world.known.forget(Change(0))
    async with held_up(world, token, world.cache.after) as request:
        world.revoke()

    assert reason_of(request.result()) is Refusal.REVOKED_KEY
    assert no_copy_is_left(world, token)


async def test_key_revoked_while_argon2_runs_is_refused() -> None:
    """The slow part of the cold way, in its thread, is no loophole."""
    started, may_end = threading.Event(), threading.Event()

    def verify(token_hash: str, token_bytes: bytes) -> bool:
        started.set()
        return may_end.wait(5) and token_hash == hash_of(token_bytes)

    world = World(verify=verify)
    token = world.issue()
    async with asyncio.TaskGroup() as group:
        request = group.create_task(world.ask(token))
        assert await asyncio.to_thread(started.wait, 5)
        world.revoke()
        may_end.set()

    assert reason_of(request.result()) is Refusal.REVOKED_KEY
    assert no_copy_is_left(world, token)
    world.verifier.close()


@pytest.mark.parametrize("side", ["before", "after"])
async def test_key_revoked_while_l2_is_filled_is_refused(world: World, side: str) -> None:
    """The fill is the last thing waited for; the answer is still the newest, and the tombstone stands."""
    token = world.issue()
    l2 = world.cache
    gate = l2.before if side == "before" else l2.after
    async with held_up(world, token, world.reader.after) as request:
        gate.close()
        world.reader.after.open()
        await gate.wait_for_arrival()
        world.revoke()
        gate.open()

    assert reason_of(request.result()) is Refusal.REVOKED_KEY
    assert no_copy_is_left(world, token)


async def test_those_who_waited_for_the_same_look_up_are_refused_too(world: World) -> None:
    """Whoever joined the look-up before the revocation gets the answer from after it."""
    token = world.issue()
    async with held_up(world, token, world.reader.after) as first, asyncio.TaskGroup() as group:
        others = [group.create_task(world.ask(token)) for _ in range(5)]
        await asyncio.sleep(0)
        world.revoke()
        world.reader.after.open()

    for request in (first, *others):
        assert reason_of(request.result()) is Refusal.REVOKED_KEY


async def test_revocation_between_the_landing_and_the_others_awakening(world: World) -> None:
    """A change heard after the look-up's end, but before those who waited run on, counts for them."""
    token = world.issue()
    async with asyncio.TaskGroup() as group:
        world.reader.after.close()
        first = group.create_task(world.ask(token))
        await world.reader.after.wait_for_arrival()
        other = group.create_task(world.ask(token))
        await asyncio.sleep(0)
        world.cache.before.close()
        world.reader.after.open()
        # The first is now filling L2; its look-up has landed in this very turn of the loop.
        await world.cache.before.wait_for_arrival()
        world.revoke()
        world.cache.before.open()

    assert reason_of(first.result()) is Refusal.REVOKED_KEY
    assert reason_of(other.result()) is Refusal.REVOKED_KEY


async def test_key_revoked_while_the_limiter_is_asked_is_refused(world: World) -> None:
    """After the acknowledgement not even a request that already stood at the last room gets through."""
    token = world.issue()
    world.limiter.is_instant = False
    await world.ask(token)
    async with held_up(world, token, world.limiter.after) as request:
        world.revoke()

    assert reason_of(request.result()) is Refusal.REVOKED_KEY


async def test_key_revoked_between_the_decision_and_its_resolution(world: World) -> None:
    """A caller that takes its time before it waits is no loophole either."""
    token = world.issue()
    world.limiter.is_instant = False
    await world.ask(token)
    decision = world.decide(token)
    world.revoke()

    assert isinstance(decision, Waits)
    assert reason_of(await decision.resolve()) is Refusal.REVOKED_KEY


@pytest.mark.parametrize("level", ["L2", "SQL"])
async def test_account_change_overtakes_a_look_up(world: World, level: str) -> None:
    """A change of the account counts for every key of it, whatever the versions say."""
    token = world.issue()
    if level == "L2":
        await world.ask(token)
        world.known.forget(Change(0))
    gate = world.cache.after if level == "L2" else world.reader.after
    async with held_up(world, token, gate) as request:
        key = world.change(is_announced=False, status=KeyStatus.DISABLED)
        world.cache.leave_tombstone(key.secret_id, key.version)
        world.feed.announce(Change(1, account_id="acc_1"))

    assert reason_of(request.result()) is Refusal.DISABLED_KEY


async def test_change_of_another_key_does_not_disturb(world: World) -> None:
    """Only the key that changed is looked up again."""
    token = world.issue(1)
    world.issue(2)
    async with held_up(world, token, world.reader.after) as request:
        world.revoke(2)

    assert reason_of(request.result()) is None
    assert world.reader.calls == 1


class RestlessReader(MemoryKeyReader):
    """A source of truth in which something changes each time that one looks."""

    def __init__(self, rows: dict[str, StoredKey], change: Callable[[], object]) -> None:
        super().__init__()
        self.rows = rows
        self._change = change

    async def find(self, secret_id: str) -> StoredKey | None:
        found = await super().find(secret_id)
        self._change()
        return found


async def test_key_that_never_stops_changing_is_refused_for_a_moment(world: World) -> None:
    """A look-up ends, even if each of its reads is overtaken: with 503, which is no judgement."""
    token = world.issue()
    restless = RestlessReader(world.reader.rows, lambda: world.change(status=KeyStatus.ACTIVE))
    world.lookup.reader = restless

    assert reason_of(await world.ask(token)) is Refusal.STORE_UNAVAILABLE
    assert restless.calls < 10
