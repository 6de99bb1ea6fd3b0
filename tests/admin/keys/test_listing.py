"""Lists of keys: every filter, in every order, page by page, against what plain Python makes of the same keys."""

import random
from collections.abc import Callable
from typing import Any, get_args

import pytest

from admin.core.caller import Role
from admin.core.naming import words_of
from admin.core.page import PageRequest, encoded
from admin.services.key_views import state_of
from admin.services.keys import KeyChange, KeyFilter, KeyView, NewKey
from admin.stores import key_listing
from admin.stores.key_filter import KeySort
from admin.stores.key_records import KeyRecord, KeyState
from gateway.core.errors import Misuse
from gateway.core.keys import Environment, KeyStatus, KeyType
from tests.admin.keys.stand import DAY_SECONDS, KeyStand, secret_ids
from tests.admin.world import OPERATOR, caller_of

SORTS: tuple[KeySort, ...] = get_args(KeySort)
STATES: tuple[KeyState, ...] = get_args(KeyState)
WAYS = {"walk": 0, "gather": key_listing.GATHERED_MAX}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Which of the two ways through the tables is taken; each must find the same."""
    most = WAYS[request.param]
    monkeypatch.setattr(key_listing, "GATHERED_MAX", most)
    monkeypatch.setattr(key_listing, "IN_INDEX_MAX", most)
    return str(request.param)


async def crowd(stand: KeyStand, dice: random.Random, size: int = 60) -> list[str]:
    """Keys of every kind, in accounts and of owners of every kind, used and unused; the clock moves on."""
    accounts = [await stand.account() for _ in range(3)]
    owners = {each.id: [await stand.user(each.id) for _ in range(2)] for each in accounts}
    made = []
    for number in range(size):
        stand.clock.advance(dice.choice([0, 1, 3600, 2 * DAY_SECONDS]))
        account = dice.choice(accounts)
        now = stand.clock.now()
        key = (
            await stand.made(
                account.id,
                name=f"{dice.choice(['live', 'test', 'Ümlaut'])}-{dice.choice(['dns', 'mail'])}-{number % 9}",
                type=dice.choice(list(KeyType)),
                environment=dice.choice(list(Environment)),
                owner_id=dice.choice([None, *(user.id for user in owners[account.id])]),
                expires_at=dice.choice([None, None, now + dice.randrange(60) * DAY_SECONDS / 2]),
                not_before=dice.choice([None, None, None, now + dice.randrange(80) * DAY_SECONDS]),
            )
        ).key
        made.append(key.id)
        await happen(stand, dice, key)
    users = [user for some in owners.values() for user in some]
    await stand.run(f"UPDATE users SET status = 'disabled' WHERE id = '{users[0].id}'")  # noqa: S608
    return made


async def happen(stand: KeyStand, dice: random.Random, key: KeyView) -> None:
    """Something, or nothing."""
    match dice.randrange(8):
        case 0:
            await stand.keys.revoke(OPERATOR, key.id)
        case 1:
            await stand.keys.disable(OPERATOR, key.id)
        case 2:
            await stand.keys.delete(OPERATOR, key.id)
        case 3 | 4 | 5:
            await stand.used(key, secret_ids(key)[0])
        case 6:
            await stand.rotated(key.id, None)
        case _:
            pass


def random_filter(dice: random.Random, keys: list[KeyRecord]) -> dict[str, Any]:
    """A few things that are asked of keys, all at once."""
    some = dice.choice(keys).key
    durations = [1.0, 3600.0, 5 * DAY_SECONDS, 20 * DAY_SECONDS, 60 * DAY_SECONDS]
    choices: dict[str, Callable[[], Any]] = {
        "account_id": lambda: some.account_id,
        "owner_id": lambda: some.owner_id,
        "state": lambda: dice.choice(STATES),
        "type": lambda: some.type,
        "environment": lambda: some.environment,
        "unused_for_seconds": lambda: dice.choice(durations),
        "older_than_seconds": lambda: dice.choice(durations),
        "expiring_in_seconds": lambda: dice.choice(durations),
        "deleted": lambda: dice.random() < 0.5,
        "search": lambda: dice.choice(["dns", "LIVE ma", "üm", "mail-3", "zz", some.id, some.name]),
    }
    names = dice.sample(list(choices), dice.choice([0, 1, 1, 1, 2, 2, 3]))
    return {name: choices[name]() for name in names}


def fits(record: KeyRecord, now: float, wanted: dict[str, Any]) -> bool:
    """Whether a list holds the key, as the words of KeyFilter have it."""
    key = record.key
    used = [secret.last_used.at for secret in record.secrets if secret.last_used]
    words = words_of(key.name)

    def is_expiring(seconds: float) -> bool:
        is_soon = key.expires_at is not None and now < key.expires_at <= now + seconds
        return is_soon and key.status is not KeyStatus.REVOKED

    def is_found(text: str) -> bool:
        if text.startswith("key_"):
            return key.id == text
        return all(any(word.startswith(asked) for word in words) for asked in words_of(text))

    checks: dict[str, Callable[[Any], bool]] = {
        "account_id": lambda value: key.account_id == value,
        "owner_id": lambda value: value is None or key.owner_id == value,
        "state": lambda value: state_of(record, now) == value,
        "type": lambda value: key.type is value,
        "environment": lambda value: key.environment is value,
        "unused_for_seconds": lambda value: max([key.created_at, *used]) <= now - value,
        "older_than_seconds": lambda value: key.created_at <= now - value,
        "expiring_in_seconds": is_expiring,
        "search": is_found,
    }
    is_listed = (key.deleted_at is not None) is wanted.get("deleted", False)
    return is_listed and all(
        checks[name](value) for name, value in wanted.items() if name != "deleted"
    )


def in_order(records: list[KeyRecord], sort: KeySort) -> list[str]:
    """Their ids, sorted; without an expiry last, by the day of the last use, and by id among equals."""

    def day(record: KeyRecord) -> int:
        used = [secret.last_used.at for secret in record.secrets if secret.last_used]
        return int(max(used, default=0.0) // DAY_SECONDS)

    places: dict[str, Callable[[KeyRecord], Any]] = {
        "created": lambda record: record.key.created_at,
        "name": lambda record: record.key.name,
        "expires": lambda record: (record.key.expires_at is None, record.key.expires_at or 0),
        "last_used": day,
    }
    place = places[sort.removeprefix("-")]
    ordered = sorted(records, key=lambda record: (place(record), record.key.id))
    return [record.key.id for record in (ordered[::-1] if sort.startswith("-") else ordered)]


@pytest.mark.parametrize("is_kept", [False, True], ids=["before-housekeeping", "after"])
async def test_lists_hold_what_fits(stand: KeyStand, way: str, is_kept: bool) -> None:
    """Whatever is asked for, in whatever order, on pages of whatever size: each key that fits, once, and no other."""
    dice = random.Random(11)
    ids = await crowd(stand, dice)
    if is_kept:
        await stand.housekeeping.once()
        stand.clock.advance(3 * DAY_SECONDS)
    records = list(await stand.store.find_all(ids))
    now = stand.clock.now()
    seen = set()
    for number in range(120):
        wanted = random_filter(dice, records)
        sort = SORTS[number % len(SORTS)]
        fitting = in_order([each for each in records if fits(each, now, wanted)], sort)
        found = await stand.pages(OPERATOR, dice.choice([1, 2, 7, 200]), sort=sort, **wanted)
        assert [key.id for key in found] == fitting, (way, sort, wanted)
        seen.add(len(fitting))

    assert len(seen) > 10
    for state in STATES:
        assert await stand.listed(state=state), state


async def test_lists_show_what_show_shows(stand: KeyStand) -> None:
    """A key in a list is the key that `show` shows, but for who uses its replaced secrets."""
    key = (await stand.made(metadata={"a": "b"})).key
    await stand.used(key, secret_ids(key)[0])
    await stand.rotated(key.id, 60)

    assert await stand.pages(OPERATOR, 10) == [await stand.keys.show(OPERATOR, key.id)]


@pytest.mark.parametrize("sort", SORTS)
async def test_nothing_twice_while_the_list_grows(stand: KeyStand, way: str, sort: KeySort) -> None:
    """Keys that are made between two pages neither push others onto the next page nor off it."""
    account = await stand.account()
    first = [(await stand.made(account.id, name=f"live-dns-{n}")).key.id for n in range(6)]
    page = await stand.keys.list(OPERATOR, KeyFilter(sort=sort), PageRequest(3))
    seen = [key.id for key in page.items]
    for name in ("a", "live-dns-2x", "z"):
        await stand.made(account.id, name=name)
    request = PageRequest(200, page.next_cursor)
    seen += [
        key.id for key in (await stand.keys.list(OPERATOR, KeyFilter(sort=sort), request)).items
    ]

    assert len(seen) == len(set(seen))
    assert set(first) <= set(seen), way


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize(
    "cursor",
    [
        pytest.param("", id="empty"),
        pytest.param("x" * 500, id="nonsense"),
        pytest.param(encoded("keys.created", "text", "key_1"), id="text-for-a-number"),
        pytest.param(encoded("keys.name", 5, "key_1"), id="number-for-a-text"),
        pytest.param(encoded("accounts.created", 5, "key_1"), id="another-list"),
    ],
)
async def test_odd_cursors(stand: KeyStand, sort: KeySort, cursor: str) -> None:
    """A cursor of another list, or of none, is refused in words that lead on."""
    with pytest.raises(Misuse, match="Begin again without it"):
        await stand.keys.list(OPERATOR, KeyFilter(sort=sort), PageRequest(5, cursor))


async def test_found_by_what_is_shown(stand: KeyStand) -> None:
    """Who has only the beginning of a key, as a list or a log shows it, finds whose it is; also after a rotation."""
    account = await stand.account()
    key = (await stand.made(account.id)).key
    await stand.made(account.id)
    rotated = (await stand.rotated(key.id, 60)).key
    for secret in rotated.secrets:
        for text in (secret.shown, secret.shown[:-1], f"acme_{secret.shown}"):
            assert await stand.listed(search=text) == [key.id]
    assert await stand.listed(search=key.id) == [key.id]
    assert await stand.listed(search=f"{key.id[:-1]}") == []


async def test_found_by_the_words_of_the_name(stand: KeyStand) -> None:
    """The beginnings of words find a name, in any order and case; a new name is found, the old one not."""
    account = await stand.account()
    key = (await stand.made(account.id, name="Live-Ärger_2x (Büro)")).key
    for text in ("live", "LIVE", "är", "bü li", "2", "2x büro", "live-ä"):
        assert await stand.listed(search=text) == [key.id], text
    for text in ("ive", "live x", "x", "2xx", "büros"):
        assert await stand.listed(search=text) == [], text


async def test_found_by_the_new_name(stand: KeyStand) -> None:
    """After a change of the name the new words find the key, and those that are gone do not."""
    key = (await stand.made(name="live-dns-sync")).key
    await stand.keys.change(OPERATOR, key.id, KeyChange(name="live-mail-sync"))

    assert await stand.listed(search="mail sync") == [key.id]
    assert await stand.listed(search="dns") == []


async def test_members_see_their_own_account(stand: KeyStand) -> None:
    """Whatever a member asks for, no other account's key is in the answer."""
    mine, theirs = await stand.account(), await stand.account()
    own = (await stand.made(mine.id)).key.id
    other = (await stand.made(theirs.id)).key
    member = caller_of(Role.MEMBER, mine.id)

    assert await stand.listed(member) == [own]
    assert await stand.listed(member, search=other.id) == []
    assert await stand.listed(member, search=other.secrets[0].shown) == []
    assert await stand.listed(member, account_id=theirs.id) == []
    assert await stand.listed(member, account_id=mine.id) == [own]


