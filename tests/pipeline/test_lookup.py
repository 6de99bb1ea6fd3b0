"""The cold way: L2, SQL, argon2; one look-up per key; what happens while a store is away (design §3, §9)."""

import asyncio
from dataclasses import replace

import pytest

from gateway.core.changes import Change
from gateway.core.credential import Pepper, Peppers
from gateway.core.errors import StoreError
from gateway.core.keys import KeyDigest, KeyStatus
from gateway.core.refusal import Refusal, Refused
from gateway.pipeline.inquiry import Admitted, Waits
from gateway.ports import CachedKey
from tests.doubles import Gate
from tests.pipeline.world import PEPPER, World, plain_key, reason_of, token_for, unknown_token

OLDER = Pepper("old", b"o" * 32)


async def warm(world: World) -> str:
    """A token that this worker knows, and L2 too."""
    token = world.issue()
    assert isinstance(await world.ask(token), Admitted)
    return token


def restart(world: World) -> None:
    """What L1 knew is gone."""
    world.known.forget(Change(0))


async def test_each_level_fills_the_one_above(world: World) -> None:
    """SQL is read once, L2 once after a restart, and then nothing any more."""
    token = await warm(world)
    assert not isinstance(world.decide(token), Waits)
    assert world.reader.calls == 1

    restart(world)
    assert isinstance(await world.ask(token), Admitted)
    assert world.reader.calls == 1
    assert not isinstance(world.decide(token), Waits)


@pytest.mark.parametrize("is_in_l2", [True, False], ids=["in L2", "only in SQL"])
async def test_state_is_told_only_to_a_holder_of_the_secret(world: World, is_in_l2: bool) -> None:
    """With a wrong secret, a revoked key is as unknown as one that never was (design §6)."""
    token = world.issue(status=KeyStatus.REVOKED)
    if is_in_l2:
        await world.ask(token)
        restart(world)
    wrong = token_for(plain_key(), letter="w")

    assert reason_of(await world.ask(token)) is Refusal.REVOKED_KEY
    assert (
        await world.ask(wrong) == await world.ask(unknown_token()) == Refused(Refusal.UNKNOWN_KEY)
    )


async def test_wrong_secret_of_a_key_in_l2_costs_no_argon2(world: World) -> None:
    """Whoever guesses at a known id does not occupy the threads that good keys need."""
    await warm(world)
    for letter in "abc":
        assert (
            reason_of(await world.ask(token_for(plain_key(), letter=letter))) is Refusal.UNKNOWN_KEY
        )

    assert world.reader.calls == 1


async def test_many_requests_make_one_look_up(world: World) -> None:
    """A popular key that is not in memory is read once, and all get the answer (single flight)."""
    token = world.issue()
    answers = await asyncio.gather(*(world.ask(token) for _ in range(50)))

    assert {type(answer) for answer in answers} == {Admitted}
    assert (world.cache.calls, world.reader.calls) == (2, 1)  # L2: one read, one fill


async def test_wrong_secret_does_not_share_the_look_up_of_the_right_one(world: World) -> None:
    """The flight is per token and not per id: else a wrong secret could land with the right one's key."""
    token = world.issue()
    wrong = token_for(plain_key(), letter="w")
    world.reader.after.close()
    async with asyncio.TaskGroup() as group:
        good = group.create_task(world.ask(token))
        await world.reader.after.wait_for_arrival()
        bad = group.create_task(world.ask(wrong))
        await asyncio.sleep(0)
        world.reader.after.open()

    assert isinstance(good.result(), Admitted)
    assert reason_of(bad.result()) is Refusal.UNKNOWN_KEY


async def test_others_go_on_when_the_first_hangs_up(world: World) -> None:
    """The one who began the look-up may leave; those who waited for it still get their answer."""
    token = world.issue()
    world.reader.after.close()
    first = asyncio.get_running_loop().create_task(world.ask(token))
    await world.reader.after.wait_for_arrival()
    async with asyncio.TaskGroup() as group:
        others = [group.create_task(world.ask(token)) for _ in range(3)]
        await asyncio.sleep(0)
        first.cancel()
        world.reader.after.open()

    assert first.cancelled()
    assert all(isinstance(request.result(), Admitted) for request in others)
    assert world.reader.calls == 2


async def test_one_who_leaves_does_not_take_the_look_up_along(world: World) -> None:
    """A waiting request that is cancelled disturbs neither the first nor the others."""
    token = world.issue()
    world.reader.after.close()
    async with asyncio.TaskGroup() as group:
        first = group.create_task(world.ask(token))
        await world.reader.after.wait_for_arrival()
        leaving = group.create_task(world.ask(token))
        staying = group.create_task(world.ask(token))
        await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.sleep(0)
        world.reader.after.open()

    assert isinstance(first.result(), Admitted)
    assert isinstance(staying.result(), Admitted)
    assert world.reader.calls == 1


async def test_sql_away_and_key_in_l2_is_served(world: World) -> None:
    """L2 is enough for a key that this worker does not know."""
    token = await warm(world)
    restart(world)
    world.reader.is_away = True

    assert isinstance(await world.ask(token), Admitted)


