"""A secret is replaced: how long the old one goes on, who still uses it, and how it ends."""

import asyncio

import pytest

from admin.core.caller import Role
from admin.core.faults import Conflict
from admin.services.keys import KeyView, SecretView
from gateway.core.changes import Receipt
from gateway.core.errors import Misuse
from gateway.core.key_state import state_refusal
from gateway.core.refusal import Refusal
from gateway.core.token import parse
from gateway.stores.secret_hash import verify
from gateway.stores.sql_keys import SqlKeyReader
from gateway.stores.tables import idempotency
from tests.admin.keys.stand import DAY_SECONDS, KeyStand, secret_ids
from tests.admin.world import OPERATOR, caller_of


async def refusals(stand: KeyStand, key: KeyView) -> list[Refusal | None]:
    """What gateways make of each secret just now, oldest first."""
    found = await stand.gateways(await stand.keys.show(OPERATOR, key.id))
    return [state_refusal(each, stand.clock.now(), None) for each in found.values()]


def secret_of(key: KeyView, secret_id: str) -> SecretView:
    """The secret with this id."""
    return next(secret for secret in key.secrets if secret.id == secret_id)


async def test_both_work_for_the_overlap(stand: KeyStand) -> None:
    """The new secret works at once, the old one until the overlap is over, to the second."""
    key = (await stand.made()).key
    rotated = await stand.rotated(key.id, 3600)
    parsed = parse(rotated.secret)
    assert parsed is not None
    stored = await SqlKeyReader(stand.engine).find(parsed.secret_id)
    assert stored is not None
    assert verify(stored.token_hash, rotated.secret.encode())
    assert stored.key.id == key.id
    assert await refusals(stand, key) == [None, None]

    stand.clock.advance(3599.9)
    assert await refusals(stand, key) == [None, None]
    stand.clock.advance(0.1)
    assert await refusals(stand, key) == [Refusal.EXPIRED_KEY, None]
    assert rotated.receipt == Receipt(2, 2, 1)
    (_, buried) = stand.listeners.heard[-1]
    assert buried == dict.fromkeys(secret_ids(rotated.key), rotated.key.version)
    assert await stand.audited() == ["key.create", "key.rotate"]
    assert await stand.told() == ["key.created", "key.rotated"]


@pytest.mark.parametrize("is_regenerated", [True, False])
async def test_without_an_overlap(stand: KeyStand, is_regenerated: bool) -> None:
    """Every older secret ends at once, whatever end it had, and no clock has a say in it."""
    key = (await stand.made()).key
    await stand.rotated(key.id, 30 * DAY_SECONDS)
    await stand.rotated(key.id, None)
    if is_regenerated:
        stand.clock.advance(1)
        last = await stand.keys.regenerate(OPERATOR, key.id)
    else:
        last = await stand.rotated(key.id, 0)

    assert await refusals(stand, key) == [Refusal.REVOKED_KEY] * 3 + [None]
    assert all(secret.revoked_at for secret in last.key.secrets[:3])
    action = "key.regenerate" if is_regenerated else "key.rotate"
    assert (await stand.audited())[-1] == action


async def test_others_keep_their_end(stand: KeyStand) -> None:
    """A rotation with an overlap sets the end of the present secret, not of those replaced before."""
    key = (await stand.made()).key
    await stand.rotated(key.id, 10 * DAY_SECONDS)
    last = await stand.rotated(key.id, 60)
    first, second, third = last.key.secrets
    now = stand.clock.now()

    assert (first.expires_at, second.expires_at, third.expires_at) == (
        now - 1 + 10 * DAY_SECONDS,
        now + 60,
        None,
    )


@pytest.mark.parametrize("seconds", [-1.0, 30 * DAY_SECONDS + 1, float("nan"), float("inf")])
async def test_overlaps_that_cannot_be(stand: KeyStand, seconds: float) -> None:
    """An overlap is from nothing to thirty days."""
    key = (await stand.made()).key
    with pytest.raises(Misuse, match="0 seconds to 30 days"):
        await stand.rotated(key.id, seconds)

    assert (await stand.rotated(key.id, 30 * DAY_SECONDS)).secret


