"""Setting a database up and upgrading it: nothing is lost, and what cannot be is said in words."""

import asyncio
import os
import sqlite3
import stat
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.services.schema import ensure_schema, migrate
from admin.stores.migrate import upgrade
from gateway.core.errors import Misuse, StoreError
from gateway.stores.schema import REVISIONS, SCHEMA_REVISION, check_schema
from gateway.stores.sql_engine import (
    database_path,
    open_engine,
    read_rows,
    sqlite_url,
    write_transaction,
)
from gateway.stores.sql_keys import SqlKeyReader
from gateway.stores.tables import METADATA, accounts, keys, secrets
from tests.contracts.test_key_reader import ACCOUNT_ROW, FIRST, HASH, KEY, KEY_ROW, SECRET_ROW

NOBODY = 65534


async def make_older(url: str, revision: str = REVISIONS[0]) -> None:
    """A database as an older release left it, with an account, a key and its secret."""
    path = database_path(url)
    if path is not None:
        path.touch(0o600)
    engine = open_engine(url)
    await upgrade(engine, revision)
    async with write_transaction(engine, "prepare") as connection:
        await connection.execute(insert(accounts), ACCOUNT_ROW)
        await connection.execute(insert(keys), KEY_ROW)
        await connection.execute(insert(secrets), SECRET_ROW)
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
    engine = open_engine(empty_sql_url)
    assert (await SqlKeyReader(engine).find(FIRST)) is not None
    await engine.dispose()


async def test_older_schema_is_upgraded_with_its_rows(empty_sql_url: str) -> None:
    """After an upgrade every key works as before."""
    await make_older(empty_sql_url)
    done = await migrate(empty_sql_url)
    engine = open_engine(empty_sql_url)
    found = await SqlKeyReader(engine).find(FIRST)
    rows = [
        len(await read_rows(engine, "count", select(table))) for table in (accounts, keys, secrets)
    ]
    await engine.dispose()

    assert (done.before, done.after) == ("0001", SCHEMA_REVISION)
    assert found is not None
    assert (found.key, found.token_hash) == (KEY, HASH)
    assert rows == [1, 1, 1]
    await checked(empty_sql_url)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_older_sqlite_is_copied_first(empty_sql_url: str) -> None:
    """The way back from an upgrade is a file, for the owner's eyes only, that no second upgrade overwrites."""
    await make_older(empty_sql_url)
    first = await migrate(empty_sql_url)
    await run(empty_sql_url, "DROP TABLE usage_records", "DROP TABLE refused_requests")
    await run(empty_sql_url, "UPDATE alembic_version SET version_num = '0001'")
    second = await migrate(empty_sql_url)

    assert first.copy is not None
    assert second.copy not in {None, first.copy}
    assert str(first.copy) in first.sentence
    assert stat.S_IMODE(first.copy.stat().st_mode) == 0o600
    engine = open_engine(sqlite_url(first.copy))
    with pytest.raises(Misuse, match="schema 0001"):
        await check_schema(engine)
    assert (await SqlKeyReader(engine).find(FIRST)) is not None
    await engine.dispose()


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
        await reader.execute(select(accounts))
        await run(url, "UPDATE accounts SET name = 'written just now'")
        done = await migrate(url)
    await engine.dispose()

    assert done.copy is not None
    copied = sqlite3.connect(done.copy)
    assert copied.execute("SELECT name FROM accounts").fetchall() == [("written just now",)]
    copied.close()
