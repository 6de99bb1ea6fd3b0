"""Accounts: made, listed, changed, let through and shut out, as the command line, the API and the console do it."""

import dataclasses
import json
from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.core.caller import Caller, Role
from admin.core.faults import Changed, Conflict, NotAllowed, NotFound
from admin.core.page import PAGE_MAX, PageRequest
from admin.services.accounts import AccountChange, AccountFilter, AccountView
from gateway.core.changes import Change
from gateway.core.errors import KeywrightError, Misuse
from gateway.core.keys import ApiAccess
from gateway.stores.tables import accounts, audit_entries, events
from tests.admin.world import OPERATOR, World, caller_of
from tests.hostile import HOSTILE

ALL = PageRequest(PAGE_MAX)


@pytest.fixture
def world(sql_engine: AsyncEngine) -> World:
    """The services on a real database."""
    return World(sql_engine)


@pytest.fixture
async def account(world: World) -> AccountView:
    """Somebody's account."""
    return await world.accounts.create(OPERATOR, "Ada")


async def listed(world: World, **wanted: object) -> list[str]:
    """The names of the accounts that fit."""
    found = await world.accounts.list(OPERATOR, AccountFilter(**wanted), ALL)  # type: ignore[arg-type]
    return [each.name for each in found.items]


async def actions(world: World) -> list[str]:
    """What the audit log says was done, in its order."""
    return [row.action for row in await world.rows(audit_entries)]


async def told(world: World) -> list[str]:
    """The kinds of the events, in their order."""
    return [row.kind for row in await world.rows(events)]


async def test_a_new_account(world: World) -> None:
    """An account has the plan it was given, else the default one; what was made is what is shown."""
    first = await world.accounts.create(OPERATOR, "Ada", plan="vps")
    second = await world.accounts.create(OPERATOR, "Grace")

    assert (first.plan, second.plan) == ("vps", "starter")
    assert (first.status, first.api_access, first.version) == ("active", ApiAccess.APPROVED, 1)
    assert first.id.startswith("acc_")
    assert first.id != second.id
    assert await world.accounts.show(OPERATOR, first.id) == first


async def test_access_has_to_be_asked_for_where_it_is_configured(sql_engine: AsyncEngine) -> None:
    """With accounts.default_api_access `disabled`, nobody calls the API before somebody said yes."""
    world = World(sql_engine, ApiAccess.DISABLED)

    assert (await world.accounts.create(OPERATOR, "Ada")).api_access is ApiAccess.DISABLED


@pytest.mark.parametrize("name", ["", " ", "a" * 101, "two\nlines", "\x1b[31mred", "half \ud800"])
async def test_a_name_that_nobody_could_read(world: World, account: AccountView, name: str) -> None:
    """A name is one line that can be printed; otherwise nothing is written."""
    with pytest.raises(Misuse, match="printable"):
        await world.accounts.create(OPERATOR, name)
    with pytest.raises(Misuse, match="printable"):
        await world.accounts.change(OPERATOR, account.id, AccountChange(name=name))

    assert await listed(world) == ["Ada"]


async def test_an_unknown_plan(world: World, account: AccountView) -> None:
    """A plan that the configuration does not know is refused with those that it does."""
    with pytest.raises(Misuse, match=r"no plan 'stater'.*starter, vps"):
        await world.accounts.create(OPERATOR, "Grace", plan="stater")
    with pytest.raises(Misuse, match=r"no plan 'stater'.*starter, vps"):
        await world.accounts.change(OPERATOR, account.id, AccountChange(plan="stater"))

    assert await listed(world) == ["Ada"]


async def test_lists_go_on_where_they_ended(world: World) -> None:
    """Page after page, every account is shown once, oldest first, also those of one moment."""
    names = []
    for number in range(7):
        names.append(f"account {number}")
        await world.accounts.create(OPERATOR, names[-1])
        if number % 3 == 0:
            world.clock.advance(1)
    everything = await world.accounts.list(OPERATOR, AccountFilter(), ALL)
    pages: list[tuple[AccountView, ...]] = []
    cursor = None
    while not pages or cursor is not None:
        page = await world.accounts.list(OPERATOR, AccountFilter(), PageRequest(2, cursor))
        pages.append(page.items)
        cursor = page.next_cursor

    assert [len(each) for each in pages] == [2, 2, 2, 1]
    assert sum(pages, ()) == everything.items
    assert sorted(each.name for each in everything.items) == names
    assert [each.created_at for each in everything.items] == sorted(
        each.created_at for each in everything.items
    )


