"""Users: who may use the control plane, and that their keys never hold more than they may do."""

import asyncio
import dataclasses
import json
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.core.caller import Role
from admin.core.faults import Changed, Conflict, NotAllowed, NotFound
from admin.core.page import PAGE_MAX, PageRequest
from admin.services.accounts import AccountView
from admin.services.users import NewUser, UserChange, UserFilter, UserView
from gateway.core.changes import Change
from gateway.core.errors import Misuse
from gateway.core.keys import KeyStatus, narrowed
from gateway.stores.tables import audit_entries, events
from tests.admin.world import OPERATOR, World, caller_of
from tests.hostile import HOSTILE

ALL = PageRequest(PAGE_MAX)


@pytest.fixture
def world(sql_engine: AsyncEngine) -> World:
    """The services on a real database."""
    return World(sql_engine)


@pytest.fixture
async def account(world: World) -> AccountView:
    """The account of the users."""
    return await world.accounts.create(OPERATOR, "Ada")


@pytest.fixture
async def member(world: World, account: AccountView) -> UserView:
    """Somebody who manages keys of the account."""
    return await world.users.create(
        OPERATOR, NewUser("ada@example.com", "Ada", Role.MEMBER, account.id)
    )


async def actions(world: World) -> list[str]:
    """What the audit log says was done to users, in its order."""
    rows = await world.rows(audit_entries)
    return [row.action for row in rows if row.target_kind == "user"]


async def test_a_new_user(world: World, account: AccountView, member: UserView) -> None:
    """What was made is what is shown, and who made it is written down."""
    entry = (await world.rows(audit_entries))[-1]

    assert await world.users.show(OPERATOR, member.id) == member
    assert (member.role, member.account_id, member.scopes) == (Role.MEMBER, account.id, None)
    assert (member.status, member.version) == ("active", 1)
    assert (entry.action, entry.target_id, entry.account_id) == (
        "user.create",
        member.id,
        account.id,
    )
    assert json.loads(entry.after) == {
        "email": "ada@example.com",
        "name": "Ada",
        "role": "member",
        "account": account.id,
        "status": "active",
    }


@pytest.mark.parametrize(
    ("role", "has_account", "words"),
    [
        pytest.param("admin", False, None, id="admin"),
        pytest.param("admin", True, "no account", id="admin-of-an-account"),
        pytest.param("member", True, None, id="member"),
        pytest.param("member", False, "say which", id="member-of-nothing"),
        pytest.param("viewer", True, None, id="viewer-of-an-account"),
        pytest.param("viewer", False, None, id="viewer-of-all"),
        pytest.param("owner", True, "no role 'owner'", id="unknown-role"),
    ],
)
async def test_roles_and_accounts(
    world: World, account: AccountView, role: str, has_account: bool, words: str | None
) -> None:
    """A member belongs to an account, an admin to none, a viewer to one or to none."""
    new = NewUser("x@example.com", "X", role, account.id if has_account else None)
    if words is None:
        made = await world.users.create(OPERATOR, new)
        assert made.account_id == new.account_id
        return
    with pytest.raises(Misuse, match=words):
        await world.users.create(OPERATOR, new)
    assert (await world.users.list(OPERATOR, UserFilter(), ALL)).items == ()


async def test_an_account_that_is_not_there(world: World) -> None:
    """A user of no account is not made."""
    for account_id in ("acc_0", "nothing", ""):
        with pytest.raises(NotFound, match="acc"):
            await world.users.create(
                OPERATOR, NewUser("x@example.com", "X", Role.MEMBER, account_id)
            )

    assert await actions(world) == []


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("ada@example.com", "ada@example.com"),
        (" Ada.Lovelace+api@Example.COM ", "ada.lovelace+api@example.com"),
        ("o'brien@mail.example.co.uk", "o'brien@mail.example.co.uk"),
        ("jürgen@münchen.example", "jürgen@münchen.example"),
    ],
)
async def test_addresses_that_exist(world: World, text: str, kept: str) -> None:
    """Whoever has an odd address can be a user; two spellings of one address are one."""
    assert (await world.users.create(OPERATOR, NewUser(text, "X", "admin"))).email == kept
    with pytest.raises(Conflict, match="already"):
        await world.users.create(OPERATOR, NewUser(kept.upper(), "Y", "admin"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ada",
        "@example.com",
        "ada@",
        "ada@localhost",
        "ada@example..com",
        "ada@-example.com",
        "ada@exam ple.com",
        "ada@example.com.",
        "ada lovelace@example.com",
        ".ada@example.com",
        "a..b@example.com",
        "ada@b@example.com",
        "Ada <ada@example.com>",
        "ada@example.com\nBcc: all@example.com",
        f"{'a' * 65}@example.com",
        f"a@{'b' * 250}.com",
        "half\ud800@example.com",
    ],
)
async def test_addresses_that_cannot_be(world: World, text: str) -> None:
    """What could never be written to is a typing error, told as one."""
    with pytest.raises(Misuse, match="e-mail address"):
        await world.users.create(OPERATOR, NewUser(text, "X", "admin"))


