"""Setting a database up and upgrading it: nothing is lost, and what cannot be is said in words."""

import asyncio
import dataclasses
import os
import sqlite3
import stat
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import alembic.command
import alembic.config
import pytest
from sqlalchemy import Connection, MetaData, Table, func, insert, inspect, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

import admin.migrations
from admin.migrations.metadata import METADATA
from admin.services.schema import ensure_schema, migrate
from admin.stores.migrate import upgrade
from gateway.core.errors import Misuse, StoreError
from gateway.ports import StoredKey
from gateway.stores.schema import REVISIONS, SCHEMA_REVISION, check_schema
from gateway.stores.sql_engine import (
    database_path,
    open_engine,
    read_rows,
    sqlite_url,
    write_transaction,
)
from gateway.stores.sql_keys import SqlKeyReader
from tests.contracts.test_key_reader import ACCOUNT_ROW, FIRST, HASH, KEY, KEY_ROW, SECRET_ROW

NOBODY = 65534
OLD_ROWS = {"accounts": ACCOUNT_ROW, "keys": KEY_ROW, "secrets": SECRET_ROW}


async def make_older(url: str, revision: str = REVISIONS[0]) -> None:
    """A database as an older release left it, with an account, a key and its secret."""
    path = database_path(url)
    if path is not None:
        path.touch(0o600)
    engine = open_engine(url)
    await upgrade(engine, revision)
    async with write_transaction(engine, "prepare") as connection:
        await connection.run_sync(_fill)
    await engine.dispose()


def _fill(connection: Connection) -> None:
    # As the tables are there and then: those of the present release have columns that came later.
    for name, row in OLD_ROWS.items():
        table = Table(name, MetaData(), autoload_with=connection)
        known = {each.name: row[each.name] for each in table.columns if each.name in row}
        connection.execute(insert(table), known)


async def counted(url: str) -> list[int]:
    """How many accounts, keys and secrets there are, whatever the schema."""
    engine = open_engine(url)
    try:
        return [
            (await read_rows(engine, "count", select(func.count()).select_from(text(name))))[0][0]
            for name in OLD_ROWS
        ]
    finally:
        await engine.dispose()


async def downgraded(url: str, revision: str) -> None:
    """Bring a database back to an older schema."""
    engine = open_engine(url)
    async with write_transaction(engine, "downgrade") as connection:
        await connection.run_sync(_downgrade, revision)
    await engine.dispose()


def _downgrade(connection: Connection, revision: str) -> None:
    config = alembic.config.Config()
    scripts = Path(admin.migrations.__file__).parent
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    config.attributes["connection"] = connection
    alembic.command.downgrade(config, revision)


async def found_key(url: str) -> StoredKey | None:
    """The key as a gateway of the present release finds it."""
    engine = open_engine(url)
    try:
        return await SqlKeyReader(engine).find(FIRST)
    finally:
        await engine.dispose()


async def run(url: str, *statements: str) -> None:
    """Change the database behind Keywright's back."""
    engine = open_engine(url)
    async with write_transaction(engine, "change") as connection:
        for statement in statements:
            await connection.execute(text(statement))
    await engine.dispose()


async def checked(url: str) -> None:
    """`check_schema`, with an engine of its own."""
    engine = open_engine(url)
    try:
        await check_schema(engine)
    finally:
        await engine.dispose()


async def test_empty_database_is_set_up(empty_sql_url: str) -> None:
    """The first migration makes a database that the gateway accepts, and says so."""
    done = await migrate(empty_sql_url)

    assert (done.before, done.after, done.copy) == (None, SCHEMA_REVISION, None)
    assert "set up" in done.sentence
    await checked(empty_sql_url)


async def test_again_changes_nothing(sql_url: str) -> None:
    """Migrating on every start does no harm."""
    done = await migrate(sql_url)

    assert done.before == done.after == SCHEMA_REVISION
    assert "already" in done.sentence
    assert await ensure_schema(sql_url) is None


async def test_first_start_sets_up(empty_sql_url: str) -> None:
    """A first `serve` needs no ceremony before it."""
    done = await ensure_schema(empty_sql_url)

    assert done is not None
    assert done.before is None
    await checked(empty_sql_url)


async def test_older_schema_is_told(empty_sql_url: str) -> None:
    """A new release on an older database says what to run, and changes nothing by itself."""
    await make_older(empty_sql_url)

    for ask in (checked, ensure_schema):
        with pytest.raises(Misuse, match=r"older Keywright.*keywright migrate"):
            await ask(empty_sql_url)
    assert await counted(empty_sql_url) == [1, 1, 1]