@pytest.mark.parametrize("cursor", ["", "x", "W10", "WyJhY2NvdW50cy5jcmVhdGVkIiwgImEiLCAiYiJd"])
async def test_a_made_up_cursor(world: World, cursor: str) -> None:
    """Whatever is handed in as a cursor is answered with what to do, never with a fault of ours."""
    with pytest.raises(Misuse, match="cursor"):
        await world.accounts.list(OPERATOR, AccountFilter(), PageRequest(2, cursor))


async def test_lists_are_searched(world: World) -> None:
    """Part of a name finds it, in either case, and no character of it means something else."""
    for name in ("Acme GmbH", "100% Cotton", "Under_score", "back\\slash"):
        await world.accounts.create(OPERATOR, name, plan="vps")
    other = await world.accounts.create(OPERATOR, "Other")
    await world.accounts.change(OPERATOR, other.id, AccountChange(status="suspended"))
    await world.accounts.disable_access(OPERATOR, other.id)

    assert await listed(world, search="acme") == ["Acme GmbH"]
    assert await listed(world, search="%") == ["100% Cotton"]
    assert await listed(world, search="_") == ["Under_score"]
    assert await listed(world, search="\\") == ["back\\slash"]
    assert await listed(world, search=other.id) == ["Other"]
    assert await listed(world, search=other.id[:-1]) == []
    assert await listed(world, plan="starter") == ["Other"]
    assert await listed(world, status="suspended") == ["Other"]
    assert await listed(world, api_access=ApiAccess.DISABLED) == ["Other"]
    assert await listed(world, plan="vps", status="suspended") == []


async def test_hostile_words_in_a_search(world: World, account: AccountView) -> None:
    """No text that is searched for is run, or breaks anything."""
    answered = 0
    for text in HOSTILE:
        if text and not (text.isprintable() and len(text) <= 200):
            with pytest.raises(Misuse, match="printable"):
                await listed(world, search=text)
            continue
        assert await listed(world, search=text) in ([], ["Ada"])
        assert await listed(world, plan=text) == []
        answered += 1

    assert answered > 100


async def test_what_does_not_exist(world: World) -> None:
    """An id that names nothing is told as such, with the way to those that exist."""
    for ask in (
        world.accounts.show(OPERATOR, "acc_0"),
        world.accounts.change(OPERATOR, "acc_0", AccountChange(name="x")),
        world.accounts.request_access(OPERATOR, "acc_0"),
        world.accounts.approve_access(OPERATOR, "acc_0"),
        world.accounts.deny_access(OPERATOR, "acc_0", "no"),
        world.accounts.disable_access(OPERATOR, "acc_0"),
    ):
        with pytest.raises(NotFound, match=r"no account acc_0.*accounts list"):
            await ask

    assert await actions(world) == []


async def test_a_change_is_written_down(world: World, account: AccountView) -> None:
    """What differs is told with what was; what is the same is left out; the version grows."""
    world.clock.advance(5)
    change = AccountChange(name="Ada Ltd", plan="vps", status="active")
    changed, receipt = await world.accounts.change(OPERATOR, account.id, change)
    entry = (await world.rows(audit_entries))[-1]

    assert changed == dataclasses.replace(
        account, name="Ada Ltd", plan="vps", version=2, updated_at=account.updated_at + 5
    )
    assert await world.accounts.show(OPERATOR, account.id) == changed
    assert (entry.action, entry.actor_kind, entry.actor_id) == (
        "account.update",
        "operator",
        "tests",
    )
    assert (entry.target_kind, entry.target_id, entry.account_id) == (
        "account",
        account.id,
        account.id,
    )
    assert json.loads(entry.before) == {"name": "Ada", "plan": "starter"}
    assert json.loads(entry.after) == {"name": "Ada Ltd", "plan": "vps"}
    assert receipt is not None


async def test_nothing_to_change(world: World, account: AccountView) -> None:
    """What is so already is no change: no version, no entry."""
    same, receipt = await world.accounts.change(OPERATOR, account.id, AccountChange(name="Ada"))

    assert (same, receipt) == (account, None)
    assert await actions(world) == ["account.create"]


async def test_somebody_else_was_faster(world: World, account: AccountView) -> None:
    """Who changes what they have not seen is told so, and nothing is written."""
    await world.accounts.change(OPERATOR, account.id, AccountChange(name="Ada 2"), expected=1)
    for ask in (
        world.accounts.change(OPERATOR, account.id, AccountChange(name="Ada 3"), expected=1),
        world.accounts.disable_access(OPERATOR, account.id, expected=1),
    ):
        with pytest.raises(Changed, match="meanwhile"):
            await ask

    assert await listed(world) == ["Ada 2"]
    assert (await world.accounts.show(OPERATOR, account.id)).version == 2


