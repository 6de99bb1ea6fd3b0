"""What the gateway's client promises while Redis is well, slow, unwilling or gone."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from gateway.core.errors import Misuse, StoreError
from gateway.stores.redis_client import RedisStore, Script
from tests.fixtures_valkey import ValkeyServer

_GIVE_UP_SECONDS = 8.0


@pytest.fixture
def health() -> list[bool]:
    """What `on_health` was told, in order."""
    return []


@pytest.fixture
async def own_store(own_valkey: ValkeyServer, health: list[bool]) -> AsyncIterator[RedisStore]:
    """A store with the real deadline, on a server that may be broken."""

    def note(_: str, is_healthy: bool) -> None:
        health.append(is_healthy)

    async with RedisStore.open(own_valkey.url, on_health=note) as store:
        await store.check()
        await store.write("set", "SET", "greeting", "hello")
        yield store


async def wait_until(is_so: Callable[[], bool]) -> None:
    """Poll, with a deadline."""
    give_up_at = time.monotonic() + _GIVE_UP_SECONDS
    while not is_so():
        assert time.monotonic() < give_up_at
        await asyncio.sleep(0.01)


async def outcome(store: RedisStore, how: str, *words: str) -> str:
    """What became of one command: its answer, or the kind of fault."""
    try:
        answer = await getattr(store, how)("try", *words)
    except StoreError as exc:
        return exc.cause
    return answer.decode() if isinstance(answer, bytes) else str(answer)


async def wait_until_answered(store: RedisStore, expected: str) -> None:
    """Read until the answer is there."""
    give_up_at = time.monotonic() + _GIVE_UP_SECONDS
    while await outcome(store, "read", "GET", "greeting") != expected:
        assert time.monotonic() < give_up_at
        await asyncio.sleep(0.001)


async def test_many_callers_get_their_own_answers(redis_store: RedisStore) -> None:
    """Commands that share the connection never swap their answers."""
    answers = await asyncio.gather(*(redis_store.read("echo", "ECHO", i) for i in range(500)))

    assert answers == [str(i).encode() for i in range(500)]


async def test_a_caller_that_goes_away_leaves_no_answer_behind(redis_store: RedisStore) -> None:
    """A cancelled command's answer is never given to the next caller (CVE-2023-28858)."""
    for i in range(200):
        gone = asyncio.get_running_loop().create_task(redis_store.read("echo", "ECHO", f"gone-{i}"))
        for _ in range(i % 4):
            await asyncio.sleep(0)
        gone.cancel()
        answer = await redis_store.read("echo", "ECHO", f"here-{i}")

        assert answer == f"here-{i}".encode()


async def test_a_forgotten_script_is_sent_again(redis_store: RedisStore) -> None:
    """SCRIPT FLUSH or a restart is not noticed by the caller, nor called a fault."""
    script = Script("return ARGV[1] + 1")
    first = await redis_store.run("count", script, (), (1,))
    await redis_store.write("flush", "SCRIPT", "FLUSH")

    assert (first, await redis_store.run("count", script, (), (2,))) == (2, 3)
    assert redis_store.is_healthy


@pytest.mark.parametrize(
    ("break_it", "mend_it", "reads_go_on"),
    [
        pytest.param(
            ("CONFIG", "SET", "maxmemory", "1"),
            ("CONFIG", "SET", "maxmemory", "0"),
            True,
            id="out-of-memory",
        ),
        pytest.param(
            ("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE"), True, id="read-only"
        ),
        pytest.param(
            ("CONFIG", "SET", "min-replicas-to-write", "1"),
            ("CONFIG", "SET", "min-replicas-to-write", "0"),
            True,
            id="no-replicas",
        ),
        pytest.param(
            ("CLIENT", "PAUSE", "60000", "WRITE"), ("CLIENT", "UNPAUSE"), True, id="writes-paused"
        ),
        pytest.param(("CLIENT", "PAUSE", "700", "ALL"), ("PING",), False, id="paused"),
    ],
)
async def test_an_unwilling_server_is_found_out_and_heals(
    own_valkey: ValkeyServer,
    own_store: RedisStore,
    health: list[bool],
    break_it: tuple[str, ...],
    mend_it: tuple[str, ...],
    reads_go_on: bool,
) -> None:
    """One write pays for the finding, the next ones fail at once, reads go on if they can, and it heals by itself."""
    own_valkey.command(*break_it)
    await outcome(own_store, "write", "SET", "k", "v")
    began = time.monotonic()
    causes = {await outcome(own_store, "write", "SET", "k", "v") for _ in range(50)}
    took = time.monotonic() - began
    if reads_go_on:
        # An overdue write took its connection with it; the next one is there in a moment.
        await wait_until_answered(own_store, "hello")

    assert causes <= {"takes no writes", "away"}
    assert (health, took < 0.5) == ([False], True)

    own_valkey.command(*mend_it)
    await wait_until(lambda: own_store.is_healthy)

    assert await outcome(own_store, "write", "SET", "k", "v") == "OK"
    assert await outcome(own_store, "read", "GET", "greeting") == "hello"
    assert health == [False, True]


