"""Requests on the same buckets that come while others wait share a round trip, and nothing else."""

import asyncio
import math
import socket
import time
from collections.abc import AsyncIterator, Sequence

import pytest

from gateway.clock import SystemClock
from gateway.core.errors import StoreError
from gateway.core.limits import MICRO, Bucket, BucketLevel, Limit, spend
from gateway.stores.guarded import GuardedLimiter
from gateway.stores.limiter import Batch, RedisLimiter
from gateway.stores.redis_client import RedisStore, Script
from gateway.stores.redis_lane import LaneClosed
from gateway.stores.redis_url import Link, way_to
from gateway.tasks import Crew
from tests.doubles import ManualClock
from tests.fixtures_valkey import ValkeyServer

DAY = 86_400
WIDE = Bucket("{acc}:wide:key_1", Limit("wide", 1000, DAY))
NARROW = Bucket("{acc}:narrow:key_1", Limit("narrow", 10, DAY))
OTHER = Bucket("{acc}:other:key_2", Limit("other", 1000, DAY))


class HeldLimiter:
    """An exact limiter whose answers come when the test says so; it counts from one level, at one instant."""

    def __init__(self) -> None:
        """Nothing has been asked."""
        self.asked: list[Batch] = []
        self.costs: list[Sequence[int]] = []
        self.debts: list[Sequence[int]] = []
        self.left: dict[str, int] = {}

    def ask(self, batch: Batch) -> None:
        self.asked.append(batch)

    def depart(self) -> None:
        """What is asked goes on its way: later requests are too late for it."""
        for batch in self.asked[len(self.costs) :]:
            takes = batch.depart()
            self.costs.append(list(takes.costs))
            self.debts.append(takes.debts)

    def answer(self, number: int) -> None:
        """The answer to the batch of this number arrives."""
        batch = self.asked[number]
        held = tuple(
            BucketLevel(self.left.get(name, limit.quota) * MICRO, 0)
            for name, limit in batch.buckets
        )
        grants = []
        for cost in self.costs[number]:
            held, grant = spend(held, [limit for _, limit in batch.buckets], cost, 0)
            grants.append(grant)
        for bucket, level in zip(batch.buckets, held, strict=True):
            self.left[bucket.name] = level.microtokens // MICRO
        batch.answered(held, grants, [0] * len(held))


@pytest.fixture
def inner() -> HeldLimiter:
    """Answers when told."""
    return HeldLimiter()


@pytest.fixture
def held(inner: HeldLimiter) -> GuardedLimiter:
    """The only worker."""
    return GuardedLimiter(inner, ManualClock(), lambda: 1)


@pytest.fixture
def limiter(redis_store: RedisStore) -> GuardedLimiter:
    """What admission gets."""
    return GuardedLimiter(RedisLimiter(redis_store), SystemClock(), lambda: 1)


@pytest.fixture
async def own_store(own_valkey: ValkeyServer) -> AsyncIterator[RedisStore]:
    """A store that may be broken."""
    async with RedisStore.open(own_valkey.url, deadline_seconds=0.5) as store:
        await store.check()
        yield store


async def some_turns() -> None:
    """Everybody who can go on has gone on."""
    for _ in range(5):
        await asyncio.sleep(0)


def runs(server: ValkeyServer) -> int:
    """How many scripts the server has run since the statistics were reset."""
    stats = server.command("INFO", "commandstats")
    assert isinstance(stats, dict)
    return sum(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("evalsha", "eval"))


@pytest.mark.parametrize("callers", [1, 10, 300])
async def test_takes_at_once_share_commands(
    valkey_server: ValkeyServer, limiter: GuardedLimiter, callers: int
) -> None:
    """N requests on one key at once are N / 64 commands, not N."""
    await limiter.take([WIDE], 1)
    valkey_server.command("CONFIG", "RESETSTAT")
    grants = await asyncio.gather(*(limiter.take([WIDE], 1) for _ in range(callers)))

    assert runs(valkey_server) == math.ceil(callers / 64)
    assert [grant.states[0].remaining for grant in grants] == [998 - i for i in range(callers)]


async def test_takes_while_one_is_on_its_way_share_commands(
    valkey_server: ValkeyServer, limiter: GuardedLimiter
) -> None:
    """Callers who ask again as soon as they are answered keep sharing, and no token is lost or given twice."""
    await limiter.take([WIDE], 1)
    valkey_server.command("CONFIG", "RESETSTAT")
    seen: list[int] = []

    async def ask_again_and_again() -> None:
        for _ in range(30):
            seen.append((await limiter.take([WIDE], 1)).states[0].remaining)

    await asyncio.gather(*(ask_again_and_again() for _ in range(32)))

    assert runs(valkey_server) <= 32 * 30 / 8
    assert sorted(seen, reverse=True) == [998 - i for i in range(32 * 30)]