async def test_at_most_five(stand: KeyStand) -> None:
    """A key has at most five secrets in use; what has ended makes room."""
    key = (await stand.made()).key
    for _ in range(4):
        await stand.rotated(key.id, 60)
    with pytest.raises(Conflict, match="5 secrets in use"):
        await stand.rotated(key.id, 60)

    await stand.keys.end_secret(OPERATOR, key.id, secret_ids(key)[0])
    assert len((await stand.rotated(key.id, 60)).key.secrets) == 6
    with pytest.raises(Conflict):
        await stand.rotated(key.id, 60)
    stand.clock.advance(60)
    await stand.rotated(key.id, 60)
    await stand.keys.regenerate(OPERATOR, key.id)
    assert (await refusals(stand, key)).count(None) == 1


async def test_a_replaced_secret_is_ended(stand: KeyStand) -> None:
    """It ends at once and for good; the key goes on with its present one, and asking again does no harm."""
    key = (await stand.made()).key
    (old,) = secret_ids(key)
    rotated = await stand.rotated(key.id, 3600)
    done = await stand.keys.end_secret(OPERATOR, key.id, old)
    again = await stand.keys.end_secret(OPERATOR, key.id, old)

    assert await refusals(stand, key) == [Refusal.REVOKED_KEY, None]
    assert done.receipt == Receipt(2, 2, 1)
    assert done == again
    assert await stand.audited() == ["key.create", "key.rotate", "key.end_secret"]
    with pytest.raises(Conflict, match="present secret"):
        await stand.keys.end_secret(OPERATOR, key.id, secret_ids(rotated.key)[1])


async def test_who_still_uses_the_old_one(stand: KeyStand) -> None:
    """`show` and the next rotation tell who uses a replaced secret: when last, from where, how often since."""
    key = (await stand.made()).key
    (old,) = secret_ids(key)
    await stand.used(key, old, address="192.0.2.9")
    stand.clock.advance(10)
    rotated = (await stand.rotated(key.id, 3600)).key
    assert secret_of(rotated, old).used_by == ()
    assert secret_of(rotated, old).uses == 1
    for second, address in enumerate(("192.0.2.1", "192.0.2.2", "192.0.2.1"), 1):
        stand.clock.advance(second)
        await stand.used(key, old, address=address, route="mail")
    await stand.used(key, secret_ids(rotated)[1], address="192.0.2.3")
    shown = await stand.keys.show(OPERATOR, key.id)
    secret = secret_of(shown, old)

    assert secret.last_used is not None
    assert (secret.last_used.address, secret.last_used.route) == ("192.0.2.1", "mail")
    assert secret.last_used.at == stand.clock.now()
    assert secret.uses == 4
    assert [(each.address, each.count) for each in secret.used_by] == [
        ("192.0.2.1", 2),
        ("192.0.2.2", 1),
    ]
    assert secret.used_by[0].last_at == stand.clock.now()
    assert secret_of(shown, secret_ids(rotated)[1]).used_by == ()
    assert shown.last_used is not None
    again = (await stand.rotated(key.id, 60)).key
    assert secret_of(again, old).used_by == secret.used_by


async def test_until_unused_warns(stand: KeyStand) -> None:
    """Without a cut the old secret goes on, and the key says so, and whether it is in use."""
    key = (await stand.made()).key
    (old,) = secret_ids(key)
    quiet = (await stand.rotated(key.id, None)).key
    stand.clock.advance(60)
    await stand.used(key, old)
    busy = await stand.keys.show(OPERATOR, key.id)

    (warning,) = quiet.warnings
    assert "has not been used since" in warning
    assert "for 7 days" in warning
    assert secret_of(quiet, old).shown in warning
    assert "is still used" in busy.warnings[0]
    stand.clock.advance(300 * DAY_SECONDS)
    assert await refusals(stand, key) == [None, None]


