"""How long copies are trusted, by whom they are confirmed (design §3, §9)."""

from collections.abc import Callable

import pytest

from gateway.core.errors import StoreError
from gateway.core.keys import KeyStatus
from gateway.core.refusal import Refusal
from gateway.pipeline.inquiry import Admitted
from gateway.tasks import Crew
from tests.pipeline.world import World, plain_key, reason_of


async def known(world: World) -> str:
    """A token that this worker knows from SQL, with the first poll behind it."""
    token = world.issue()
    await world.ask(token)
    await world.freshness.poll()
    return token


async def test_heard_feed_is_trusted_for_ever(world: World) -> None:
    """While changes are heard, no copy grows old."""
    token = await known(world)
    world.reader.is_away = True
    world.clock.advance(100_000)

    assert isinstance(await world.ask(token), Admitted)


async def test_polled_sql_is_trusted_without_the_feed(world: World) -> None:
    """With Redis away, a known key is served as long as SQL answers."""
    token = await known(world)
    world.feed.silence()
    world.cache.is_away = True
    for _ in range(5):
        world.clock.advance(300)
        await world.freshness.poll()

    assert isinstance(world.decide(token), Admitted)


@pytest.mark.parametrize(
    ("seconds", "reason"), [(599, None), (601, Refusal.STORE_UNAVAILABLE)], ids=["within", "beyond"]
)
async def test_both_away_is_served_up_to_the_budget(
    world: World, seconds: int, reason: Refusal | None
) -> None:
    """Then 503, which is no judgement of the key."""
    token = await known(world)
    world.feed.silence()
    world.reader.is_away = world.cache.is_away = True
    world.clock.advance(seconds)
    await world.freshness.poll()

    assert reason_of(await world.ask(token)) is reason


@pytest.mark.parametrize("phase_seconds", [0.01, 0.5, 0.99])
async def test_revoked_in_the_moment_redis_dies_is_found_within_two_seconds(
    world: World, phase_seconds: float
) -> None:
    """However the polls fall, the second one after the last word of the feed compares every copy (design §9)."""
    token = await known(world)
    world.feed.silence()
    world.cache.is_away = True
    world.revoke(is_announced=False)
    world.clock.advance(phase_seconds)
    await world.freshness.poll()
    world.clock.advance(world.freshness.poll_seconds)
    await world.freshness.poll()

    assert reason_of(await world.ask(token)) is Refusal.REVOKED_KEY


@pytest.mark.parametrize("who", ["feed", "SQL"])
async def test_service_returns_with_either_store(world: World, who: str) -> None:
    """The first word from one of them makes the copies good again."""
    token = await known(world)
    world.feed.silence()
    world.reader.is_away = True
    world.clock.advance(601)
    assert reason_of(await world.ask(token)) is Refusal.STORE_UNAVAILABLE

    if who == "feed":
        world.feed.resume()
    else:
        world.reader.is_away = False
        await world.freshness.poll()
    assert isinstance(await world.ask(token), Admitted)


async def test_key_read_after_the_silence_began_has_its_own_time(world: World) -> None:
    """A copy that SQL gave a moment ago is good, however long nothing was heard before."""
    world.feed.silence()
    world.clock.advance(10_000)

    assert isinstance(await world.ask(world.issue()), Admitted)


CHANGES: dict[str, tuple[Callable[[World], object], Refusal]] = {
    "revoked": (lambda world: world.revoke(is_announced=False), Refusal.REVOKED_KEY),
    "deleted": (lambda world: world.reader.rows.clear(), Refusal.UNKNOWN_KEY),
}


@pytest.mark.parametrize("what", CHANGES)
async def test_unannounced_change_is_found_in_sql(world: World, what: str) -> None:
    """Nobody could tell, and the next poll finds it; neither does L2 bring the old copy back."""
    change, reason = CHANGES[what]
    token = await known(world)
    world.feed.silence()
    world.clock.advance(2)
    change(world)
    assert isinstance(await world.ask(token), Admitted)
    await world.freshness.poll()

    assert reason_of(await world.ask(token)) is reason


async def test_change_missed_in_silence_is_found_after_it(world: World) -> None:
    """When the feed is heard again, all is compared once more: what it lost it never tells."""
    token = await known(world)
    world.feed.silence()
    world.clock.advance(2)
    await world.freshness.poll()
    world.revoke(is_announced=False)
    world.feed.resume()
    await world.freshness.poll()

    assert reason_of(await world.ask(token)) is Refusal.REVOKED_KEY


async def test_change_missed_while_sql_was_away_too_is_found_after_both(world: World) -> None:
    """A poll that failed is made up for."""
    token = await known(world)
    world.feed.silence()
    world.clock.advance(2)
    world.reader.is_away = True
    await world.freshness.poll()
    world.feed.resume()
    world.reader.is_away = False
    world.revoke(is_announced=False)
    await world.freshness.poll()

    assert reason_of(await world.ask(token)) is Refusal.REVOKED_KEY