async def test_sql_away_and_key_nowhere_is_503(world: World) -> None:
    """An outage is never a 401, is not remembered as one, and says when to come back."""
    token = world.issue()
    world.reader.is_away = True
    answer = await world.ask(token)
    assert isinstance(answer, Refused)
    assert (answer.reason, answer.key) == (Refusal.STORE_UNAVAILABLE, None)
    assert answer.retry_after_seconds is not None
    assert answer.retry_after_seconds >= 1

    world.reader.is_away = False
    assert isinstance(await world.ask(token), Admitted)


async def test_redis_away_is_verified_against_sql(world: World) -> None:
    """Redis makes it faster, not possible."""
    world.cache.is_away = True
    assert isinstance(await world.ask(world.issue()), Admitted)
    assert reason_of(await world.ask(unknown_token())) is Refusal.UNKNOWN_KEY


@pytest.mark.parametrize("place", ["L2 read", "L2 fill"])
async def test_redis_that_hangs_is_given_up(place: str) -> None:
    """A Redis that takes the command and never answers costs its deadline, and no more."""
    world = World(deadline_seconds=0.02)
    gate = world.cache.before
    token = world.issue()
    if place == "L2 fill":
        world.reader.after = _Closing(gate)
    else:
        gate.close()

    assert isinstance(await world.ask(token), Admitted)
    world.verifier.close()


class _Closing(Gate):
    """Closes another gate when somebody passes this one."""

    def __init__(self, other: Gate) -> None:
        super().__init__()
        self._other = other

    async def wait_to_pass(self) -> None:
        self._other.close()


async def test_sql_that_hangs_is_503() -> None:
    """A hung SQL is an outage once its deadline is over."""
    world = World(deadline_seconds=0.02)
    world.reader.before.close()

    assert reason_of(await world.ask(world.issue())) is Refusal.STORE_UNAVAILABLE
    world.verifier.close()


async def test_outage_of_sql_is_told_once_at_each_edge(world: World) -> None:
    """A thousand refused requests are one line of log, and its end is another."""
    world.reader.is_away = True
    for number in range(5):
        await world.ask(unknown_token(number))
    assert [type(news) for news in world.sql_news] == [StoreError]

    world.reader.is_away = False
    for number in range(5):
        await world.ask(unknown_token(number))
    assert [type(news) for news in world.sql_news] == [StoreError, type(None)]


async def test_after_a_pepper_change_l2_stays_useful() -> None:
    """A copy under the older pepper proves the secret, and is written again under the new one."""
    world = World(peppers=Peppers(PEPPER, (OLDER,)))
    token = world.issue()
    world.cached(token, plain_key(), OLDER)

    assert isinstance(await world.ask(token), Admitted)
    assert world.reader.calls == 0
    _, cached = world.cache.entries[plain_key().secret_id]
    assert cached == CachedKey(plain_key(), world.digest(token, PEPPER))
    world.verifier.close()


async def test_copy_under_a_pepper_that_is_gone_is_a_miss(world: World) -> None:
    """Without its pepper a digest says neither yes nor no; SQL is asked, and L2 written again."""
    token = world.issue()
    world.cached(token, plain_key(), OLDER)

    assert isinstance(await world.ask(token), Admitted)
    assert world.reader.calls == 1
    _, cached = world.cache.entries[plain_key().secret_id]
    assert cached is not None
    assert cached.digest.pepper_id == PEPPER.id


async def test_wrong_secret_is_not_let_in_by_an_older_pepper() -> None:
    """Every pepper is checked as strictly as the present one."""
    world = World(peppers=Peppers(PEPPER, (OLDER,)))
    world.cached(world.issue(), plain_key(), OLDER)

    wrong = token_for(plain_key(), letter="w")
    assert reason_of(await world.ask(wrong)) is Refusal.UNKNOWN_KEY
    world.verifier.close()


async def test_forged_digest_in_l2_lets_nobody_in(world: World) -> None:
    """Who can write to Redis but has no pepper cannot make a key (N05)."""
    token = world.issue()
    world.cache.entries[plain_key().secret_id] = (
        1,
        CachedKey(plain_key(), KeyDigest(PEPPER.id, b"")),
    )

    assert reason_of(await world.ask(token)) is Refusal.UNKNOWN_KEY


async def test_copy_in_l2_older_than_a_heard_change_is_not_used(world: World) -> None:
    """A tombstone that never reached Redis does not matter to who has heard of the change."""
    token = await warm(world)
    old = plain_key()
    world.revoke()
    world.cached(token, replace(old), PEPPER)

    assert reason_of(await world.ask(token)) is Refusal.REVOKED_KEY


async def test_too_many_look_ups_at_once_are_503() -> None:
    """More look-ups than may be under way are turned away at once, and may come again."""
    world = World(flights_max=3)
    world.reader.before.close()
    async with asyncio.TaskGroup() as group:
        tokens = [world.issue(number) for number in range(4)]
        requests = [group.create_task(world.ask(token)) for token in tokens]
        await asyncio.wait(requests, return_when=asyncio.FIRST_COMPLETED)
        world.reader.before.open()

    reasons = [reason_of(request.result()) for request in requests]
    assert reasons == [None, None, None, Refusal.OVERLOADED]
    world.verifier.close()
