"""Values that were made elsewhere: found by their digest, at every level, and moved to the current pepper."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest

from gateway.core.changes import Change
from gateway.core.credential import Pepper, Peppers
from gateway.core.refusal import Refusal
from gateway.pipeline.inquiry import Admitted
from gateway.pipeline.renewal import DigestRenewal
from gateway.ports import CachedKey
from tests.doubles import MemoryKeyReader
from tests.pipeline.world import PEPPER, World, plain_key, reason_of, token_for

VALUE = "AIza-legacy key/7+="
OLD = Pepper("old", b"o" * 32)
BOTH = Peppers(PEPPER, (OLD,))


@contextlib.asynccontextmanager
async def renewing(world: World) -> AsyncIterator[None]:
    """Digests are written in the background as long as the block lasts."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(world.renewal.run())
        yield
        task.cancel()


async def until(is_so: Callable[[], bool]) -> None:
    """Let others run until `is_so`, and fail when it never is."""
    async with asyncio.timeout(5):
        while not is_so():  # noqa: ASYNC110 -- what is waited for happens in other code
            await asyncio.sleep(0)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("x", id="one-character"),
        pytest.param("0123456789AB", id="looks-like-an-api-key"),
        pytest.param("sk_live_4eC39HqLyjWDarjtT1zdp7dc", id="looks-like-a-token"),
        pytest.param(token_for(plain_key())[:-1] + "?", id="looks-like-a-mistyped-token"),
        pytest.param("schlüssel ✓", id="beyond-ascii"),
        pytest.param("y" * 4096, id="longest"),
        pytest.param("key:with=signs/+,;", id="signs"),
    ],
)
async def test_a_value_of_any_form_works(value: str) -> None:
    """What a customer has used elsewhere goes on working here, and is in memory after its first use."""
    world = World(accepts_imported=True)
    world.bring(value)
    first, again = await world.ask(value), world.decide(value)

    assert isinstance(first, Admitted)
    assert isinstance(again, Admitted)
    assert again.key.id == "key_1"
    assert world.reader.calls == 1


async def test_nothing_is_looked_up_unless_configured(world: World) -> None:
    """Without the setting a text that is no token is refused as ever: at once, for nothing."""
    world.bring(VALUE)

    assert reason_of(await world.ask(VALUE)) is Refusal.MALFORMED_KEY
    assert world.reader.calls == world.cache.calls == 0


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("y" * 4097, id="too-long"),
        pytest.param("a\x01b", id="control-character"),
        pytest.param("a\udcffb", id="bytes-that-are-no-utf-8"),
        pytest.param("a\u00a0b", id="no-break-space"),
    ],
)
async def test_what_cannot_have_been_imported_is_not_looked_up(text: str) -> None:
    """A text that no import takes is refused for nothing."""
    world = World(accepts_imported=True)

    assert reason_of(await world.ask(text)) is Refusal.MALFORMED_KEY
    assert world.reader.calls == world.cache.calls == 0


async def test_an_unknown_value_is_malformed_remembered_and_throttled() -> None:
    """What is found nowhere reads as before, costs one look-up for a while, and counts against its sender."""
    world = World(accepts_imported=True, failures_per_minute=3)
    first = await world.ask("nobody's")
    calls = world.reader.calls, world.cache.calls
    again = world.decide("nobody's")
    others = [reason_of(await world.ask(f"nobody's {number}")) for number in range(4)]

    assert reason_of(first) is Refusal.MALFORMED_KEY
    assert again == first
    assert calls == (1, 1)
    assert others[0] is Refusal.MALFORMED_KEY
    assert others[-1] is Refusal.RATE_LIMITED


async def test_a_digest_alone_is_no_proof() -> None:
    """Where SQL's hash is of another text the value is refused, whatever the table of digests says."""
    world = World(accepts_imported=True)
    world.bring("another value")
    world.reader.imported[world.digest(VALUE)] = plain_key().secret_id

    assert reason_of(await world.ask(VALUE)) is Refusal.MALFORMED_KEY


async def test_an_imported_secret_is_found_by_its_value_only() -> None:
    """A token made up around the id of an imported secret is nobody's, and no dear hash is computed for it."""
    verified: list[str] = []

    def verify(token_hash: str, _: bytes) -> bool:
        verified.append(token_hash)
        return True

    world = World(accepts_imported=True, verify=verify)
    key = world.bring(VALUE)

    assert reason_of(await world.ask(token_for(key))) is Refusal.UNKNOWN_KEY
    assert verified == []


async def test_redis_answers_for_sql() -> None:
    """A worker that starts while SQL is away serves an imported value that another worker has verified."""
    world = World(accepts_imported=True)
    world.bring(VALUE)
    await world.ask(VALUE)
    later = World(accepts_imported=True)
    later.cache = later.lookup.cache = world.cache
    later.reader.is_away = True

    assert isinstance(await later.ask(VALUE), Admitted)
    assert reason_of(await later.ask("nobody's")) is Refusal.STORE_UNAVAILABLE


async def test_redis_answers_under_an_older_pepper_too() -> None:
    """A change of pepper while SQL is away takes no imported value out of service."""
    world = World(accepts_imported=True, peppers=BOTH)
    key = plain_key()
    digest = world.digest(VALUE, OLD)
    world.cache.entries[key.secret_id] = (key.version, CachedKey(key, digest))
    world.cache.pointers[digest] = key.secret_id
    world.reader.is_away = True

    assert isinstance(await world.ask(VALUE), Admitted)