async def test_copy_out_of_redis_is_confirmed_by_the_next_poll(world: World) -> None:
    """A key revoked while Redis was away has an old copy there; it is found out within a second."""
    token = world.issue()
    world.revoke(is_announced=False)
    world.cached(token, plain_key())
    await world.freshness.poll()
    assert isinstance(await world.ask(token), Admitted)
    await world.freshness.poll()

    assert reason_of(await world.ask(token)) is Refusal.REVOKED_KEY


async def test_copy_out_of_redis_is_confirmed_once(world: World) -> None:
    """What SQL has said is not asked again while the feed is heard."""
    token = world.issue()
    world.cached(token, plain_key())
    await world.freshness.poll()
    await world.ask(token)
    for _ in range(3):
        await world.freshness.poll()

    assert world.reader.calls == 1
    assert isinstance(await world.ask(token), Admitted)


async def test_while_the_feed_is_heard_only_copies_out_of_redis_are_polled(world: World) -> None:
    """In quiet times SQL is asked about nothing."""
    await known(world)
    calls = world.reader.calls
    for _ in range(5):
        world.clock.advance(1)
        await world.freshness.poll()

    assert world.reader.calls == calls


async def test_everything_is_swept_now_and_then(world: World) -> None:
    """A revocation by a process that alone could not reach Redis is found, too, if later."""
    token = await known(world)
    world.revoke(is_announced=False)
    world.clock.advance(1)
    await world.freshness.poll()
    assert isinstance(await world.ask(token), Admitted)
    world.clock.advance(30)
    await world.freshness.poll()

    assert reason_of(await world.ask(token)) is Refusal.REVOKED_KEY


async def test_thousands_of_keys_are_asked_for_in_parts() -> None:
    """No statement grows without bound."""
    world = World(known_max=2_000)
    for number in range(1_200):
        await world.ask(world.issue(number))
    calls = world.reader.calls
    await world.freshness.poll()

    assert world.reader.calls == calls + 3
    world.verifier.close()


async def test_it_polls_in_the_background(world: World) -> None:
    """Nobody has to ask for it: what `run` does is poll, again and again."""
    world.freshness.poll_seconds = 0.001
    await world.ask(world.issue(1))
    token = world.issue(2)
    await world.ask(token)
    world.feed.silence()
    world.clock.advance(2)
    world.revoke(2, is_announced=False)
    gate = world.reader.before
    async with Crew() as crew:
        _ = crew.start("freshness", world.freshness.run())
        # When the second poll begins, the first has done its work.
        for _ in range(2):
            gate.close()
            await gate.wait_for_arrival()
            gate.open()

    assert reason_of(await world.ask(token)) is Refusal.REVOKED_KEY


async def test_poll_that_hangs_is_given_up() -> None:
    """A hung SQL is told as an outage, and the next poll begins anew."""
    world = World(deadline_seconds=0.02)
    await world.ask(world.issue())
    world.reader.before.close()
    await world.freshness.poll()
    assert [type(news) for news in world.sql_news] == [StoreError]

    world.reader.before.open()
    await world.freshness.poll()
    assert world.sql_news[-1] is None
    world.verifier.close()


async def test_expiry_beats_every_cache(world: World) -> None:
    """A key in constant use is refused at its second, not when some copy runs out (K10)."""
    token = world.issue(expires_at=world.clock.now() + 2)
    for _ in range(16):
        assert isinstance(await world.ask(token), Admitted)
        world.clock.advance(0.125)
    assert reason_of(await world.ask(token)) is Refusal.EXPIRED_KEY


async def test_rotated_secret_ends_at_its_second(world: World) -> None:
    """The old secret of a rotated key works up to the end of its grace time (K09)."""
    token = world.issue(secret_expires_at=world.clock.now() + 2)
    assert isinstance(await world.ask(token), Admitted)
    world.clock.advance(2)

    assert reason_of(await world.ask(token)) is Refusal.EXPIRED_KEY


async def test_narrowed_scopes_hold_from_the_change_on(world: World) -> None:
    """What was compiled from the old scopes is gone with the old copy (K12)."""
    token = world.issue()
    assert isinstance(await world.ask(token, method="POST"), Admitted)
    world.change(scopes=("read-only",))

    assert reason_of(await world.ask(token, method="POST")) is Refusal.INSUFFICIENT_SCOPE
    assert isinstance(await world.ask(token), Admitted)


async def test_disabled_key_comes_back_when_it_is_enabled(world: World) -> None:
    """A "no" is remembered no longer than a "yes"."""
    token = world.issue(status=KeyStatus.DISABLED)
    assert reason_of(await world.ask(token)) is Refusal.DISABLED_KEY
    world.change(status=KeyStatus.ACTIVE)

    assert isinstance(await world.ask(token), Admitted)