@pytest.mark.parametrize(
    ("buckets", "costs", "expected"),
    [
        pytest.param([NARROW], [4, 7, 6, 1, 0], "yes no yes no yes", id="first-come-first-served"),
        pytest.param([WIDE, NARROW], [3, 20, 7, 1], "yes no yes no", id="all-buckets-or-none"),
        pytest.param([NARROW], [11, 11, 10], "no no yes", id="refused-ones-take-nothing"),
    ],
)
async def test_together_as_one_after_another(
    limiter: GuardedLimiter, buckets: list[Bucket], costs: list[int], expected: str
) -> None:
    """Whoever is asked about together gets what each would have got alone, in the order of asking."""
    grants = await asyncio.gather(*(limiter.take(buckets, cost) for cost in costs))

    assert ["yes" if grant.allowed else "no" for grant in grants] == expected.split()


async def test_who_comes_later_goes_together_next(inner: HeldLimiter, held: GuardedLimiter) -> None:
    """While one batch is on its way the next one gathers; it leaves when the answer is there."""
    async with asyncio.TaskGroup() as group:
        first = [group.create_task(held.take([WIDE], 1)) for _ in range(2)]
        await some_turns()
        inner.depart()
        later = [group.create_task(held.take([WIDE], cost)) for cost in (2, 3)]
        await some_turns()
        asked_meanwhile = len(inner.asked)
        inner.answer(0)
        inner.depart()
        await some_turns()
        told_first = [task.done() for task in first + later]
        inner.answer(1)

    assert asked_meanwhile == 1
    assert told_first == [True, True, False, False]
    assert inner.costs == [[1, 1], [2, 3]]
    assert [task.result().states[0].remaining for task in later] == [996, 993]


async def test_a_full_batch_does_not_wait(inner: HeldLimiter, held: GuardedLimiter) -> None:
    """However many come while Redis is slow, nobody waits for more than the answer under way."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(held.take([WIDE], 1))]
        await some_turns()
        inner.depart()
        tasks += [group.create_task(held.take([WIDE], 1)) for _ in range(150)]
        await some_turns()
        inner.depart()
        asked_meanwhile = [len(costs) for costs in inner.costs]
        for number in range(3):
            inner.answer(number)
        inner.depart()
        inner.answer(3)

    assert asked_meanwhile == [1, 64, 64]
    assert [len(costs) for costs in inner.costs] == [1, 64, 64, 22]
    assert [task.result().states[0].remaining for task in tasks] == [999 - i for i in range(151)]


async def test_other_buckets_do_not_wait(inner: HeldLimiter, held: GuardedLimiter) -> None:
    """One key's unanswered requests hold up no other key's, and one set of buckets no other set."""
    async with asyncio.TaskGroup() as group:
        group.create_task(held.take([WIDE], 1))
        await some_turns()
        inner.depart()
        other = group.create_task(held.take([OTHER], 1))
        both = group.create_task(held.take([WIDE, NARROW], 1))
        await some_turns()
        inner.depart()
        inner.answer(1)
        inner.answer(2)
        await some_turns()
        told = (other.done(), both.done())
        inner.answer(0)

    assert told == (True, True)


@pytest.mark.parametrize("has_departed", [True, False])
async def test_one_who_leaves_shifts_no_answer(
    inner: HeldLimiter, held: GuardedLimiter, has_departed: bool
) -> None:
    """A cancelled request may have cost its tokens; those beside it get their own answers."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(held.take([WIDE], cost)) for cost in (1, 10, 100)]
        await some_turns()
        if has_departed:
            inner.depart()
        tasks[1].cancel()
        await some_turns()
        inner.depart()
        inner.answer(0)

    assert [tasks[i].result().states[0].remaining for i in (0, 2)] == [999, 889]


async def test_the_first_may_leave(limiter: GuardedLimiter) -> None:
    """Nobody's request depends on the caller who came first."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(limiter.take([WIDE], 1)) for _ in range(20)]
        for task in tasks[:4]:
            await asyncio.sleep(0)
            task.cancel()

    assert [task.result().states[0].remaining for task in tasks[4:]] == [995 - i for i in range(16)]


async def test_nothing_is_kept_of_who_was_answered(limiter: GuardedLimiter) -> None:
    """Keys that nobody uses just now wait for nothing, and take no memory but their bounded notes."""
    for number in range(20):
        grants = [limiter.take([Bucket(f"{{acc}}:x:{number}", WIDE.limit)], 1) for _ in range(70)]
        await asyncio.gather(*grants)

    assert not limiter._lines


async def test_nobody_is_forgotten(inner: HeldLimiter, held: GuardedLimiter) -> None:
    """Whether they were asked or still gathered, all get an answer when the store goes away."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(held.take([NARROW], 1)) for _ in range(2)]
        await some_turns()
        inner.depart()
        tasks += [group.create_task(held.take([NARROW], 1)) for _ in range(2)]
        await some_turns()
        inner.asked[0].failed()
        inner.asked[1].failed()

    assert all(task.result().is_degraded for task in tasks)


