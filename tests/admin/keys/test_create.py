"""Keys are made: what they are given, what is refused, and what their makers get to see."""

import dataclasses
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.core.caller import Permission, Role
from admin.core.faults import Conflict, NotAllowed, NotFound
from admin.core.page import Page, PageRequest
from admin.services.keys import KeyChange, KeyFilter, NewKey
from gateway.core.errors import Misuse, StoreError
from gateway.core.keys import Environment, KeyStatus, KeyType
from gateway.core.limits import CountedPer, Limit
from gateway.core.token import parse
from gateway.stores.secret_hash import verify
from gateway.stores.sql_engine import open_engine
from gateway.stores.sql_keys import SqlKeyReader
from gateway.stores.tables import audit_entries, events, idempotency, keys, secrets
from tests.admin.keys.stand import DAY_SECONDS, KeyStand
from tests.admin.world import OPERATOR, PEPPERS, caller_of, repeats_of
from tests.fixtures_sql import free_port
from tests.hostile import HOSTILE


@pytest.mark.parametrize("vendor", ["", "acme"])
async def test_created_key_works(stand: KeyStand, vendor: str) -> None:
    """The token that is handed out is the one that the gateway will find and verify."""
    account = await stand.account()
    order = NewKey(account.id, "ci", type="pk", environment="test", scopes=["dns-only"])
    created = await stand.service(vendor=vendor).create(OPERATOR, order)
    parsed = parse(created.secret, vendor)
    assert parsed is not None
    stored = await SqlKeyReader(stand.engine).find(parsed.secret_id)

    assert (parsed.type, parsed.environment) == (KeyType.PUBLISHABLE, Environment.TEST)
    assert stored is not None
    assert verify(stored.token_hash, created.secret.encode())
    assert stored.key.id == created.key.id
    assert stored.key.scopes == ("dns-only",)
    assert stored.key.version == created.key.version == 2
    assert created.key.secrets[0].shown == created.secret[: len(created.secret) - 46] + "…"


async def test_created_key_keeps_all_it_was_given(stand: KeyStand) -> None:
    """What was asked for is what is shown, now and later."""
    now = stand.clock.now()
    created = (
        await stand.made(
            name="live-dns-everything",
            scopes=["dns-only", "read-only", "dns-only"],
            expires_in_seconds=90 * DAY_SECONDS,
            not_before=now + DAY_SECONDS,
            addresses=["192.0.2.1", "2001:DB8::/32"],
            origins=["https://App.example.com"],
            limits=[Limit("own", 5, 60, CountedPer.ACCOUNT)],
            metadata={"team": "dns"},
        )
    ).key

    assert created.scopes == created.effective_scopes == ("dns-only", "read-only")
    assert created.expires_at == now + 90 * DAY_SECONDS
    assert created.not_before == now + DAY_SECONDS
    assert created.addresses == ("192.0.2.1/32", "2001:db8::/32")
    assert created.origins == ("https://app.example.com",)
    assert created.limits == (Limit("own", 5, 60, CountedPer.ACCOUNT),)
    assert created.metadata == {"team": "dns"}
    assert (created.status, created.state) == (KeyStatus.ACTIVE, "not_yet_valid")
    assert created.warnings == ()
    assert await stand.keys.show(OPERATOR, created.id) == created
    assert await stand.audited() == ["key.create"]
    assert await stand.told() == ["key.created"]
    assert stand.listeners.heard == []


async def test_expiry_at_a_time(stand: KeyStand) -> None:
    """A key ends at the time that was given, or after the duration: not after both."""
    at = stand.clock.now() + 60
    assert (await stand.made(expires_at=at)).key.expires_at == at
    with pytest.raises(Misuse, match="not as both"):
        await stand.made(expires_at=at, expires_in_seconds=60.0)