@pytest.mark.parametrize(
    ("change", "kinds"),
    [
        pytest.param(AccountChange(status="suspended"), ["account.suspended"], id="suspended"),
        pytest.param(AccountChange(plan="vps"), [], id="another-plan"),
    ],
)
async def test_what_decides_about_requests_is_felt_at_once(
    world: World, account: AccountView, change: AccountChange, kinds: list[str]
) -> None:
    """Every secret of the account that could be cached is told, once SQL has the new state, at its own version."""
    first = await world.key(account.id, 1)
    second = await world.key(account.id, 2, version=7)
    await world.key(account.id, 3, status="revoked")
    other = await world.accounts.create(OPERATOR, "Grace")
    await world.key(other.id, 4)
    changed, receipt = await world.accounts.change(OPERATOR, account.id, change)
    ((news, buried),) = world.listeners.heard

    assert news == Change(2, account_id=account.id)
    assert buried == {first: 3, second: 9}
    assert world.listeners.in_sql[first].version == 3
    assert world.listeners.in_sql[first].account.plan == changed.plan
    assert receipt is not None
    assert receipt.acknowledged == 2
    assert await told(world) == kinds


async def test_suspended_and_back(world: World, account: AccountView) -> None:
    """Being suspended shuts out, whatever was decided on access, and ends without a new decision."""
    secret = await world.key(account.id)
    await world.accounts.change(OPERATOR, account.id, AccountChange(status="suspended"))
    suspended = await world.found(secret)
    await world.accounts.change(OPERATOR, account.id, AccountChange(status="active"))
    back = await world.found(secret)

    assert suspended.account.api_access is not ApiAccess.APPROVED
    assert back.account.api_access is ApiAccess.APPROVED
    assert await told(world) == ["account.suspended", "account.resumed"]


async def test_a_receipt_for_whoever_asks_again(world: World, account: AccountView) -> None:
    """When the answer to a suspension was lost, asking again proves that it is enforced, and changes nothing."""
    change = AccountChange(status="suspended")
    first = await world.accounts.change(OPERATOR, account.id, change)
    second = await world.accounts.change(OPERATOR, account.id, change)

    assert second == first
    assert len(world.listeners.heard) == 2
    assert await actions(world) == ["account.create", "account.update"]


async def test_the_way_to_access(sql_engine: AsyncEngine) -> None:
    """Asked for by a member, denied with a reason, asked for again, approved, switched off: each told once."""
    world = World(sql_engine, ApiAccess.DISABLED)
    account = await world.accounts.create(OPERATOR, "Ada")
    secret = await world.key(account.id)
    member = caller_of(Role.MEMBER, account.id)
    seen = []
    for step in (
        world.accounts.request_access(member, account.id, "for our status page"),
        world.accounts.deny_access(OPERATOR, account.id, "no contract"),
        world.accounts.request_access(member, account.id),
        world.accounts.approve_access(OPERATOR, account.id),
        world.accounts.disable_access(OPERATOR, account.id, "unpaid"),
    ):
        world.clock.advance(1)
        changed, receipt = await step
        key = await world.found(secret)
        assert key.account.api_access is changed.api_access
        assert changed.api_access_changed_at == world.clock.now()
        seen.append((changed.api_access.value, changed.api_access_reason, receipt is not None))

    assert seen == [
        ("requested", "for our status page", False),
        ("denied", "no contract", True),
        ("requested", None, False),
        ("approved", None, True),
        ("disabled", "unpaid", True),
    ]
    assert await actions(world) == [
        "account.create",
        "access.request",
        "access.deny",
        "access.request",
        "access.approve",
        "access.disable",
    ]
    rows = await world.rows(events)
    assert [row.kind for row in rows] == [
        "access.requested",
        "access.denied",
        "access.requested",
        "access.approved",
        "access.disabled",
    ]
    assert json.loads(rows[1].data) == {"name": "Ada", "reason": "no contract", "by": "tests"}
    assert {row.account_id for row in rows} == {account.id}


@pytest.mark.parametrize("state", list(ApiAccess))
async def test_every_step_from_every_state(
    world: World, account: AccountView, state: ApiAccess
) -> None:
    """Access can be decided on from any state, and asked for only by who has not got it."""
    await world.put(accounts, api_access=state.value)
    for step, becomes in (
        (world.accounts.approve_access, ApiAccess.APPROVED),
        (world.accounts.deny_access, ApiAccess.DENIED),
        (world.accounts.disable_access, ApiAccess.DISABLED),
    ):
        changed, _ = await step(OPERATOR, account.id, "a word")
        assert changed.api_access is becomes
        await world.put(accounts, api_access=state.value)
    before = len(await world.rows(audit_entries))
    if state is ApiAccess.APPROVED:
        with pytest.raises(Conflict, match="has API access"):
            await world.accounts.request_access(OPERATOR, account.id)
    else:
        changed, _ = await world.accounts.request_access(OPERATOR, account.id)
        assert changed.api_access is ApiAccess.REQUESTED
    written = len(await world.rows(audit_entries)) - before

    assert written == (1 if state in {ApiAccess.DISABLED, ApiAccess.DENIED} else 0)


