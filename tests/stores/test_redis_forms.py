"""The forms of redis.url other than one plain server: TCP with a password, sentinels, a cluster."""

import contextlib
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.clock import SystemClock
from gateway.core.changes import Change
from gateway.core.limits import Bucket, Limit
from gateway.stores.announcer import RedisAnnouncer
from gateway.stores.guarded import GuardedLimiter
from gateway.stores.key_cache import RedisKeyCache
from gateway.stores.limiter import RedisLimiter
from gateway.stores.redis_client import RedisStore
from gateway.stores.valkey import server_binary
from tests.contracts.test_key_cache import CACHED, PEPPERS, SECRET_ID
from tests.fixtures_valkey import ValkeyServer, running_valkey
from tests.stores.test_revocation_news import FORGET_ALL, working

THREE = Limit("three", 3, 86_400)
HALF = 8191
LAST = 16_383


def free_ports(count: int) -> list[str]:
    """Ports that nobody listens on now."""
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [str(one.getsockname()[1]) for one in held]


def poll(is_so: Callable[[], bool]) -> None:
    """Poll, with a deadline."""
    give_up_at = time.monotonic() + 15
    while not is_so():
        assert time.monotonic() < give_up_at
        time.sleep(0.02)


@contextlib.contextmanager
def tcp() -> Iterator[str]:
    """A server on a port, with a password that a URL has to quote."""
    (port,) = free_ports(1)
    words = ("--port", port, "--bind", "127.0.0.1", "--requirepass", "p@ss/word")
    with tempfile.TemporaryDirectory(prefix="kw-") as folder:
        command = [str(server_binary()), *words, "--save", "", "--dir", folder]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            try:
                poll(lambda: _listens(port))
                yield f"redis://:p%40ss%2Fword@127.0.0.1:{port}/3"
            finally:
                process.kill()


@contextlib.contextmanager
def sentinel() -> Iterator[str]:
    """A server and the sentinel that knows it; another sentinel is named that is not there."""
    port, watch_port = free_ports(2)
    with (
        running_valkey("--port", port, "--bind", "127.0.0.1"),
        tempfile.TemporaryDirectory(prefix="kw-") as folder,
    ):
        config = Path(folder) / "sentinel.conf"
        config.write_text(f"port {watch_port}\nsentinel monitor main 127.0.0.1 {port} 1\n")
        command = [str(server_binary()), str(config), "--sentinel"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            try:
                poll(lambda: _listens(watch_port))
                yield f"sentinel://127.0.0.1:1,127.0.0.1:{watch_port}/main/2"
            finally:
                process.kill()


@contextlib.contextmanager
def cluster() -> Iterator[str]:
    """Two nodes with half of the slots each."""
    ports = free_ports(4)
    with contextlib.ExitStack() as stack:
        nodes = [
            stack.enter_context(
                running_valkey(
                    *("--port", port, "--bind", "127.0.0.1"),
                    *("--cluster-enabled", "yes", "--cluster-port", bus),
                )
            )
            for port, bus in ((ports[0], ports[1]), (ports[2], ports[3]))
        ]
        halves = ((0, HALF), (HALF + 1, LAST))
        for epoch, (node, (first, last)) in enumerate(zip(nodes, halves, strict=True), start=1):
            node.command("CLUSTER", "SET-CONFIG-EPOCH", epoch)
            node.command("CLUSTER", "ADDSLOTSRANGE", first, last)
        nodes[0].command("CLUSTER", "MEET", "127.0.0.1", ports[2], ports[3])
        poll(lambda: all(_is_whole(node) for node in nodes))
        yield f"redis+cluster://127.0.0.1:1,127.0.0.1:{ports[0]}"


def _is_whole(node: ValkeyServer) -> bool:
    return "cluster_state:ok" in str(node.command("CLUSTER", "INFO"))


def _listens(port: str) -> bool:
    try:
        socket.create_connection(("127.0.0.1", int(port)), timeout=1).close()
    except OSError:
        return False
    return True


@pytest.fixture(
    params=[
        pytest.param(tcp, id="tcp-with-password"),
        pytest.param(sentinel, id="sentinel"),
        pytest.param(cluster, id="cluster"),
    ]
)
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of something that runs for this test alone."""
    with request.param() as url:
        yield url


async def test_everything_that_is_asked_of_redis_works_there(url: str) -> None:
    """Limits, the cache and the change feed do not care how Redis is reached."""
    buckets = [Bucket(f"{{acc_{i}}}:three:key", THREE) for i in range(6)]
    async with RedisStore.open(url, deadline_seconds=1.0) as store:
        await store.check()
        limiter = GuardedLimiter(RedisLimiter(store), SystemClock(), lambda: 1)
        allowed = {
            bucket.name: [(await limiter.take([bucket], 1)).allowed for _ in range(4)]
            for bucket in buckets
        }
        cache = RedisKeyCache(store, PEPPERS)
        await cache.fill(CACHED)
        found = await cache.find(SECRET_ID)
        async with working(url, "a") as worker:
            change = Change(99, key_id="key_1")
            receipt = await RedisAnnouncer(store, SystemClock()).announce(change, [(SECRET_ID, 99)])
            gone = await cache.find(SECRET_ID)

    assert set(map(tuple, allowed.values())) == {(True, True, True, False)}
    assert (found, gone) == (CACHED, None)
    assert (receipt.workers, receipt.acknowledged) == (1, 1)
    assert worker.told == [FORGET_ALL, change]