async def test_token_is_shown_once(stand: KeyStand) -> None:
    """After its creation nothing, neither the database nor any answer or printed value, holds the token."""
    created = await stand.made()
    rotated = await stand.keys.rotate(OPERATOR, created.key.id, 60)
    told = [created, created.key, rotated, rotated.key, await stand.pages(OPERATOR, 10)]
    told.append(await stand.keys.show(OPERATOR, created.key.id))
    for table in (keys, secrets, audit_entries, events, idempotency):
        told += await stand.rows(table)

    for token in (created.secret, rotated.secret):
        assert token.startswith("sk_live_")
        for value in told:
            assert token[20:] not in repr(value)


async def test_scopes_default_to_reading(stand: KeyStand) -> None:
    """A key made without a thought can only read; where there is no such scope the thought is asked for."""
    account = await stand.account()
    without = stand.service(scopes=["all", "dns"])

    assert (await stand.made(account.id)).key.scopes == ("read-only",)
    with pytest.raises(Misuse, match=r"Say which scopes.*all, dns"):
        await without.create(OPERATOR, NewKey(account.id, "live-dns-sync"))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        pytest.param({"name": ""}, "name of 1 to 100", id="no-name"),
        pytest.param({"name": " "}, "name of 1 to 100", id="blank-name"),
        pytest.param({"name": "n" * 101}, "name of 1 to 100", id="long-name"),
        pytest.param({"name": "a\nb"}, "name of 1 to 100", id="name-of-two-lines"),
        pytest.param({"type": "xx"}, "no key type 'xx'. There are: sk, pk", id="type"),
        pytest.param({"environment": "prod"}, "There are: live, test", id="environment"),
        pytest.param({"scopes": ["dns"]}, "no scope 'dns'. There are: read-only", id="scope"),
        pytest.param({"expires_in_seconds": 0.0}, "more than 0 seconds", id="expires-now"),
        pytest.param({"expires_in_seconds": -1.0}, "more than 0 seconds", id="expired"),
        pytest.param({"expires_in_seconds": float("nan")}, "more than 0", id="no-number"),
        pytest.param({"expires_in_seconds": 1e12}, "at most 100 years", id="for-ever"),
        pytest.param({"expires_at": -1.0}, "between the years", id="expires-before-1970"),
        pytest.param({"not_before": -1.0}, "between the years", id="before-1970"),
        pytest.param({"not_before": float("inf")}, "between the years", id="never"),
        pytest.param({"addresses": ["192.0.2.1/24"]}, "no bits set behind", id="host-bits"),
        pytest.param({"addresses": ["localhost"]}, "'192.0.2.0/24'", id="host-name"),
        pytest.param({"addresses": ["::"] * 101}, "at most 100 addresses", id="many"),
        pytest.param({"origins": ["https://a.example/x"]}, "without a path", id="path"),
        pytest.param({"origins": ["https://a.example/"]}, "without a path", id="slash"),
        pytest.param({"origins": ["a.example"]}, "'https://app.example.com'", id="no-scheme"),
        pytest.param({"origins": ["https://u@a.example"]}, "not an origin", id="user"),
        pytest.param({"origins": ["https://a.example:x"]}, "not an origin", id="port"),
        pytest.param({"origins": ["https://[::1"]}, "not an origin", id="bracket"),
        pytest.param({"limits": [Limit("a", 0, 60)]}, "from 1 to", id="no-quota"),
        pytest.param({"limits": [Limit("a", 1, 0)]}, "from 1 to", id="no-window"),
        pytest.param({"limits": [Limit("a", 1, 1)] * 2}, "same name", id="limit-twice"),
        pytest.param({"metadata": {"a\0": "x"}}, "name of 1 to 100", id="metadata-name"),
        pytest.param({"metadata": {"a": "\ud800"}}, "printable", id="metadata-text"),
        pytest.param({"metadata": {"a": "x" * 1001}}, "at most 1000", id="metadata-long"),
        pytest.param({"owner_id": "ada"}, "begin with 'usr_'", id="no-user-id"),
        pytest.param({"owner_id": "usr_0"}, "no user usr_0 in account", id="no-such-user"),
    ],
)
async def test_what_cannot_be(stand: KeyStand, wrong: dict[str, Any], words: str) -> None:
    """A mistake is told with what would be right, and leaves nothing behind."""
    with pytest.raises(Misuse) as raised:
        await stand.made(**wrong)

    assert words in str(raised.value)
    assert await stand.listed() == []
    assert await stand.audited() == []