async def test_sql_answers_for_redis() -> None:
    """Without Redis each worker verifies an imported value against SQL."""
    world = World(accepts_imported=True)
    world.bring(VALUE)
    world.cache.is_away = True

    assert isinstance(await world.ask(VALUE), Admitted)


@pytest.mark.parametrize("led_to", ["another key", "nothing", "nonsense"])
async def test_a_pointer_proves_nothing(led_to: str) -> None:
    """Wherever a pointer in Redis leads, it neither opens another key nor closes this one."""
    world = World(accepts_imported=True)
    world.bring(VALUE)
    other = plain_key(2)
    world.cached(token_for(other), other)
    secret_ids = {"another key": other.secret_id, "nothing": "z" * 12, "nonsense": "\ufffd"}
    world.cache.pointers[world.digest(VALUE)] = secret_ids[led_to]
    world.cache.pointers[world.digest("nobody's")] = secret_ids[led_to]
    answer = await world.ask(VALUE)

    assert isinstance(answer, Admitted)
    assert answer.key.id == "key_1"
    assert reason_of(await world.ask("nobody's")) is Refusal.MALFORMED_KEY


async def test_a_revocation_reaches_an_imported_value() -> None:
    """A pointer outlives the key it leads to, and gives nothing away: the tombstone stands before it."""
    world = World(accepts_imported=True)
    world.bring(VALUE)
    before = await world.ask(VALUE)
    world.revoke()

    assert isinstance(before, Admitted)
    assert reason_of(await world.ask(VALUE)) is Refusal.REVOKED_KEY


async def test_many_at_once_are_looked_up_once() -> None:
    """A value that a thousand clients use at the same moment costs one hash."""
    world = World(accepts_imported=True)
    world.bring(VALUE)
    world.reader.before.close()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(world.ask(VALUE)) for _ in range(20)]
        await world.reader.before.wait_for_arrival()
        world.reader.before.open()

    assert all(isinstance(task.result(), Admitted) for task in tasks)
    assert world.reader.calls == 1


@pytest.mark.parametrize("level", ["sql", "redis"])
async def test_a_digest_moves_to_the_current_pepper(level: str) -> None:
    """After a change of pepper the next good use writes the new digest, so that the old pepper can go."""
    world = World(accepts_imported=True, peppers=BOTH)
    key = world.bring(VALUE, pepper=OLD)
    if level == "redis":
        digest = world.digest(VALUE, OLD)
        world.cache.entries[key.secret_id] = (key.version, CachedKey(key, digest))
        world.cache.pointers[digest] = key.secret_id
    async with renewing(world):
        answer = await world.ask(VALUE)
        await until(lambda: world.digest(VALUE) in world.reader.imported)
    later = World(accepts_imported=True)
    later.reader, later.lookup.reader = world.reader, world.reader

    assert isinstance(answer, Admitted)
    assert world.cache.pointers[world.digest(VALUE)] == key.secret_id
    assert isinstance(await later.ask(VALUE), Admitted)


async def test_a_use_does_not_wait_for_its_renewal() -> None:
    """SQL that reads but does not write fails no request; the digest is written when it can be."""
    world = World(accepts_imported=True, peppers=BOTH)
    world.bring(VALUE, pepper=OLD)
    digests = MemoryKeyReader()
    digests.rows, digests.imported = world.reader.rows, world.reader.imported
    digests.is_away = True
    world.renewal = DigestRenewal(digests, retry_seconds=0.0)
    world.lookup.renew = world.renewal.offer
    async with renewing(world):
        assert isinstance(await world.ask(VALUE), Admitted)
        await until(lambda: digests.calls >= 3)
        assert world.digest(VALUE) not in world.reader.imported
        digests.is_away = False
        await until(lambda: world.digest(VALUE) in world.reader.imported)


async def test_a_value_under_the_current_pepper_is_written_no_more() -> None:
    """Only what stands under an older pepper is written: a busy key costs SQL no writes."""
    world = World(accepts_imported=True, peppers=BOTH)
    world.bring(VALUE, pepper=OLD)
    world.bring(VALUE, pepper=PEPPER)
    digests = MemoryKeyReader()
    renewal = DigestRenewal(digests)
    world.lookup.renew = renewal.offer
    async with asyncio.TaskGroup() as group:
        task = group.create_task(renewal.run())
        await world.ask(VALUE)
        world.feed.announce(Change(1, key_id="key_1"))
        await world.ask(VALUE)
        await asyncio.sleep(0)
        task.cancel()

    assert digests.calls == 0


async def test_waiting_renewals_are_bounded_and_not_held_up() -> None:
    """One digest that cannot be written holds up no other, and a flood of them takes no more than its room."""
    digests = MemoryKeyReader()
    written: list[str] = []

    class Picky:
        async def add(self, digest: object, secret_id: str) -> None:
            written.append(secret_id)
            digests.is_away = secret_id == "bad"
            await digests.versions(())

    world = World()
    renewal = DigestRenewal(Picky(), waiting_max=2, retry_seconds=0.0)
    for name in ("bad", "good", "too many"):
        renewal.offer(world.digest(name), name)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(renewal.run())
        await until(lambda: written.count("bad") == 2)
        task.cancel()

    assert written[:3] == ["bad", "good", "bad"]