async def test_one_address_at_once(world: World) -> None:
    """Of several who make a user of one address at the same moment, one does."""
    made = await asyncio.gather(
        *(
            world.users.create(OPERATOR, NewUser("ada@example.com", f"{n}", "admin"))
            for n in range(8)
        ),
        return_exceptions=True,
    )

    assert sum(isinstance(each, UserView) for each in made) == 1
    assert sum(isinstance(each, Conflict) for each in made) == 7
    assert await actions(world) == ["user.create"]


async def test_scopes_of_the_configuration(world: World, account: AccountView) -> None:
    """A member is narrowed to scopes that exist, each once; nobody else can be."""
    new = NewUser("x@example.com", "X", "member", account.id, ["dns-only", "dns-only"])

    assert (await world.users.create(OPERATOR, new)).scopes == ("dns-only",)
    with pytest.raises(Misuse, match=r"no scope 'dsn-only'.*read-only"):
        await world.users.create(OPERATOR, dataclasses.replace(new, scopes=["dsn-only"]))
    for role in ("admin", "viewer"):
        with pytest.raises(Misuse, match="member"):
            await world.users.create(
                OPERATOR, NewUser("y@example.com", "Y", role, None, ["dns-only"])
            )


async def test_users_are_searched(world: World, account: AccountView, member: UserView) -> None:
    """By part of the name or address, account, role or status; page after page."""
    other = await world.accounts.create(OPERATOR, "Grace")
    grace = await world.users.create(
        OPERATOR, NewUser("grace@navy.example", "Rear Admiral", "viewer", other.id)
    )
    root = await world.users.create(OPERATOR, NewUser("root@example.com", "Root", "admin"))
    await world.users.change(OPERATOR, root.id, UserChange(status="disabled"))

    async def found(**wanted: Any) -> set[str]:  # noqa: ANN401 -- fields of the filter
        return {
            each.id for each in (await world.users.list(OPERATOR, UserFilter(**wanted), ALL)).items
        }

    assert await found() == {member.id, grace.id, root.id}
    assert await found(search="EXAMPLE.com") == {member.id, root.id}
    assert await found(search="admiral") == {grace.id}
    assert await found(search=grace.id) == {grace.id}
    assert await found(account_id=other.id) == {grace.id}
    assert await found(role=Role.ADMIN) == {root.id}
    assert await found(status="disabled") == {root.id}
    pages = []
    cursor = None
    for _ in range(3):
        page = await world.users.list(OPERATOR, UserFilter(), PageRequest(1, cursor))
        pages += [each.id for each in page.items]
        cursor = page.next_cursor
    assert cursor is None
    assert set(pages) == await found()
    for text in HOSTILE[::3]:
        if not text or text.isprintable():
            assert await found(account_id=text[:200]) <= {grace.id}


@pytest.mark.parametrize(
    ("change", "left"),
    [
        pytest.param(UserChange(scopes=["dns-only"]), ("dns-only",), id="scopes"),
        pytest.param(UserChange(scopes=[]), (), id="no-scope-at-all"),
        pytest.param(UserChange(role="viewer"), (), id="made-a-viewer"),
    ],
)
async def test_narrowing_narrows_the_keys_at_once(
    world: World, account: AccountView, member: UserView, change: UserChange, left: tuple[str, ...]
) -> None:
    """A user's keys hold no more than the user may do, from the moment that the change is answered."""
    own = await world.key(account.id, 1, member.id)
    await world.key(account.id, 2)
    both = ("read-only", "dns-only")
    before = await world.found(own)
    changed, receipt = await world.users.change(OPERATOR, member.id, change)
    ((news, buried),) = world.listeners.heard
    after = await world.found(own)

    assert narrowed(before.scopes, before.owner, None) == both
    assert narrowed(after.scopes, after.owner, None) == left
    assert news == Change(after.version, key_id="key_1")
    assert buried == {own: after.version}
    assert after.version == before.version + 1
    assert world.listeners.in_sql[own] == after
    assert receipt is not None
    assert changed.version == 2


