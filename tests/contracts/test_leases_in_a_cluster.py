"""Leases under several workers, some of which are killed: the bucket's promise, checked on what was admitted."""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.clock import SystemClock
from gateway.core.leases import Tally
from gateway.core.limits import Bucket, Limit
from gateway.stores.guarded import GuardedLimiter
from gateway.stores.limiter import RedisLimiter
from gateway.stores.redis_client import RedisStore
from tests.contracts.leased_hammer import LIMIT
from tests.contracts.test_limiter import LimiterContract
from tests.end_to_end.load import Use, check_rate
from tests.fixtures_gateway import eventually

WORKERS = 4
SECONDS = 6.0
HOT = Limit("hot", 1_000_000, 60)


class TestLeasedRedisLimiter(LimiterContract):
    @pytest.fixture
    def limiter(self, redis_store: RedisStore) -> GuardedLimiter:
        """A worker that borrows ahead."""
        return GuardedLimiter(
            RedisLimiter(redis_store, "w_1"), SystemClock(), lambda: 1, leases=Tally()
        )


class Workers:
    """Processes that draw on one bucket."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url = url
        self._folder = folder
        self._number = 0
        self.processes = [self._start() for _ in range(WORKERS)]

    def _start(self) -> subprocess.Popen[bytes]:
        self._number += 1
        name = f"w{self._number}"
        return subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.contracts.leased_hammer",
                self._url,
                name,
                self._folder / name,
            ],
            cwd=Path(__file__).parents[2],
        )

    def replace(self, at: int) -> None:
        """Kill one, which cannot say goodbye, and start another."""
        self.processes[at].send_signal(signal.SIGKILL)
        self.processes[at].wait()
        self.processes[at] = self._start()

    def stand_still(self, seconds: float) -> None:
        """None of them does anything for so long; nor afterwards, until it is sent SIGCONT."""
        self.send(signal.SIGSTOP)
        time.sleep(seconds)

    def send(self, number: signal.Signals) -> None:
        """All of them get a signal."""
        for process in self.processes:
            process.send_signal(number)

    def stop(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()

    def are_all_at_work(self) -> bool:
        """Whether each has been admitted once."""
        files = list(self._folder.iterdir())
        return len(files) == WORKERS and all(file.stat().st_size for file in files)

    def admitted(self) -> list[tuple[int, int]]:
        """Before and after each admission, in microseconds, in order."""
        lines = [
            line.split()
            for file in self._folder.iterdir()
            for line in file.read_text().splitlines()
        ]
        return sorted((int(before), int(after)) for before, after in lines)


@pytest.fixture
def workers(valkey_url: str, tmp_path: Path) -> Iterator[Workers]:
    """Four of them."""
    started = Workers(valkey_url, tmp_path)
    yield started
    started.stop()


def test_the_promise_holds_while_workers_are_killed(workers: Workers) -> None:
    """Over every T at most quota + T x rate, whoever dies with what he has borrowed; and most of it is usable."""
    chance = random.Random(7)
    stop_at = time.monotonic() + SECONDS
    while time.monotonic() < stop_at:
        time.sleep(chance.uniform(0.2, 1.0))
        workers.replace(chance.randrange(WORKERS))
    workers.stop()
    admitted = workers.admitted()
    rate = LIMIT.quota / LIMIT.window_seconds / 1e6
    # An admission happened at some moment between its two: each may be seen that much too late.
    slack = max(after - before for before, after in admitted) * rate
    inside, last = 0.0, admitted[0][1]
    for after in sorted(after for _, after in admitted):
        inside = max(0.0, inside - (after - last) * rate) + 1
        last = after

        assert inside <= LIMIT.quota + slack + 1
    spent = admitted[-1][1] - admitted[0][0]
    assert len(admitted) > 0.6 * (LIMIT.quota + spent * rate)


def test_the_promise_holds_while_workers_stand_still(workers: Workers) -> None:
    """Who stopped with borrowed tokens and goes on when the bucket has filled without him spends none of them."""
    chance = random.Random(3)
    # Who is stopped while he connects takes Redis for away.
    eventually(workers.are_all_at_work, "each of them to be admitted")
    for _ in range(2):
        workers.stand_still(1.1 * LIMIT.window_seconds)
        # The bucket is full, so loans are large: each stops just after it has borrowed.
        for process in workers.processes:
            process.send_signal(signal.SIGCONT)
            time.sleep(chance.uniform(0.002, 0.01))
            process.send_signal(signal.SIGSTOP)
        workers.stand_still(1.1 * LIMIT.window_seconds)
        workers.send(signal.SIGCONT)
        time.sleep(0.1)
    workers.stop()
    uses = [Use(200, before / 1e6, after / 1e6) for before, after in workers.admitted()]

    assert len(uses) > 1.5 * LIMIT.quota
    check_rate(uses, LIMIT.quota, LIMIT.quota / LIMIT.window_seconds)


async def test_a_hot_key_hardly_asks(redis_store: RedisStore) -> None:
    """Once it is warm, a busy key is decided from memory."""
    limiter = GuardedLimiter(
        RedisLimiter(redis_store, "w_1"), SystemClock(), lambda: 1, leases=Tally()
    )
    buckets = (Bucket("{acc}:hot:key_1", HOT),)
    asked = 0
    for _ in range(5000):
        grant = limiter.take_nowait(buckets, 1)
        if grant is None:
            asked += 1
            grant = await limiter.take(buckets, 1)
        elif not asked % 50:
            continue
        assert grant.allowed

    assert asked < 500


async def test_what_is_not_wanted_goes_back(redis_store: RedisStore) -> None:
    """A worker that leaves gives back what it holds: another finds the bucket as full as it was."""
    first = GuardedLimiter(
        RedisLimiter(redis_store, "w_1"), SystemClock(), lambda: 1, leases=Tally()
    )
    buckets = (Bucket("{acc}:day:key_1", Limit("day", 10_000, 86_400)),)
    for _ in range(300):
        _ = first.take_nowait(buckets, 1) or await first.take(buckets, 1)
    await first.leave()
    second = GuardedLimiter(RedisLimiter(redis_store, "w_2"), SystemClock(), lambda: 1)
    grant = await second.take(buckets, 0)

    assert grant.states[0].remaining == 9_700
    assert first.take_nowait(buckets, 1) is None


async def test_every_borrowed_token_is_accounted_for(redis_store: RedisStore) -> None:
    """Of what was borrowed nothing is lost, and what was not spent has gone back, as the store has it."""
    tally = Tally()
    inner = RedisLimiter(redis_store, "w_1")
    limiter = GuardedLimiter(inner, SystemClock(), lambda: 1, leases=tally)
    buckets = (Bucket("{acc}:day:key_1", Limit("day", 10_000, 86_400)),)
    from_memory = 0
    for _ in range(300):
        if limiter.take_nowait(buckets, 1) is None:
            _ = await limiter.take(buckets, 1)
        else:
            from_memory += 1
    await limiter.leave()

    assert tally.borrowed > 0
    assert (tally.borrowed - tally.returned, tally.expired) == (from_memory, 0)


async def test_a_lent_bucket_says_what_is_left(redis_store: RedisStore) -> None:
    """The RateLimit fields count down by one with each request, whoever decides it."""
    limiter = GuardedLimiter(
        RedisLimiter(redis_store, "w_1"), SystemClock(), lambda: 1, leases=Tally()
    )
    buckets = (Bucket("{acc}:day:key_1", Limit("day", 10_000, 86_400)),)
    told = []
    for _ in range(500):
        grant = limiter.take_nowait(buckets, 1) or await limiter.take(buckets, 1)
        told.append(grant.states[0].remaining)

    assert told == list(range(9_999, 9_499, -1))