@pytest.mark.parametrize("revision", REVISIONS[:-1])
async def test_older_schema_is_upgraded_with_its_rows(empty_sql_url: str, revision: str) -> None:
    """After an upgrade, from whichever release, every key works as before."""
    await make_older(empty_sql_url, revision)
    done = await migrate(empty_sql_url)
    found = await found_key(empty_sql_url)

    assert (done.before, done.after) == (revision, SCHEMA_REVISION)
    assert found is not None
    assert (found.key, found.token_hash) == (KEY, HASH)
    assert await counted(empty_sql_url) == [1, 1, 1]
    await checked(empty_sql_url)


@pytest.mark.parametrize("revision", REVISIONS[:-1])
async def test_there_and_back(empty_sql_url: str, revision: str) -> None:
    """Going back keeps accounts, keys and secrets, and the way forth is open again."""
    await make_older(empty_sql_url, revision)
    await migrate(empty_sql_url)
    await run(
        empty_sql_url,
        "INSERT INTO users (id, email, name, role, account_id, status, version, created_us, updated_us)"
        " VALUES ('usr_1', 'ada@example.com', 'Ada', 'member', 'acc_1', 'active', 1, 1, 1)",
        "UPDATE keys SET owner_id = 'usr_1'",
    )
    await downgraded(empty_sql_url, revision)
    with pytest.raises(Misuse, match=f"schema {revision}"):
        await checked(empty_sql_url)
    assert await counted(empty_sql_url) == [1, 1, 1]
    await migrate(empty_sql_url)
    found = await found_key(empty_sql_url)

    assert found is not None
    # Its owner, whose version counts in the key's, is known to the later schemas alone.
    kept = dataclasses.replace(found.key, owner=None, version=KEY.version)
    assert (kept, found.token_hash) == (KEY, HASH)


def _shape(connection: Connection) -> dict[str, dict[str, object]]:
    """All that a database says about its tables, in no particular order."""
    seen = inspect(connection)
    shape: dict[str, dict[str, object]] = {}
    for name in METADATA.tables:
        shape[name] = {
            "columns": {
                each["name"]: (str(each["type"]), each["nullable"], each["default"])
                for each in seen.get_columns(name)
            },
            "primary key": (
                seen.get_pk_constraint(name)["name"],
                seen.get_pk_constraint(name)["constrained_columns"],
            ),
            "foreign keys": {
                # SQLite tells no name of one that came with a column.
                (
                    each["name"] if connection.dialect.name == "postgresql" else None,
                    *each["constrained_columns"],
                    each["referred_table"],
                    *each["referred_columns"],
                )
                for each in seen.get_foreign_keys(name)
            },
            "unique": {
                (str(each["name"]), *each["column_names"])
                for each in seen.get_unique_constraints(name)
            },
            "indexes": {
                (str(each["name"]), each["unique"], *each["column_names"])
                for each in seen.get_indexes(name)
            },
        }
    return shape


@pytest.mark.parametrize("revision", [None, *REVISIONS[:-1]])
async def test_every_way_leads_to_the_same_schema(empty_sql_url: str, revision: str | None) -> None:
    """A database that was upgraded has the very columns, indexes and constraints of one made by this release."""
    if revision is not None:
        await make_older(empty_sql_url, revision)
    await migrate(empty_sql_url)
    engine = open_engine(empty_sql_url, statement_seconds=0)
    async with engine.connect() as connection:
        migrated = await connection.run_sync(_shape)
    async with write_transaction(engine, "make anew") as connection:
        await connection.run_sync(METADATA.drop_all)
        await connection.run_sync(METADATA.create_all)
    async with engine.connect() as connection:
        anew = await connection.run_sync(_shape)
    await engine.dispose()

    assert migrated == anew


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_older_sqlite_is_copied_first(empty_sql_url: str) -> None:
    """The way back from an upgrade is a file, for the owner's eyes only, that no second upgrade overwrites."""
    await make_older(empty_sql_url)
    first = await migrate(empty_sql_url)
    await downgraded(empty_sql_url, REVISIONS[0])
    second = await migrate(empty_sql_url)

    assert first.copy is not None
    assert second.copy not in {None, first.copy}
    assert str(first.copy) in first.sentence
    assert stat.S_IMODE(first.copy.stat().st_mode) == 0o600
    with pytest.raises(Misuse, match="schema 0001"):
        await checked(sqlite_url(first.copy))
    assert await counted(sqlite_url(first.copy)) == [1, 1, 1]


async def test_newer_schema_is_told(sql_url: str) -> None:
    """An older release does not touch what a newer one made."""
    await run(sql_url, "UPDATE alembic_version SET version_num = '9999'")

    for ask in (checked, migrate, ensure_schema):
        with pytest.raises(Misuse, match=r"newer Keywright.*9999"):
            await ask(sql_url)


async def test_foreign_database_is_told(empty_sql_url: str) -> None:
    """A database full of somebody else's tables is left alone."""
    if (path := database_path(empty_sql_url)) is not None:
        path.touch()
    await run(empty_sql_url, "CREATE TABLE somebody_elses (id INTEGER)")

    for ask in (checked, migrate, ensure_schema):
        with pytest.raises(Misuse, match="not Keywright's"):
            await ask(empty_sql_url)


