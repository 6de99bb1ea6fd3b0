"""Keys that end soon, whose secret is old, or that nobody uses: told once each, whatever happens meanwhile."""

import asyncio

from admin.core.alerts.key_life import KeyTerms
from admin.core.alerts.kinds import AlertKind
from admin.core.alerts.wishes import Defaults
from admin.core.page import PageRequest
from admin.services.alert_keys_watch import KeyLifeWatch
from admin.services.alerts import AlertChange
from admin.stores.alert_keys import AlertKeys
from admin.stores.alert_marks import AlertMarks
from admin.stores.alert_states import AlertFilter
from gateway.stores.tables import secrets, to_us
from tests.admin.alerts.stand import DAY, Stand
from tests.admin.world import OPERATOR

ALL = PageRequest(200)


async def standing(stand: Stand) -> list[tuple[str, str]]:
    """What stands, by kind and key."""
    found = await stand.alerts.standing(OPERATOR, AlertFilter(), ALL)
    return sorted((one.alert.kind.value, one.subject.key_id) for one in found.items)


async def test_expiry_is_told_three_times(stand: Stand, account: str) -> None:
    """A key's expiry is told 30, 7 and 1 days before, once each, by however many rounds."""
    end = stand.clock.now() + 40 * DAY
    await stand.a_key("key_1", account, expires_us=to_us(end))
    node = stand.node()
    days_left = []
    for _ in range(41):
        before = len(await stand.told())
        await node.once()
        await node.once()
        if len(await stand.told()) > before:
            days_left.append(round((end - stand.clock.now()) / DAY))
        stand.clock.advance(DAY)

    assert days_left == [30, 7, 1]
    assert await stand.told() == [("key.expiring", "key_1")] * 3
    assert [one["severity"] for one in await stand.data()] == ["info", "warning", "critical"]
    assert (await stand.data())[1]["title"] == "Key expires in 7 days"


async def test_what_was_told_is_not_told_by_the_next_process(stand: Stand, account: str) -> None:
    """Neither a restart nor a second node repeats an alert, and neither misses the next one."""
    await stand.a_key("key_1", account, expires_us=to_us(stand.clock.now() + 31 * DAY))
    await stand.node().once()
    stand.clock.advance(2 * DAY)
    await stand.node().once()
    await stand.node().once()
    assert len(await stand.told()) == 1

    stand.clock.advance(25 * DAY)
    await asyncio.gather(*(stand.node().once() for _ in range(4)))
    assert len(await stand.told()) == 2


async def test_a_moved_expiry(stand: Stand, account: str) -> None:
    """An expiry that is put off ends its alert; when the new one comes near, that is told again."""
    await stand.a_key("key_1", account, created_us=1, expires_us=to_us(stand.clock.now() + 5 * DAY))
    node = stand.node()
    await node.once()
    assert await standing(stand) == [("key.expiring", "key_1")]

    await stand.change_key("key_1", expires_us=to_us(stand.clock.now() + 100 * DAY))
    await node.once()
    assert await standing(stand) == []
    stand.clock.advance(71 * DAY)
    await node.once()
    assert len(await stand.told()) == 2


async def test_what_is_over_stands_no_more(stand: Stand, account: str) -> None:
    """Of keys that were revoked, deleted or have expired, nothing stands; and nothing was told that was not so."""
    end = to_us(stand.clock.now() + DAY)
    for number in range(1, 5):
        await stand.a_key(f"key_{number}", account, created_us=1, expires_us=end)
    node = stand.node()
    await node.once()
    assert len(await standing(stand)) == 4

    await stand.change_key("key_1", status="revoked")
    await stand.change_key("key_2", deleted_us=1)
    await stand.change_key("key_3", expires_us=to_us(stand.clock.now() - 1))
    await node.once()
    assert await standing(stand) == [("key.expiring", "key_4")]
    assert len(await stand.told()) == 4


