"""Several clients act upon one key at once."""

import asyncio
import random
from collections.abc import Awaitable

import pytest

from admin.core.faults import Changed, Conflict
from admin.services.keys import KeyChange, KeyView
from gateway.core.key_state import state_refusal
from gateway.core.keys import KeyStatus
from gateway.stores.tables import audit_entries
from tests.admin.keys.stand import KeyStand
from tests.admin.world import OPERATOR

CLIENTS = 8


async def outcome(asked: Awaitable[object]) -> str:
    """How it ended."""
    try:
        await asked
    except (Conflict, Changed) as error:
        return type(error).__name__
    return "done"


async def history(stand: KeyStand, key: KeyView) -> list[str]:
    """What happened to the key, in order; each entry goes on from where the one before it ended."""
    return [row.action for row in await stand.rows(audit_entries) if row.target_id == key.id]


async def test_eight_rotate_and_revoke(stand: KeyStand) -> None:
    """Eight clients who rotate and revoke one key make one history: nothing comes after the revocation."""
    key = (await stand.made()).key
    dice = random.Random(7)

    async def client(number: int) -> list[str]:
        told = []
        for turn in range(3):
            await asyncio.sleep(dice.random() / 50)
            if number == 0 and turn == 2:
                told.append(await outcome(stand.keys.revoke(OPERATOR, key.id)))
            elif number % 2:
                told.append(await outcome(stand.keys.rotate(OPERATOR, key.id, 60)))
            else:
                told.append(await outcome(stand.keys.regenerate(OPERATOR, key.id)))
        return told

    told = [each for some in await asyncio.gather(*map(client, range(CLIENTS))) for each in some]
    shown = await stand.keys.show(OPERATOR, key.id)
    happened = await history(stand, key)

    assert set(told) <= {"done", "Conflict"}
    assert happened[0] == "key.create"
    assert happened[-1] == "key.revoke"
    assert happened.count("key.revoke") == 1
    assert len(happened) == 1 + told.count("done")
    assert len(shown.secrets) == len(happened) - 1
    assert shown.version == key.version + len(happened) - 1
    assert len(await stand.audited()) == len(happened)
    found = await stand.gateways(shown)
    assert all(state_refusal(each, stand.clock.now(), None) for each in found.values())
    newest = max(change.version for change, _ in stand.listeners.heard)
    assert newest == shown.version


async def test_eight_revoke(stand: KeyStand) -> None:
    """Clients who revoke together revoke once, and each has a receipt of that."""
    key = (await stand.made()).key
    done = await asyncio.gather(*(stand.keys.revoke(OPERATOR, key.id) for _ in range(CLIENTS)))

    assert await history(stand, key) == ["key.create", "key.revoke"]
    assert {each.key.version for each in done} == {key.version + 1}
    assert all(each.receipt for each in done)


@pytest.mark.parametrize("deed", ["change", "rotate", "disable"])
async def test_one_of_eight_who_saw_the_same(stand: KeyStand, deed: str) -> None:
    """Of eight who act upon what they all saw, one does, and seven are told that the key was changed."""
    key = (await stand.made()).key

    def act(number: int) -> Awaitable[object]:
        if deed == "change":
            change = KeyChange(name=f"live-dns-{number}")
            return stand.keys.change(OPERATOR, key.id, change, key.version)
        if deed == "rotate":
            return stand.keys.rotate(OPERATOR, key.id, 60, key.version)
        return stand.keys.disable(OPERATOR, key.id, key.version)

    told = await asyncio.gather(*(outcome(act(number)) for number in range(CLIENTS)))

    assert sorted(told) == ["Changed"] * 7 + ["done"]
    assert len(await stand.audited()) == 2


async def test_the_last_word_is_the_revocation(stand: KeyStand) -> None:
    """A key that is enabled and disabled while it is revoked ends up revoked."""
    key = (await stand.made()).key
    acts = [stand.keys.disable, stand.keys.enable, stand.keys.revoke, stand.keys.delete] * 2
    await asyncio.gather(*(outcome(act(OPERATOR, key.id)) for act in acts))
    (found,) = (await stand.gateways(key)).values()

    assert found.status is KeyStatus.REVOKED
    await stand.audited()