async def test_unknown_ids_are_told(stand: KeyStand) -> None:
    """An id that names nothing is refused in words that lead on, and nobody is told of anything."""
    service = stand.keys
    for asked in (
        service.show(OPERATOR, "key_0"),
        service.revoke(OPERATOR, "key_0"),
        service.disable(OPERATOR, "key_0"),
        service.enable(OPERATOR, "key_0"),
        service.delete(OPERATOR, "key_0"),
        service.rotate(OPERATOR, "key_0", 0),
        service.regenerate(OPERATOR, "key_0"),
        service.end_secret(OPERATOR, "key_0", "0" * 12),
        service.change(OPERATOR, "key_0", KeyChange(name="x")),
    ):
        with pytest.raises(NotFound, match=r"no key key_0.*keys list"):
            await asked
    with pytest.raises(NotFound, match=r"no account acc_0.*accounts list"):
        await stand.made("acc_0")

    assert stand.listeners.heard == []


async def test_hostile_texts_are_names_or_mistakes(stand: KeyStand) -> None:
    """No text in place of an id, a name or a search is run, or breaks anything: it is kept as it is, or refused."""
    account = await stand.account()
    kept = 0
    for text in HOSTILE:
        with pytest.raises(NotFound) as raised:
            await stand.keys.show(OPERATOR, text)
        assert str(raised.value).isprintable()
        assert len(str(raised.value)) < 700
        for wrong in (NewKey(text, "a"), NewKey(account.id, "a", scopes=[text])):
            with pytest.raises(Misuse):
                await stand.keys.create(OPERATOR, wrong)
        try:
            await stand.keys.list(OPERATOR, KeyFilter(search=text), PageRequest())
            made = await stand.made(account.id, name=text)
        except Misuse:
            continue
        kept += 1
        assert made.key.name == text
        assert made.key.id in await stand.listed(search=text)

    assert kept > 100
    assert len(await stand.listed()) == kept


async def test_members_own_what_they_make(stand: KeyStand) -> None:
    """A member's key is theirs, an operator's is nobody's; only admins make keys for others of the account."""
    account = await stand.account()
    ada, bob = await stand.user(account.id), await stand.user(account.id)
    order = NewKey(account.id, "live-dns-sync")

    assert (await stand.keys.create(stand.caller(ada), order)).key.owner_id == ada.id
    assert (await stand.made(account.id)).key.owner_id is None
    assert (await stand.made(account.id, owner_id=bob.id)).key.owner_id == bob.id
    for_bob = dataclasses.replace(order, owner_id=bob.id)
    with pytest.raises(NotAllowed, match="for others"):
        await stand.keys.create(stand.caller(ada), for_bob)


async def test_owners_are_of_the_account(stand: KeyStand) -> None:
    """Nobody of another account, nobody who may hold nothing and nobody who is disabled is given a key."""
    account, other = await stand.account(), await stand.account()
    stranger = await stand.user(other.id)
    viewer = await stand.user(account.id, Role.VIEWER)
    with pytest.raises(NotFound, match="no user"):
        await stand.made(account.id, owner_id=stranger.id)
    with pytest.raises(NotAllowed, match="may hold: none"):
        await stand.made(account.id, owner_id=viewer.id)

    gone = await stand.user(account.id)
    await stand.run(f"UPDATE users SET status = 'disabled' WHERE id = '{gone.id}'")  # noqa: S608
    with pytest.raises(Conflict, match="is disabled"):
        await stand.made(account.id, owner_id=gone.id)


