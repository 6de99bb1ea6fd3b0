"""A change that cannot be finished: nothing of it is left, whatever breaks and wherever."""

import asyncio
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import pytest
from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.core.caller import Role
from admin.migrations.metadata import METADATA
from admin.services.accounts import AccountChange, AccountView
from admin.services.tokens import NewToken
from admin.services.users import NewUser, UserChange, UserView
from gateway.core.changes import Receipt
from gateway.core.errors import StoreError
from gateway.stores.sql_engine import database_path, open_engine
from tests.admin.world import OPERATOR, World, caller_of
from tests.fixtures_sql import Postgres

Change = Callable[[World, AccountView, UserView], Awaitable[object]]
CALLER = caller_of(Role.ADMIN, key="k")
CHANGES: dict[str, tuple[Change, set[str]]] = {
    "create an account": (
        lambda world, *_: world.accounts.create(CALLER, "Grace"),
        {"idempotency", "accounts", "audit_entries", "audit_head"},
    ),
    "suspend": (
        lambda world, account, _: world.accounts.change(
            OPERATOR, account.id, AccountChange(status="suspended")
        ),
        {"accounts", "audit_entries", "events", "audit_head"},
    ),
    "deny": (
        lambda world, account, _: world.accounts.deny_access(CALLER, account.id, "no"),
        {"idempotency", "accounts", "audit_entries", "events", "audit_head"},
    ),
    "create a user": (
        lambda world, *_: world.users.create(CALLER, NewUser("g@example.com", "G", "admin")),
        {"idempotency", "users", "audit_entries", "audit_head"},
    ),
    "disable a user": (
        lambda world, _, user: world.users.change(OPERATOR, user.id, UserChange(status="disabled")),
        {"users", "audit_entries", "events", "audit_head"},
    ),
    "create a token": (
        lambda world, *_: world.tokens.create(CALLER, NewToken("ci", "admin")),
        {"idempotency", "admin_tokens", "audit_entries", "audit_head"},
    ),
}


@pytest.fixture
def world(sql_engine: AsyncEngine) -> World:
    """The services on a real database."""
    return World(sql_engine)


@pytest.fixture
async def account(world: World) -> AccountView:
    """Somebody's account."""
    return await world.accounts.create(OPERATOR, "Ada")


@pytest.fixture
async def user(world: World, account: AccountView) -> UserView:
    """A member of it, with a key."""
    made = await world.users.create(
        OPERATOR, NewUser("ada@example.com", "Ada", "member", account.id)
    )
    await world.key(account.id, 1, made.id)
    return made


async def everything(world: World) -> dict[str, Sequence[Any]]:
    """All rows of all tables."""
    return {table.name: await world.rows(table) for table in METADATA.sorted_tables}


async def broken(world: World, table: Table) -> None:
    """From now on, nothing can be written to the table."""
    if world.engine.dialect.name == "sqlite":
        statements = [
            f"CREATE TRIGGER broken_{event} BEFORE {event} ON {table.name}"
            f" BEGIN SELECT RAISE(ABORT, 'broken'); END"
            for event in ("INSERT", "UPDATE")
        ]
    else:
        statements = [
            "CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql"
            " AS $$ BEGIN RAISE EXCEPTION 'broken'; END $$",
            f"CREATE TRIGGER broken BEFORE INSERT OR UPDATE ON {table.name}"
            " FOR EACH ROW EXECUTE FUNCTION broken()",
        ]
    await world.run(*statements)


async def mended(world: World, table: Table) -> None:
    """Undo `broken`."""
    if world.engine.dialect.name == "sqlite":
        await world.run("DROP TRIGGER broken_INSERT", "DROP TRIGGER broken_UPDATE")
    else:
        await world.run(f"DROP TRIGGER broken ON {table.name}", "DROP FUNCTION broken")


@pytest.mark.parametrize(
    ("change", "name"),
    [
        pytest.param(change, name, id=f"{change}-{name}")
        for change, (_, writes) in CHANGES.items()
        for name in sorted(writes)
    ],
)
async def test_a_write_that_fails_takes_all_others_back(
    world: World, account: AccountView, user: UserView, change: str, name: str
) -> None:
    """Whichever table cannot be written, no other is; nobody is told; and asked again, the change is done once."""
    act, _ = CHANGES[change]
    table = METADATA.tables[name]
    before = await everything(world)
    await broken(world, table)
    with pytest.raises(StoreError, match="sql"):
        await act(world, account, user)
    after = await everything(world)
    await mended(world, table)

    assert after == before
    assert world.listeners.heard == []
    await act(world, account, user)
    assert (await world.records.verify_audit(OPERATOR)).ok
    assert len((await everything(world))["audit_entries"]) == len(before["audit_entries"]) + 1