async def test_lifting_the_narrowing(world: World, account: AccountView, member: UserView) -> None:
    """Scopes of None are all again, at once, too."""
    own = await world.key(account.id, 1, member.id)
    await world.users.change(OPERATOR, member.id, UserChange(scopes=["dns-only"]))
    changed, receipt = await world.users.change(OPERATOR, member.id, UserChange(scopes=None))
    key = await world.found(own)

    assert changed.scopes is None
    assert receipt is not None
    assert narrowed(key.scopes, key.owner, None) == key.scopes
    assert len(world.listeners.heard) == 2


async def test_a_disabled_users_keys_end(
    world: World, account: AccountView, member: UserView
) -> None:
    """Who leaves takes all their keys along, at once; who comes back has them again."""
    secrets = [await world.key(account.id, number, member.id) for number in (1, 2, 3)]
    _, receipt = await world.users.change(OPERATOR, member.id, UserChange(status="disabled"))
    ((news, buried),) = world.listeners.heard
    stopped = [(await world.found(each)).status for each in secrets]
    await world.users.change(OPERATOR, member.id, UserChange(status="active"))
    again = [(await world.found(each)).status for each in secrets]
    kinds = [row.kind for row in await world.rows(events)]

    assert news == Change(2, account_id=account.id)
    assert set(buried) == set(secrets)
    assert receipt is not None
    assert stopped == [KeyStatus.DISABLED] * 3
    assert again == [KeyStatus.ACTIVE] * 3
    assert kinds == ["user.disabled", "user.enabled"]


async def test_keys_in_many_accounts(world: World) -> None:
    """An admin's keys may be anywhere: each account hears of it, and nobody beyond."""
    admin = await world.users.create(OPERATOR, NewUser("root@example.com", "Root", "admin"))
    accounts = [await world.accounts.create(OPERATOR, f"{n}") for n in range(3)]
    for number, account in enumerate(accounts[:2]):
        await world.key(account.id, 2 * number, admin.id)
        await world.key(account.id, 2 * number + 1, admin.id)
    await world.key(accounts[2].id, 9)
    _, receipt = await world.users.change(OPERATOR, admin.id, UserChange(status="disabled"))
    news = {change.account_id: set(buried) for change, buried in world.listeners.heard}

    assert news == {
        accounts[0].id: {f"{0:012d}", f"{1:012d}"},
        accounts[1].id: {f"{2:012d}", f"{3:012d}"},
    }
    assert receipt is not None
    assert (receipt.workers, receipt.acknowledged) == (2, 2)


async def test_keys_in_very_many_accounts(world: World) -> None:
    """Beyond a handful of accounts, one piece of news tells the workers to forget everything."""
    admin = await world.users.create(OPERATOR, NewUser("root@example.com", "Root", "admin"))
    for number in range(17):
        account = await world.accounts.create(OPERATOR, f"{number}")
        await world.key(account.id, number, admin.id)
    await world.users.change(OPERATOR, admin.id, UserChange(status="disabled"))
    ((news, buried),) = world.listeners.heard

    assert news == Change(2)
    assert len(buried) == 17


async def test_nobody_to_tell(world: World, member: UserView) -> None:
    """Another name concerns no worker, nor does a user without keys."""
    renamed = await world.users.change(OPERATOR, member.id, UserChange(name="Ada L."))
    stopped = await world.users.change(OPERATOR, member.id, UserChange(status="disabled"))

    assert (renamed.receipt, stopped.receipt) == (None, None)
    assert renamed.user.name == "Ada L."
    assert world.listeners.heard == []


async def test_promoted_and_demoted(world: World, account: AccountView, member: UserView) -> None:
    """Who becomes an admin leaves the account; back to member needs one again; a narrowing outlasts both."""
    await world.users.change(OPERATOR, member.id, UserChange(scopes=["dns-only"]))
    admin, _ = await world.users.change(OPERATOR, member.id, UserChange(role="admin"))
    with pytest.raises(Misuse, match="say which"):
        await world.users.change(OPERATOR, member.id, UserChange(role="member"))
    with pytest.raises(NotFound, match="no account acc_0"):
        await world.users.change(OPERATOR, member.id, UserChange(role="member", account_id="acc_0"))
    back, _ = await world.users.change(
        OPERATOR, member.id, UserChange(role="member", account_id=account.id)
    )
    entry = (await world.rows(audit_entries))[-1]

    assert (admin.role, admin.account_id, admin.scopes) == (Role.ADMIN, None, ("dns-only",))
    assert (back.role, back.account_id, back.scopes) == (Role.MEMBER, account.id, ("dns-only",))
    assert json.loads(entry.before) == {"role": "admin", "account": None}
    assert json.loads(entry.after) == {"role": "member", "account": account.id}