async def test_unused_secrets_end(stand: KeyStand) -> None:
    """Seven days after its last use, and not before, a secret that was to go on until then is ended by the system."""
    key = (await stand.made()).key
    await stand.rotated(key.id, None)
    stand.clock.advance(5 * DAY_SECONDS)
    await stand.used(key, secret_ids(key)[0])
    stand.clock.advance(7 * DAY_SECONDS)
    await stand.housekeeping.once()
    assert await refusals(stand, key) == [None, None]

    stand.clock.advance(0.1)
    await stand.housekeeping.once()
    assert await refusals(stand, key) == [Refusal.REVOKED_KEY, None]
    (_, buried) = stand.listeners.heard[-1]
    assert secret_ids(key)[0] in buried
    assert await stand.audited() == ["key.create", "key.rotate", "key.end_secret"]
    assert (await stand.keys.show(OPERATOR, key.id)).warnings == ()


async def test_unused_secrets_of_keys_that_are_over(stand: KeyStand) -> None:
    """Nobody ends a secret of a key that is revoked, or one that has its own end."""
    first, second = (await stand.made()).key, (await stand.made()).key
    await stand.rotated(first.id, None)
    await stand.keys.revoke(OPERATOR, first.id)
    await stand.rotated(second.id, 3600)
    stand.clock.advance(60 * DAY_SECONDS)
    before = await stand.audited()
    await stand.housekeeping.once()

    assert await stand.audited() == before


async def test_several_nodes_keep_house(stand: KeyStand) -> None:
    """Control planes that do the same at the same time end each secret once."""
    for _ in range(4):
        key = (await stand.made()).key
        await stand.rotated(key.id, None)
    stand.clock.advance(8 * DAY_SECONDS)
    await asyncio.gather(*(stand.housekeeping.once() for _ in range(4)))

    assert (await stand.audited()).count("key.end_secret") == 4


async def test_housekeeping_forgets_repeated_requests(stand: KeyStand) -> None:
    """What repeated requests are answered with is kept for ten minutes."""
    account = await stand.account()
    await stand.made(account.id)
    caller = caller_of(Role.ADMIN, key="k")
    await stand.keys.disable(caller, (await stand.made(account.id)).key.id)
    await stand.housekeeping.once()
    assert len(await stand.rows(idempotency)) == 1

    stand.clock.advance(601)
    await stand.housekeeping.once()
    assert await stand.rows(idempotency) == []


async def test_housekeeping_goes_on(stand: KeyStand) -> None:
    """It works again and again, also after the database was away for a while."""
    key = (await stand.made()).key
    await stand.rotated(key.id, None)
    stand.clock.advance(8 * DAY_SECONDS)
    await stand.run("ALTER TABLE idempotency RENAME TO away")
    async with asyncio.timeout(20):
        running = asyncio.get_running_loop().create_task(stand.housekeeping.run())
        while await refusals(stand, key) == [None, None]:  # noqa: ASYNC110 -- what others do
            await asyncio.sleep(0.01)
        await stand.run("ALTER TABLE away RENAME TO idempotency")
        await stand.rotated(key.id, None)
        stand.clock.advance(8 * DAY_SECONDS)
        while (await refusals(stand, key)).count(None) > 1:  # noqa: ASYNC110 -- what others do
            await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_lost_secret_is_given_again(stand: KeyStand) -> None:
    """A repeated rotation makes no second secret: it answers with the one that was made, and a receipt."""
    key = (await stand.made()).key
    caller = caller_of(Role.ADMIN, key="rotate-1")
    stand.clock.advance(1)
    first = await stand.keys.rotate(caller, key.id, 3600, key.version)
    second = await stand.keys.rotate(caller, key.id, 3600, key.version)

    assert (second.key, second.secret) == (first.key, first.secret)
    assert second.receipt == Receipt(2, 2, 1)
    assert len(second.key.secrets) == 2