async def test_members_give_what_they_are_offered(stand: KeyStand) -> None:
    """A member's key holds at most what the plan offers members, and of that what the member may do."""
    account = await stand.account("vps")
    ada = await stand.user(account.id)
    narrow = await stand.user(account.id, scopes=["dns-only", "read-write"])

    async def make(user: str, *scopes: str) -> tuple[str, ...]:
        who = {"ada": ada, "narrow": narrow}[user]
        order = NewKey(account.id, "live-dns-sync", scopes=scopes)
        return (await stand.keys.create(stand.caller(who), order)).key.effective_scopes

    assert await make("ada", "read-only", "dns-only") == ("read-only", "dns-only")
    assert await make("narrow", "dns-only") == ("dns-only",)
    with pytest.raises(NotAllowed, match=r"scope read-write.*read-only, dns-only"):
        await make("ada", "read-only", "read-write")
    with pytest.raises(NotAllowed, match=r"scopes read-only, read-write.*may give: dns-only\."):
        await make("narrow", "read-only", "read-write")
    with pytest.raises(NotAllowed, match="may not hold the scope read-write"):
        await stand.made(account.id, owner_id=ada.id, scopes=["read-write"])


async def test_a_members_token_is_a_member(stand: KeyStand) -> None:
    """A machine with a member's role gives no more than the plan offers members, though no user narrows it."""
    account = await stand.account("vps")
    machine = caller_of(Role.MEMBER, account.id)
    order = NewKey(account.id, "live-dns-sync", scopes=["dns-only"])

    assert (await stand.keys.create(machine, order)).key.owner_id is None
    with pytest.raises(NotAllowed):
        await stand.keys.create(machine, dataclasses.replace(order, scopes=["read-write"]))


async def test_secret_keys_by_admins(stand: KeyStand) -> None:
    """Where only admins make secret keys, members make publishable ones, and get no other's new secret either."""
    account = await stand.account()
    ada = stand.caller(await stand.user(account.id))
    service = stand.service(secret_keys_by_members=False)
    made = await stand.made(account.id)

    with pytest.raises(NotAllowed, match="only admins make secret keys"):
        await service.create(ada, NewKey(account.id, "live-dns-sync"))
    with pytest.raises(NotAllowed, match="only admins make secret keys"):
        await service.rotate(ada, made.key.id, 0)
    order = NewKey(account.id, "live-dns-sync", type="pk")
    assert (await service.create(ada, order)).key.type is KeyType.PUBLISHABLE
    assert (await service.create(OPERATOR, NewKey(account.id, "live-dns-sync"))).key.id


async def test_limits_are_set_by_admins(stand: KeyStand) -> None:
    """Who could give a key limits of its own could lift those of the plan."""
    account = await stand.account()
    ada = stand.caller(await stand.user(account.id))
    limits = [Limit("own", 10**9, 1)]
    with pytest.raises(NotAllowed, match="only admins set them"):
        await stand.keys.create(ada, NewKey(account.id, "live-dns-sync", limits=limits))


async def test_others_accounts_do_not_exist(stand: KeyStand) -> None:
    """A member is told of another account's keys what is told of none."""
    mine, theirs = await stand.account(), await stand.account()
    key = (await stand.made(theirs.id)).key
    ada = stand.caller(await stand.user(mine.id))
    for asked in (
        stand.keys.show(ada, key.id),
        stand.keys.revoke(ada, key.id),
        stand.keys.rotate(ada, key.id, 0),
        stand.keys.change(ada, key.id, KeyChange(name="mine")),
    ):
        with pytest.raises(NotFound, match=f"There is no key {key.id}"):
            await asked
    with pytest.raises(NotFound, match=f"There is no account {theirs.id}"):
        await stand.keys.create(ada, NewKey(theirs.id, "live-dns-sync"))

    assert await stand.listed(ada) == []
    assert await stand.listed(ada, account_id=theirs.id) == []
    assert await stand.listed() == [key.id]