async def test_failed_upgrade_leaves_the_old_schema(empty_sql_url: str) -> None:
    """An upgrade that breaks off half-way can simply be run again."""
    await make_older(empty_sql_url)
    # The second of the two tables that the revision makes is in the way.
    await run(empty_sql_url, "CREATE TABLE refused_requests (id INTEGER)")
    with pytest.raises(StoreError, match="migrate"):
        await migrate(empty_sql_url)
    await run(empty_sql_url, "DROP TABLE refused_requests")
    done = await migrate(empty_sql_url)

    assert done.before == "0001"
    await checked(empty_sql_url)


async def test_two_at_once(empty_sql_url: str) -> None:
    """Two processes that start together set one database up, and both go on."""
    await asyncio.gather(*(ensure_schema(empty_sql_url) for _ in range(4)))

    await checked(empty_sql_url)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_sqlite_files_are_the_owners(empty_sql_url: str) -> None:
    """Nobody else on the machine can read hashes or addresses, from the log beside the file either."""
    await migrate(empty_sql_url)
    engine = open_engine(empty_sql_url)
    await SqlKeyReader(engine).find(FIRST)
    path = database_path(empty_sql_url)
    assert path is not None
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.glob("*.db*")}
    await engine.dispose()

    assert len(modes) == 3
    assert set(modes.values()) == {0o600}


@contextmanager
def as_nobody() -> Iterator[None]:
    """Without root's power to write anywhere."""
    if os.getuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("ask", [migrate, ensure_schema])
async def test_unwritable_folder(tmp_path: Path, ask: Callable[[str], Awaitable[object]]) -> None:
    """A data folder that cannot be written is told with its path and what to do."""
    folder = tmp_path / "data"
    folder.mkdir(mode=0o500)
    with as_nobody(), pytest.raises(Misuse, match=r"data/k\.db.*Make its folder writable"):
        await ask(sqlite_url(folder / "k.db"))


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(
            lambda path: path.parent.write_text("a file"), id="a-file-instead-of-the-folder"
        ),
        pytest.param(lambda path: path.mkdir(parents=True), id="a-folder-instead-of-the-file"),
    ],
)
async def test_impossible_path(tmp_path: Path, make: Callable[[Path], object]) -> None:
    """A path that can be no database is a mistake of the operator's, not a fault of ours."""
    path = tmp_path / "data" / "k.db"
    make(path)
    with pytest.raises(Misuse, match="cannot be written"):
        await migrate(sqlite_url(path))


async def test_another_kind_of_file(tmp_path: Path) -> None:
    """A file that is something else is not overwritten."""
    path = tmp_path / "notes.txt"
    path.write_text("Shopping: milk, bread, butter")
    with pytest.raises(Misuse, match="not a SQLite database"):
        await migrate(sqlite_url(path))

    assert path.read_text().startswith("Shopping")


async def test_odd_paths(tmp_path: Path) -> None:
    """A folder may be called what it likes."""
    path = tmp_path / "ä #1?x=%41" / "k.db"
    await migrate(sqlite_url(path))

    assert path.exists()
    await checked(sqlite_url(path))


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("mysql://u:hidden-word@h/d", id="another-kind"),
        pytest.param("hidden-word", id="no-url"),
        pytest.param("", id="empty"),
        pytest.param("postgresql://u:hidden-word@h:port/d", id="port-is-a-word"),
        pytest.param("sqlite://", id="in-memory"),
        pytest.param("sqlite:///:memory:", id="in-memory-by-name"),
        pytest.param("sqlite:///x?hidden-word=1", id="sqlite-with-options"),
    ],
)
async def test_bad_url(url: str) -> None:
    """A store URL that cannot work is told by its right shape, without repeating a password."""
    with pytest.raises(Misuse, match="sqlite\\+aiosqlite:///") as raised:
        await migrate(url)

    assert "hidden-word" not in str(raised.value)


def test_metadata_names_every_constraint() -> None:
    """A later revision can drop any constraint by its name, on either database."""
    unnamed = [
        constraint
        for table in METADATA.tables.values()
        for constraint in table.constraints
        if constraint.name is None
    ]

    assert unnamed == []


async def test_copy_is_taken_while_others_write(tmp_path: Path) -> None:
    """The copy holds what was committed, although it still stands in the write-ahead log."""
    url = sqlite_url(tmp_path / "k.db")
    await make_older(url)
    engine: AsyncEngine = open_engine(url)
    async with engine.connect() as reader:
        await reader.execute(text("SELECT name FROM accounts"))
        await run(url, "UPDATE accounts SET name = 'written just now'")
        done = await migrate(url)
    await engine.dispose()

    assert done.copy is not None
    copied = sqlite3.connect(done.copy)
    assert copied.execute("SELECT name FROM accounts").fetchall() == [("written just now",)]
    copied.close()