async def test_said_again(world: World, account: AccountView) -> None:
    """The same decision again is nothing new; another reason for it is."""
    await world.accounts.deny_access(OPERATOR, account.id, "first")
    await world.accounts.deny_access(OPERATOR, account.id, "first")
    changed, _ = await world.accounts.deny_access(OPERATOR, account.id, "second")

    assert changed.api_access_reason == "second"
    assert await actions(world) == ["account.create", "access.deny", "access.deny"]


@pytest.mark.parametrize("reason", ["", "  ", "\n"])
async def test_no_without_a_reason(world: World, account: AccountView, reason: str) -> None:
    """Nobody is denied access without being told why."""
    with pytest.raises(Misuse, match="why"):
        await world.accounts.deny_access(OPERATOR, account.id, reason)

    assert (await world.accounts.show(OPERATOR, account.id)).api_access is ApiAccess.APPROVED


@pytest.mark.parametrize("reason", ["x" * 1001, "bell \a", "\x1b[2J", "half \ud800", "nul \0"])
async def test_a_reason_that_nobody_could_read(
    world: World, account: AccountView, reason: str
) -> None:
    """A reason is a text for people, and breaks neither a terminal nor a database."""
    with pytest.raises(Misuse, match="printable"):
        await world.accounts.deny_access(OPERATOR, account.id, reason)


async def test_what_each_role_may(world: World, account: AccountView) -> None:
    """A member asks for access, an admin does all, a viewer only looks."""
    steps: dict[str, Callable[[Caller], Awaitable[object]]] = {
        "create": lambda caller: world.accounts.create(caller, "x"),
        "list": lambda caller: world.accounts.list(caller, AccountFilter(), ALL),
        "show": lambda caller: world.accounts.show(caller, account.id),
        "change": lambda caller: world.accounts.change(caller, account.id, AccountChange(name="x")),
        "disable": lambda caller: world.accounts.disable_access(caller, account.id),
        "request": lambda caller: world.accounts.request_access(caller, account.id),
        "deny": lambda caller: world.accounts.deny_access(caller, account.id, "no"),
        "approve": lambda caller: world.accounts.approve_access(caller, account.id),
    }
    allowed = {
        Role.ADMIN: set(steps),
        Role.MEMBER: {"list", "show", "request"},
        Role.VIEWER: {"list", "show"},
    }
    for role, may in allowed.items():
        caller = caller_of(role, None if role is Role.ADMIN else account.id)
        done = set()
        await world.put(accounts, api_access="disabled")
        for name, step in steps.items():
            try:
                await step(caller)
                done.add(name)
            except NotAllowed as error:
                assert "permission" in str(error)  # noqa: PT017 -- each refusal is looked at
        assert done == may, role


async def test_another_account_cannot_be_told_from_none(world: World, account: AccountView) -> None:
    """Whoever belongs to one account learns nothing of others: the answers are those for an id that names nothing."""
    other = await world.accounts.create(OPERATOR, "Grace")
    member = caller_of(Role.MEMBER, account.id)
    narrowed_admin = caller_of(Role.ADMIN, account.id)
    for caller, ask in (
        (member, world.accounts.show),
        (member, world.accounts.request_access),
        (narrowed_admin, world.accounts.disable_access),
        (narrowed_admin, world.accounts.approve_access),
    ):
        said = []
        for account_id in (other.id, "acc_0"):
            with pytest.raises(NotFound) as raised:
                await ask(caller, account_id)
            said.append(str(raised.value).replace(account_id, "ID"))
        assert said[0] == said[1]
    found = await world.accounts.list(member, AccountFilter(), ALL)
    wanted = await world.accounts.list(member, AccountFilter(account_id=other.id), ALL)

    assert [each.id for each in found.items] == [account.id]
    assert wanted.items == ()
    with pytest.raises(NotAllowed):
        await world.accounts.create(narrowed_admin, "Mine")


async def test_every_fault_has_words(world: World) -> None:
    """What cannot be is told in a sentence, whoever asks."""
    for ask in (
        world.accounts.show(OPERATOR, "nothing"),
        world.accounts.create(OPERATOR, ""),
        world.accounts.create(caller_of(Role.VIEWER, "acc_1"), "x"),
    ):
        with pytest.raises(KeywrightError, match=r"^\S.*\.$"):
            await ask
