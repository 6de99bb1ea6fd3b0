"""argon2 beside the event loop: bounded threads, bounded queue (design §3)."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from gateway.core.credential import Credential
from gateway.core.errors import Overloaded
from gateway.core.refusal import Refusal
from gateway.pipeline.inquiry import Admitted
from gateway.pipeline.verifier import Verifier
from gateway.stores import secret_hash
from tests.pipeline.world import World, reason_of


class Slow:
    """A verification that ends when it is told to."""

    def __init__(self) -> None:
        self.may_end = threading.Event()
        self.calls = 0

    def __call__(self, token_hash: str, token_bytes: bytes) -> bool:
        self.calls += 1
        return self.may_end.wait(60) and token_hash == token_bytes.decode()


@pytest.fixture
def slow() -> Iterator[Slow]:
    """Always let go at the end, so that no thread is left."""
    slow = Slow()
    yield slow
    slow.may_end.set()


async def test_what_cannot_even_queue_is_turned_away_at_once(slow: Slow) -> None:
    """One is verified, two wait, the fourth is Overloaded; the others get their answers."""
    verifier = Verifier(slow, threads=1, waiting_max=2)
    async with asyncio.TaskGroup() as group:
        taken = [group.create_task(verifier.verify("a", b"a")) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await verifier.verify("a", b"a")
        slow.may_end.set()

    assert [task.result() for task in taken] == [True] * 3
    assert await verifier.verify("a", b"b") is False
    verifier.close()


async def test_place_is_free_again_only_when_the_work_is_done(slow: Slow) -> None:
    """Clients that hang up do not make room for more work than the threads can do."""
    verifier = Verifier(slow, threads=1, waiting_max=0)
    running = asyncio.get_running_loop().create_task(verifier.verify("a", b"a"))
    await asyncio.sleep(0)
    running.cancel()
    await asyncio.wait([running])

    with pytest.raises(Overloaded):
        await verifier.verify("a", b"a")
    verifier.close()


async def test_cancelled_while_queued_gives_its_place_back(slow: Slow) -> None:
    """What never began costs nothing."""
    verifier = Verifier(slow, threads=1, waiting_max=1)
    loop = asyncio.get_running_loop()
    running, queued = (loop.create_task(verifier.verify("a", b"a")) for _ in range(2))
    await asyncio.sleep(0)
    queued.cancel()
    await asyncio.wait([queued])
    other = loop.create_task(verifier.verify("a", b"a"))
    await asyncio.sleep(0)
    slow.may_end.set()

    assert await running
    assert await other
    assert slow.calls == 2
    verifier.close()


async def test_real_argon2_lets_the_right_token_in() -> None:
    """Together with the real hash the whole cold way works."""
    world = World(verify=secret_hash.verify)
    token = world.issue()
    secret_id, row = next(iter(world.reader.rows.items()))
    hashed = secret_hash.hash_token(
        Credential(token).token_bytes(), secret_hash.CostClass.GENERATED
    )
    world.reader.rows[secret_id] = type(row)(row.key, hashed)

    assert isinstance(await world.ask(token), Admitted)
    world.verifier.close()


async def test_full_queue_is_503_and_not_remembered() -> None:
    """A key turned away for want of threads is not called unknown, then or later."""
    slow = Slow()
    world = World(verify=slow, waiting_max=0)
    async with asyncio.TaskGroup() as group:
        first = group.create_task(world.ask(world.issue(1)))
        for _ in range(10):
            await asyncio.sleep(0)
        second = await world.ask(world.issue(2))
        slow.may_end.set()

    assert reason_of(second) is Refusal.OVERLOADED
    assert reason_of(first.result()) is Refusal.UNKNOWN_KEY
    assert not world.known.is_unknown(world.digest(world.issue(2)))
    world.verifier.close()