async def test_last_use_to_the_moment(stand: KeyStand) -> None:
    """Unused for an hour means an hour, though lists are kept by the day."""
    key = (await stand.made()).key
    stand.clock.advance(7200)
    await stand.used(key, secret_ids(key)[0])
    stand.clock.advance(3599)
    assert await stand.listed(unused_for_seconds=3600) == []

    stand.clock.advance(1)
    assert await stand.listed(unused_for_seconds=3600) == [key.id]


async def test_marked_once_they_have_expired(stand: KeyStand) -> None:
    """Housekeeping marks expired keys; a key that gets another expiry is listed as what it is then."""
    account = await stand.account()
    caller = OPERATOR
    order = NewKey(account.id, "live-dns-sync", expires_in_seconds=60)
    key = (await stand.keys.create(caller, order)).key
    stand.clock.advance(61)
    assert await stand.store.mark_lapsed(stand.clock.now(), 10) == 1
    assert await stand.store.mark_lapsed(stand.clock.now(), 10) == 0
    assert await stand.listed(state="expired") == [key.id]
    await stand.keys.change(caller, key.id, KeyChange(expires_at=stand.clock.now() + 60))
    assert await stand.listed(state="active") == [key.id]
    assert await stand.listed(state="expired") == []

    stand.clock.advance(60)
    assert await stand.listed(state="expired") == [key.id]
    await stand.store.mark_lapsed(stand.clock.now(), 10)
    await stand.keys.disable(caller, key.id)
    assert await stand.listed(state="disabled") == [key.id]
    await stand.keys.enable(caller, key.id)
    assert await stand.listed(state="expired") == [key.id]
    await stand.keys.revoke(caller, key.id)
    assert await stand.listed(state="revoked") == [key.id]