@pytest.mark.parametrize("role", [Role.VIEWER, Role.MEMBER])
async def test_permissions_are_asked_for(stand: KeyStand, role: Role) -> None:
    """Who may not write keys writes none, whatever else they may; who may not read them sees none."""
    key = (await stand.made()).key
    reader = caller_of(role, key.account_id, permissions=frozenset({Permission.KEYS_READ}))
    nobody = caller_of(role, key.account_id, permissions=frozenset({Permission.KEYS_WRITE}))
    for asked in (
        stand.keys.create(reader, NewKey(key.account_id, "live-dns-sync")),
        stand.keys.revoke(reader, key.id),
        stand.keys.rotate(reader, key.id, 0),
        stand.keys.disable(reader, key.id),
    ):
        with pytest.raises(NotAllowed, match="keys:write"):
            await asked
    with pytest.raises(NotAllowed, match="keys:read"):
        await stand.keys.show(nobody, key.id)
    with pytest.raises(NotAllowed, match="keys:read"):
        await stand.keys.list(nobody, KeyFilter(), PageRequest())

    assert (await stand.keys.show(reader, key.id)).state == "active"


async def test_lost_answer_is_given_again(stand: KeyStand) -> None:
    """A repeated creation makes nothing: it is answered with the same key and the same secret."""
    account = await stand.account()
    caller = caller_of(Role.ADMIN, key="deploy-42")
    order = NewKey(account.id, "live-dns-sync")
    first = await stand.keys.create(caller, order)
    await stand.keys.disable(OPERATOR, first.key.id)
    second = await stand.keys.create(caller, order)

    assert (second.key.id, second.secret) == (first.key.id, first.secret)
    assert second.key.state == "disabled"
    assert await stand.listed() == [first.key.id]
    assert await stand.audited() == ["key.create", "key.disable"]


async def test_another_request_is_no_repetition(stand: KeyStand) -> None:
    """The same Idempotency-Key of somebody else, or ten minutes later, is a request of its own."""
    account = await stand.account()
    order = NewKey(account.id, "live-dns-sync")
    first = await stand.keys.create(caller_of(Role.ADMIN, key="k"), order)
    other = await stand.keys.create(caller_of(Role.ADMIN, key="k", id="usr_2"), order)
    stand.clock.advance(601)
    later = await stand.keys.create(caller_of(Role.ADMIN, key="k"), order)

    assert len({first.key.id, other.key.id, later.key.id}) == 3


async def test_unsealed_no_more(stand: KeyStand) -> None:
    """A repetition under another pepper is told that the key is there and its secret is not."""
    account = await stand.account()
    caller = caller_of(Role.ADMIN, key="deploy-42")
    made = await stand.keys.create(caller, NewKey(account.id, "live-dns-sync"))
    other = dataclasses.replace(PEPPERS.current, value=b"another pepper" * 3)
    moved = KeyStand(stand.engine)
    moved.keys._repeats = repeats_of(stand.engine, dataclasses.replace(PEPPERS, current=other))
    with pytest.raises(Conflict, match=f"{made.key.id} was made.*Regenerate"):
        await moved.keys.create(caller, NewKey(account.id, "live-dns-sync"))


async def test_no_database_is_no_answer(stand: KeyStand) -> None:
    """While SQL is away nothing is done, nothing is announced, and nothing is called unknown."""
    engine: AsyncEngine = open_engine(f"postgresql://u@127.0.0.1:{free_port()}/d")
    away = KeyStand(engine)
    for asked in (
        away.keys.revoke(OPERATOR, "key_1"),
        away.keys.show(OPERATOR, "key_1"),
        away.keys.list(OPERATOR, KeyFilter(), PageRequest()),
        away.keys.create(OPERATOR, NewKey("acc_1", "live-dns-sync")),
    ):
        with pytest.raises(StoreError):
            await asked

    assert away.listeners.heard == []
    await engine.dispose()


async def test_a_list_without_keys(stand: KeyStand) -> None:
    """There is nothing, and no next page."""
    assert await stand.keys.list(OPERATOR, KeyFilter(), PageRequest()) == Page(())