async def test_a_dead_server_costs_nothing_and_is_found_again(
    own_valkey: ValkeyServer, own_store: RedisStore, health: list[bool]
) -> None:
    """While Redis is gone a command fails at once; when it is back, nobody has to do anything."""
    own_valkey.kill()
    await wait_until(lambda: health == [False])
    began = time.monotonic()
    causes = {await outcome(own_store, "read", "GET", "k") for _ in range(200)}
    took = time.monotonic() - began
    own_valkey.start()
    await wait_until(lambda: health == [False, True])

    assert causes == {"away"}
    assert took < 0.5
    assert await outcome(own_store, "write", "SET", "k", "v") == "OK"


async def test_a_frozen_server_is_waited_for_once(
    own_valkey: ValkeyServer, own_store: RedisStore
) -> None:
    """The deadline is paid by those who ask at that moment, not by each later request."""
    own_valkey.freeze()
    try:
        began = time.monotonic()
        first = await asyncio.gather(*(outcome(own_store, "read", "GET", "k") for _ in range(20)))
        after_first = time.monotonic()
        later = {await outcome(own_store, "read", "GET", "k") for _ in range(100)}
        after_later = time.monotonic()
    finally:
        own_valkey.thaw()

    assert set(first) == {"deadline"}
    assert later == {"away"}
    assert 0.045 < after_first - began < 0.5
    assert after_later - after_first < 0.25
    await wait_until(lambda: own_store.is_healthy)


async def test_cut_connections_are_opened_again(
    own_valkey: ValkeyServer, own_store: RedisStore, health: list[bool]
) -> None:
    """A cut connection is replaced within the next command's deadline; nothing is degraded."""
    for _ in range(5):
        own_valkey.command("CLIENT", "KILL", "TYPE", "normal")
        await asyncio.sleep(0)
        answers = [await outcome(own_store, "read", "GET", "greeting") for _ in range(3)]
        await wait_until(lambda: own_store.is_healthy)

        assert answers[-1] == "hello"

    assert health == []


async def test_a_busy_loop_is_not_taken_for_a_slow_server(
    own_store: RedisStore, health: list[bool]
) -> None:
    """A gateway that was itself held up past the deadline reads the answer that lies there."""
    asked = asyncio.get_running_loop().create_task(outcome(own_store, "read", "GET", "greeting"))
    await asyncio.sleep(0)
    time.sleep(0.15)  # noqa: ASYNC251 -- to hold up the loop is the point

    assert (await asked, health) == ("hello", [])


async def test_changed_credentials_are_an_outage(own_valkey: ValkeyServer) -> None:
    """A server that wants a password we do not have is away, and its words are not repeated."""
    own_valkey.command("CONFIG", "SET", "requirepass", "right")
    async with RedisStore.open(own_valkey.url.replace("://", "://:wrong@")) as store:
        with pytest.raises(StoreError) as told:
            await store.check()

        assert await outcome(store, "read", "GET", "k") == "away"
        assert told.value.cause == "AuthenticationError"


async def test_starting_without_a_server_says_so(tmp_path: Path) -> None:
    """`check` tells at start that nothing answers, without waiting for long."""
    async with RedisStore.open(f"unix://{tmp_path}/none.sock") as store:
        with pytest.raises(StoreError, match="redis: connect: ConnectionError"):
            await store.check()

        assert not store.is_healthy


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("http://h:6379", id="other-scheme"),
        pytest.param("h:6379", id="no-scheme"),
        pytest.param("redis://:secret-word@h:port", id="bad-port"),
        pytest.param("sentinel://:secret-word@h:26379", id="sentinel-without-service"),
        pytest.param("sentinel://:secret-word@h:26379/main/x", id="sentinel-bad-database"),
    ],
)
def test_an_unreadable_url_is_told_without_its_password(url: str) -> None:
    """A mistyped redis.url is a misuse with words, and its password is not printed."""
    with pytest.raises(Misuse, match=r"redis\.url") as told:
        RedisStore.open(url)

    assert "secret-word" not in str(told.value)