async def test_a_debt_is_carried_once(inner: HeldLimiter, held: GuardedLimiter) -> None:
    """What was let through in an outage goes with the next batch, and stays owed if that fails too."""
    for _ in range(3):
        async with asyncio.TaskGroup() as group:
            group.create_task(held.take([WIDE], 1))
            await some_turns()
            inner.depart()
            inner.asked[-1].failed()
    async with asyncio.TaskGroup() as group:
        group.create_task(held.take([WIDE], 1))
        await some_turns()
        inner.depart()
        group.create_task(held.take([WIDE], 1))
        await some_turns()
        inner.answer(3)
        inner.depart()
        inner.answer(4)

    # The share of a bucket never seen is one token, and its clock stands still.
    assert inner.debts == [[0], [1], [1], [1], [0]]


async def test_a_hung_server_is_paid_for_once(
    own_valkey: ValkeyServer, own_store: RedisStore
) -> None:
    """Those who gathered behind an unanswered batch are decided with it, not a deadline later."""
    limiter = GuardedLimiter(RedisLimiter(own_store), SystemClock(), lambda: 1)
    await limiter.take([WIDE], 1)
    own_valkey.freeze()
    try:
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(limiter.take([WIDE], 1))]
            await asyncio.sleep(0.01)
            tasks += [group.create_task(limiter.take([WIDE], 1)) for _ in range(100)]
        took = time.monotonic() - began
    finally:
        own_valkey.thaw()

    assert all(task.result().is_degraded for task in tasks)
    assert 0.49 < took < 0.95
    assert [task.result().states[0].remaining for task in tasks] == [998 - i for i in range(101)]


async def test_a_forgotten_script_is_sent_again_for_all(
    redis_store: RedisStore, limiter: GuardedLimiter
) -> None:
    """SCRIPT FLUSH between two batches is not noticed by their callers."""
    await limiter.take([WIDE], 1)
    await redis_store.write("flush", "SCRIPT", "FLUSH")
    grants = await asyncio.gather(*(limiter.take([WIDE], 1) for _ in range(5)))

    assert [grant.states[0].remaining for grant in grants] == [998 - i for i in range(5)]
    assert not any(grant.is_degraded for grant in grants)


class _Heard:
    """Implements `redis_client.Run` and notes what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def words(self) -> tuple[list[str], list[int]]:
        return ["k"], [1]

    def answered(self, reply: object) -> None:
        self.told.append(reply)

    def failed(self, error: StoreError) -> None:
        self.told.append(error.cause)


async def test_a_run_is_always_told_its_end(own_valkey: ValkeyServer) -> None:
    """Before there is a connection, over one, by a script that fails, and after the store was closed."""
    good, bad = Script("return ARGV[1]"), Script("return redis.call('NOPE')")
    heard = [_Heard() for _ in range(5)]
    async with RedisStore.open(own_valkey.url, deadline_seconds=5) as store:
        store.run_soon("early", good, heard[0])
        await store.check()
        store.run_soon("run", good, heard[1])
        store.run_soon("run", bad, heard[2])
        async with asyncio.timeout(5):
            while not all(run.told for run in heard[:3]):  # noqa: ASYNC110 -- it is told from outside
                await asyncio.sleep(0.001)
        store.run_soon("cut short", good, heard[3])
    store.run_soon("late", good, heard[4])

    assert [run.told for run in heard] == [[b"1"], [b"1"], ["ERR"], ["closed"], ["away"]]


async def test_a_run_that_waits_for_a_connection_is_told_of_the_end() -> None:
    """Leaving the store lets nobody wait on, not even before the first step."""
    heard = [_Heard(), _Heard()]
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}"
        async with RedisStore.open(url, deadline_seconds=5) as store:
            store.run_soon("first", Script("return 1"), heard[0])
            await some_turns()
            store.run_soon("second", Script("return 1"), heard[1])

    assert [run.told for run in heard] == [["closed"], ["closed"]]


async def test_what_is_not_sent_yet_is_told_when_the_lane_closes(valkey_url: str) -> None:
    """Between being posted and being sent a command can be cut off too."""
    told: list[object] = []
    lane = await way_to(valkey_url).link(0.5, told.append)
    async with Crew() as crew:
        _ = crew.start("hold", lane.hold())
        asked = crew.start("ask", _note_fault(lane, told))
        await asyncio.sleep(0)
        lane.close("on purpose")
        await asked

    assert told == ["on purpose", "on purpose"]


async def _note_fault(lane: Link, told: list[object]) -> None:
    try:
        await lane.ask(("PING",))
    except LaneClosed as exc:
        told.append(exc.kind)