async def test_key_that_nobody_uses(stand: Stand, account: str) -> None:
    """A key is told of 90 days after its last use, each time; a new one 90 days after it was made."""
    day = round(stand.clock.now()) // DAY
    await stand.a_key("key_used", account, used_day=day)
    await stand.a_key("key_never", account)
    node = stand.node()
    await node.once()
    stand.clock.advance(89 * DAY)
    await node.once()
    assert await stand.told() == []
    stand.clock.advance(2 * DAY)
    await node.once()
    await node.once()
    unused = [one for one in await stand.told() if one[0] == "key.unused"]
    assert sorted(unused) == [("key.unused", "key_never"), ("key.unused", "key_used")]

    await stand.change_key("key_used", used_day=day + 91)
    await node.once()
    assert ("key.unused", "key_used") not in await standing(stand)
    assert ("key.unused", "key_never") in await standing(stand)
    stand.clock.advance(91 * DAY)
    await node.once()
    assert (await stand.told()).count(("key.unused", "key_used")) == 2
    assert (await stand.told()).count(("key.unused", "key_never")) == 1


async def test_old_secret(stand: Stand, account: str) -> None:
    """A key is told of when its newest secret is 90 days old; rotating it ends that."""
    await stand.a_key("key_1", account, used_day=10**6)
    node = stand.node()
    await node.once()
    stand.clock.advance(90 * DAY)
    await node.once()
    assert await stand.told() == [("key.rotation_due", "key_1")]
    assert await standing(stand) == [("key.rotation_due", "key_1")]

    await stand.put(secrets, created_us=to_us(stand.clock.now()), id="the next")
    await node.once()
    assert await standing(stand) == []
    stand.clock.advance(90 * DAY)
    await node.once()
    assert len(await stand.told()) == 2


async def test_years_of_keys_are_no_flood(stand: Stand, account: str) -> None:
    """When alerts run for the first time, keys that have been old or unused for long are not told one by one."""
    for number in range(5):
        await stand.a_key(f"key_{number}", account, created_us=1, used_day=12)
    node = stand.node()
    await node.once()
    stand.clock.advance(DAY)
    await node.once()

    assert await stand.told() == []


async def test_round_does_only_so_much(stand: Stand, account: str) -> None:
    """However many keys become due at once, a round looks at so many; the next one goes on, and each is told once."""
    for number in range(7):
        end = to_us(stand.clock.now() + DAY + number)
        await stand.a_key(f"key_{number}", account, created_us=1, expires_us=end)
    watch = KeyLifeWatch(AlertKeys(stand.engine), AlertMarks(stand.engine), KeyTerms(), keys_max=3)
    node = stand.node(watch)
    counts = []
    for _ in range(5):
        await node.once()
        counts.append(len(await stand.told()))

    assert counts == [3, 6, 7, 7, 7]
    assert len(set(await stand.told())) == 7


async def test_kinds_that_an_account_does_not_want(stand: Stand, account: str) -> None:
    """A kind that is switched off is not told and ends where it stood; switched on again, what is so is told."""
    await stand.a_key("key_1", account, created_us=1, expires_us=to_us(stand.clock.now() + DAY))
    node = stand.node()
    off = AlertChange(switches={AlertKind.KEY_EXPIRING: False})
    await stand.alerts.change(OPERATOR, account, off)
    await node.once()
    assert await stand.told() == []

    await stand.alerts.change(
        OPERATOR, account, AlertChange(switches={AlertKind.KEY_EXPIRING: None})
    )
    await node.once()
    assert await stand.told() == [("key.expiring", "key_1")]
    await stand.alerts.change(OPERATOR, account, off)
    await node.once()
    assert await standing(stand) == []


async def test_kinds_that_are_silent_by_default(stand: Stand, account: str) -> None:
    """A kind that the configuration keeps silent is told to accounts that switched it on, and to no other."""
    stand = Stand(stand.engine, Defaults(off=frozenset({AlertKind.KEY_EXPIRING})))
    await stand.run(
        "INSERT INTO accounts (id, name, plan, status, api_access, version, created_us, updated_us)"
        " VALUES ('acc_2', 'Other', 'starter', 'active', 'approved', 1, 1, 1)"
    )
    for number in (1, 2):
        end = to_us(stand.clock.now() + DAY)
        await stand.a_key(f"key_{number}", f"acc_{number}", created_us=1, expires_us=end)
    await stand.alerts.change(
        OPERATOR, "acc_2", AlertChange(switches={AlertKind.KEY_EXPIRING: True})
    )
    await stand.node().once()

    assert await stand.told() == [("key.expiring", "key_2")]