async def test_nothing_to_change(world: World, member: UserView) -> None:
    """What is so already is no change: no version, no entry."""
    same, _ = await world.users.change(
        OPERATOR, member.id, UserChange(name="Ada", role="member", scopes=None, status="active")
    )

    assert same == member
    assert await actions(world) == ["user.create"]


async def test_somebody_else_was_faster(world: World, member: UserView) -> None:
    """Who changes what they have not seen is told so."""
    await world.users.change(OPERATOR, member.id, UserChange(name="Ada 2"), expected=1)
    with pytest.raises(Changed, match="meanwhile"):
        await world.users.change(OPERATOR, member.id, UserChange(name="Ada 3"), expected=1)

    assert (await world.users.show(OPERATOR, member.id)).name == "Ada 2"


async def test_nobody_raises_or_ends_themselves(world: World) -> None:
    """An admin cannot lock themselves out by a slip, and nobody gives themselves more."""
    admin = await world.users.create(OPERATOR, NewUser("root@example.com", "Root", "admin"))
    themselves = caller_of(Role.ADMIN, user_id=admin.id)
    for change in (UserChange(status="disabled"), UserChange(role="viewer")):
        with pytest.raises(Conflict, match="another admin"):
            await world.users.change(themselves, admin.id, change)
    renamed, _ = await world.users.change(themselves, admin.id, UserChange(name="Rooty"))

    assert renamed.name == "Rooty"


async def test_the_last_admin_can_go(world: World) -> None:
    """Whoever has a shell on the machine is an admin, too: no user is needed to keep the door open."""
    admin = await world.users.create(OPERATOR, NewUser("root@example.com", "Root", "admin"))
    gone, _ = await world.users.change(OPERATOR, admin.id, UserChange(status="disabled"))

    assert gone.status == "disabled"


async def test_only_admins_change_users(
    world: World, account: AccountView, member: UserView
) -> None:
    """A member sees who else is in the account, and changes nobody."""
    for role in (Role.MEMBER, Role.VIEWER):
        caller = caller_of(role, account.id)
        with pytest.raises(NotAllowed, match="users:write"):
            await world.users.create(caller, NewUser("x@example.com", "X", "admin"))
        with pytest.raises(NotAllowed, match="users:write"):
            await world.users.change(caller, member.id, UserChange(scopes=None))
        assert await world.users.show(caller, member.id) == member


async def test_users_of_others_cannot_be_told_from_none(
    world: World, account: AccountView, member: UserView
) -> None:
    """Whoever belongs to one account learns nothing of the people of others, admins among them."""
    other = await world.accounts.create(OPERATOR, "Grace")
    strangers = (
        NewUser("g@example.com", "G", "member", other.id),
        NewUser("r@example.com", "R", "admin"),
    )
    hidden = [(await world.users.create(OPERATOR, new)).id for new in strangers]
    for caller in (caller_of(Role.MEMBER, account.id), caller_of(Role.ADMIN, account.id)):
        said = set()
        for user_id in (*hidden, "usr_0"):
            with pytest.raises(NotFound) as raised:
                await world.users.show(caller, user_id)
            said.add(str(raised.value).replace(user_id, "ID"))
        assert len(said) == 1
        found = await world.users.list(caller, UserFilter(), ALL)
        assert [each.id for each in found.items] == [member.id]
        others = await world.users.list(caller, UserFilter(account_id=other.id), ALL)
        assert others.items == ()
    for user_id in (*hidden, "usr_0"):
        with pytest.raises(NotFound, match="no user"):
            await world.users.change(
                caller_of(Role.ADMIN, account.id), user_id, UserChange(name="x")
            )
    with pytest.raises(NotFound, match="no account"):
        await world.users.create(
            caller_of(Role.ADMIN, account.id), NewUser("y@example.com", "Y", "member", other.id)
        )
    with pytest.raises(NotAllowed):
        await world.users.create(
            caller_of(Role.ADMIN, account.id), NewUser("y@example.com", "Y", "admin")
        )