async def kill_whoever_waits(guard: Any) -> None:  # noqa: ANN401 -- asyncpg has no types
    """End the connections that wait for a lock, as soon as there are some."""
    async with asyncio.timeout(5):
        while not (  # noqa: ASYNC110 -- another process sets no event
            waiting := await guard.fetch(
                "SELECT pid FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
        ):
            await asyncio.sleep(0.01)
    for row in waiting:
        await guard.execute("SELECT pg_terminate_backend($1)", row["pid"])


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_a_killed_backend(
    world: World, account: AccountView, user: UserView, postgres: Postgres
) -> None:
    """PostgreSQL goes away in the middle of a change: all of it is undone, and the next one works."""
    name = world.engine.url.database
    guard = await asyncpg.connect(
        host="127.0.0.1", port=postgres.port, user="keywright", database=name
    )
    before = await everything(world)
    try:
        # The end of the chain is taken last, so whoever waits for it has written all the rest.
        holding = guard.transaction()
        await holding.start()
        await guard.execute("SELECT * FROM audit_head FOR UPDATE")
        changing = asyncio.gather(
            world.accounts.deny_access(CALLER, account.id, "no"), return_exceptions=True
        )
        await kill_whoever_waits(guard)
        (outcome,) = await changing
        await holding.rollback()
    finally:
        await guard.close()

    assert isinstance(outcome, StoreError)
    assert await everything(world) == before
    assert world.listeners.heard == []
    changed, _ = await world.accounts.deny_access(CALLER, account.id, "no")
    assert changed.version == 2


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_a_locked_file(world: World, account: AccountView, user: UserView) -> None:
    """Somebody holds the SQLite file: the change is refused within its deadline, with nothing written."""
    path = database_path(world.engine.url.render_as_string())
    assert path is not None
    impatient = World(open_engine(world.engine.url.render_as_string(), busy_seconds=0.05))
    before = await everything(world)
    guard = sqlite3.connect(path, isolation_level=None)
    try:
        guard.execute("BEGIN IMMEDIATE")
        for act, _ in CHANGES.values():
            with pytest.raises(StoreError, match="SQLITE_BUSY"):
                await act(impatient, account, user)
        guard.execute("ROLLBACK")
    finally:
        guard.close()
        await impatient.engine.dispose()

    assert await everything(world) == before
    assert impatient.listeners.heard == []


async def test_a_caller_who_gives_up(world: World, account: AccountView, user: UserView) -> None:
    """A request that is cancelled at any moment is done as a whole or not at all."""
    threads = set(threading.enumerate())
    outcomes = set()
    for number in range(12):
        before = await everything(world)
        task = asyncio.gather(
            world.accounts.change(OPERATOR, account.id, AccountChange(name=f"Ada {number}")),
            return_exceptions=True,
        )
        for _ in range(number * 4):
            await asyncio.sleep(0)
        # It may have got through by now.
        if task.cancel():
            with pytest.raises(asyncio.CancelledError):
                await task
        after = await everything(world)
        is_done = after["accounts"] != before["accounts"]
        grown = len(after["audit_entries"]) - len(before["audit_entries"])
        assert grown == int(is_done)
        assert (await world.records.verify_audit(OPERATOR)).ok
        outcomes.add(is_done)

    assert False in outcomes
    await world.engine.dispose()
    # A thread of SQLite's that was given up still waits for its lock; it is not to outlive this loop.
    async with asyncio.timeout(10):
        while set(threading.enumerate()) - threads:  # noqa: ASYNC110 -- a thread sets no event
            await asyncio.sleep(0.01)


async def test_sql_goes_away_after_the_commit(
    world: World, account: AccountView, user: UserView
) -> None:
    """A change that is done but cannot be told is answered with a receipt that says so, not as if undone."""
    await world.run("ALTER TABLE secrets RENAME TO away")
    suspended = await world.accounts.change(OPERATOR, account.id, AccountChange(status="suspended"))
    disabled = await world.users.change(OPERATOR, user.id, UserChange(status="disabled"))

    assert suspended.account.status == "suspended"
    assert disabled.user.status == "disabled"
    for receipt in (suspended.receipt, disabled.receipt):
        assert receipt == Receipt(0, 0, 0, is_announced=False)
