"""Accounts choose what they are told of, and see what stands."""

import json

import pytest

from admin.core.alerts.kinds import AlertKind, Severity
from admin.core.alerts.wishes import THRESHOLDS_MAX
from admin.core.caller import Role
from admin.core.faults import Changed, NotAllowed, NotFound
from admin.core.page import PageRequest
from admin.services.alerts import AlertChange, AlertFilter
from gateway.core.errors import Misuse
from gateway.stores.tables import audit_entries, to_us
from tests.admin.alerts.stand import DAY, Stand
from tests.admin.world import OPERATOR, caller_of


async def test_choice_is_kept_and_written_down(stand: Stand, account: str) -> None:
    """What an account chooses is what it gets, with a new version and an entry of what differs."""
    before = await stand.alerts.show(OPERATOR, account)
    change = AlertChange((100, 50, 50), {AlertKind.KEY_UNUSED: False})
    after = await stand.alerts.change(OPERATOR, account, change)
    (entry,) = await stand.rows(audit_entries)

    assert (before.wishes.thresholds, before.version) == ((75, 90, 100), 1)
    assert (after.wishes.thresholds, after.version) == ((50, 100), 2)
    assert after.wishes.off == {AlertKind.KEY_UNUSED}
    assert await stand.alerts.show(OPERATOR, account) == after
    assert (entry.action, entry.target_id) == ("alerts.update", account)
    assert json.loads(entry.before) == {"thresholds": None, "kinds": {}}
    assert json.loads(entry.after) == {"thresholds": [50, 100], "kinds": {"key.unused": False}}


async def test_choice_is_taken_back(stand: Stand, account: str) -> None:
    """What goes back to the default is the default, also after that changes; the rest of the choice stays."""
    chosen = AlertChange((50,), {AlertKind.KEY_UNUSED: False, AlertKind.KEY_EXPIRING: False})
    await stand.alerts.change(OPERATOR, account, chosen)
    back = AlertChange(None, {AlertKind.KEY_UNUSED: None})
    after = await stand.alerts.change(OPERATOR, account, back)

    assert after.wishes.thresholds == (75, 90, 100)
    assert after.choice.thresholds is None
    assert after.choice.switches == {AlertKind.KEY_EXPIRING: False}


async def test_same_choice_again_changes_nothing(stand: Stand, account: str) -> None:
    """Pressing the button twice makes no new version and no entry."""
    change = AlertChange((50,))
    first = await stand.alerts.change(OPERATOR, account, change)
    second = await stand.alerts.change(OPERATOR, account, change)

    assert first == second
    assert len(await stand.rows(audit_entries)) == 1


async def test_somebody_was_faster(stand: Stand, account: str) -> None:
    """Who changes what somebody else has changed meanwhile is told so, and nothing is written."""
    await stand.alerts.change(OPERATOR, account, AlertChange((50,)), expected=1)
    with pytest.raises(Changed, match="meanwhile"):
        await stand.alerts.change(OPERATOR, account, AlertChange((60,)), expected=1)

    assert (await stand.alerts.show(OPERATOR, account)).wishes.thresholds == (50,)


@pytest.mark.parametrize("thresholds", [(0,), (1001,), tuple(range(1, THRESHOLDS_MAX + 2))])
async def test_thresholds_that_cannot_be(
    stand: Stand, account: str, thresholds: tuple[int, ...]
) -> None:
    """A threshold is a percent of the quota, and there are only so many."""
    with pytest.raises(Misuse, match="Thresholds are"):
        await stand.alerts.change(OPERATOR, account, AlertChange(thresholds))


async def test_who_may_choose(stand: Stand, account: str) -> None:
    """A member chooses for their own account, a viewer looks, and another account's do not know that it exists."""
    member, viewer = caller_of(Role.MEMBER, account), caller_of(Role.VIEWER, account)
    stranger = caller_of(Role.MEMBER, "acc_2")

    assert (await stand.alerts.change(member, account, AlertChange((50,)))).version == 2
    assert (await stand.alerts.show(viewer, account)).wishes.thresholds == (50,)
    with pytest.raises(NotAllowed, match="alerts:write"):
        await stand.alerts.change(viewer, account, AlertChange((60,)))
    for ask in (
        stand.alerts.show(stranger, account),
        stand.alerts.change(stranger, account, AlertChange((60,))),
        stand.alerts.show(OPERATOR, "acc_0"),
        stand.alerts.change(OPERATOR, "acc_0", AlertChange((60,))),
    ):
        with pytest.raises(NotFound, match="There is no account"):
            await ask


async def test_what_stands_is_listed(stand: Stand, account: str) -> None:
    """Everybody sees what stands in their own account, told last first, page by page, and narrowed as they like."""
    await stand.run(
        "INSERT INTO accounts (id, name, plan, status, api_access, version, created_us, updated_us)"
        " VALUES ('acc_2', 'Other', 'starter', 'active', 'approved', 1, 1, 1)"
    )
    node = stand.node()
    for number, owner in enumerate((account, account, "acc_2", account)):
        end = to_us(stand.clock.now() + (20 if number else 6) * DAY)
        await stand.a_key(f"key_{number}", owner, created_us=1, expires_us=end)
        await node.once()
        stand.clock.advance(60)

    async def listed(who: str | None = None, **wanted: object) -> list[str]:
        caller = OPERATOR if who is None else caller_of(Role.VIEWER, who)
        chosen = AlertFilter(**wanted)  # type: ignore[arg-type]
        keys: list[str] = []
        cursor = None
        while not keys or cursor is not None:
            page = await stand.alerts.standing(caller, chosen, PageRequest(2, cursor))
            keys += [one.subject.key_id for one in page.items]
            cursor = page.next_cursor
            if not page.items:
                break
        return keys

    assert await listed() == ["key_3", "key_2", "key_1", "key_0"]
    assert await listed(account) == ["key_3", "key_1", "key_0"]
    assert await listed(account, account_id="acc_2") == []
    assert await listed(account_id="acc_2") == ["key_2"]
    assert await listed(key_id="key_1") == ["key_1"]
    assert await listed(kind=AlertKind.KEY_UNUSED) == []
    assert await listed(severity=Severity.WARNING) == ["key_0"]


@pytest.mark.parametrize("cursor", ["", "x", "W10", "WyJhbGVydHMubmV3ZXN0IiwgMSwgIngiXQ"])
async def test_a_made_up_cursor(stand: Stand, cursor: str) -> None:
    """Whatever is handed in as a cursor is answered with what to do."""
    with pytest.raises(Misuse, match="cursor"):
        await stand.alerts.standing(OPERATOR, AlertFilter(), PageRequest(2, cursor))
