"""Brings a database to the present schema: makes it when it is empty, upgrades it when it is older."""

__all__ = ["Migration", "ensure_schema", "migrate", "upgrade"]

import contextlib
import os
import sqlite3
from pathlib import Path
from typing import NamedTuple

import alembic.command
import alembic.config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.core.errors import Misuse, StoreError
from gateway.stores.schema import SCHEMA_REVISION, SchemaState, check_schema, read_schema
from gateway.stores.sql_engine import database_path, open_engine, write_transaction

_SCRIPTS = Path(__file__).parents[1] / "migrations"
_SQLITE_HEADER = b"SQLite format 3\0"

# One number per application, agreed on by everyone who migrates: two at once run one after the other.
_ADVISORY_LOCK = 0x6B657977


class Migration(NamedTuple):
    """What was done. `before` is None for a database that was empty; `copy` is where the older SQLite file went."""

    before: str | None
    after: str
    copy: Path | None

    @property
    def sentence(self) -> str:
        """The same for a human."""
        if self.before is None:
            return f"The database was empty and has been set up (schema {self.after})."
        if self.before == self.after:
            return f"The database already has the present schema ({self.after})."
        kept = f" The database as it was is kept in {self.copy}." if self.copy else ""
        return f"The database has been upgraded from schema {self.before} to {self.after}.{kept}"


async def ensure_schema(url: str) -> Migration | None:
    """Set an empty database up, so that a first start needs no ceremony; None if it was ready.

    An older one is not touched: when that happens is the operator's choice. Raises Misuse that says
    so, or that the database is newer, foreign, or cannot be written; and StoreError.
    """
    path = database_path(url)
    if path is not None:
        _make_writable_file(path)
    engine = open_engine(url)
    try:
        schema = await read_schema(engine)
        if schema.state is not SchemaState.EMPTY:
            await check_schema(engine)
            return None
        await upgrade(engine, "head")
    finally:
        await engine.dispose()
    return Migration(None, SCHEMA_REVISION, None)


async def migrate(url: str) -> Migration:
    """Bring the database at `url` to the present schema; no row is lost, and a failure leaves it as it was.

    An older SQLite file is copied first. Raises Misuse for a database that is newer, foreign, or cannot
    be written, and StoreError.
    """
    path = database_path(url)
    if path is not None:
        _make_writable_file(path)
    engine = open_engine(url, statement_seconds=0)
    try:
        return await _migrate(engine, path)
    finally:
        await engine.dispose()


async def _migrate(engine: AsyncEngine, path: Path | None) -> Migration:
    schema = await read_schema(engine)
    copy = None
    match schema.state:
        case SchemaState.EMPTY:
            pass
        case SchemaState.OLDER:
            if path is not None:
                copy = _copied(path, f"before-{SCHEMA_REVISION}")
        case SchemaState.PRESENT | SchemaState.NEWER | SchemaState.FOREIGN:
            await check_schema(engine)
            return Migration(SCHEMA_REVISION, SCHEMA_REVISION, None)
    await upgrade(engine, "head")
    return Migration(schema.revision, SCHEMA_REVISION, copy)


async def upgrade(engine: AsyncEngine, revision: str) -> None:
    """Run the revisions up to `revision` in one transaction; several callers at once do it once. Raises StoreError."""
    # No deadline: a big table takes the time it takes, and the operator watches.
    async with write_transaction(engine, "migrate", deadline_seconds=None) as connection:
        if engine.dialect.name == "postgresql":
            # Whoever waits for a lock makes everyone behind it wait too, so it is not for long.
            await connection.execute(text("SET LOCAL lock_timeout = '10s'"))
            await connection.execute(text(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})"))
        await connection.run_sync(_run_alembic, revision)


def _run_alembic(connection: Connection, revision: str) -> None:
    config = alembic.config.Config()
    # Alembic reads the option with %-interpolation.
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    alembic.command.upgrade(config, revision)


def _make_writable_file(path: Path) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # The file holds hashes of secrets and who called from where: it is the owner's alone.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        if not os.access(path.parent, os.W_OK):
            raise PermissionError(path.parent)
        with path.open("rb") as file:
            start = file.read(len(_SQLITE_HEADER))
    except OSError as error:
        raise Misuse(
            f"The SQLite file {path} cannot be written ({type(error).__name__}). Make its folder writable"
            " for the user that runs Keywright, or set 'data_dir' or 'store.url' to another place."
        ) from None
    if start not in {b"", _SQLITE_HEADER}:
        raise Misuse(
            f"The file {path} is not a SQLite database. Move it away, or set 'store.url' to another file."
        )


def _copied(path: Path, suffix: str) -> Path:
    """A copy of the database, whoever writes to it meanwhile, beside it under a name not yet taken."""
    try:
        copy = _new_file(path, suffix)
        with (
            contextlib.closing(sqlite3.connect(path)) as source,
            contextlib.closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target)
    except (OSError, sqlite3.Error) as error:
        raise StoreError("sql", "copy the older database", type(error).__name__) from None
    return copy


def _new_file(path: Path, suffix: str) -> Path:
    number = 1
    while True:
        candidate = path.with_name(f"{path.name}.{suffix}" + (f".{number}" if number > 1 else ""))
        try:
            os.close(os.open(candidate, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            number += 1
        else:
            return candidate
