"""Whether a database has the schema that this release reads and writes. It is changed by `admin`, never here."""

__all__ = ["REVISIONS", "SCHEMA_REVISION", "Schema", "SchemaState", "check_schema", "read_schema"]

import asyncio
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.core.errors import Misuse
from gateway.stores.sql_engine import WRITE_SECONDS, database_path, store_errors

# Oldest first; the last is what this release works with.
REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008")
SCHEMA_REVISION = REVISIONS[-1]

_VERSION_TABLE = "alembic_version"


class SchemaState(StrEnum):
    """How a database's schema stands to this release."""

    EMPTY = "empty"
    OLDER = "older"
    PRESENT = "present"
    NEWER = "newer"
    FOREIGN = "foreign"


class Schema(NamedTuple):
    """What was found; `revision` is None when the database names none."""

    state: SchemaState
    revision: str | None


async def read_schema(engine: AsyncEngine) -> Schema:
    """Which schema the database has; a SQLite file that is not there is empty. Raises StoreError."""
    path = database_path(engine.url.render_as_string())
    if path is not None and not await asyncio.to_thread(path.exists):
        return Schema(SchemaState.EMPTY, None)
    async with (
        store_errors("read the schema's revision", WRITE_SECONDS),
        engine.connect() as connection,
    ):
        return await connection.run_sync(_read)


def _read(connection: Connection) -> Schema:
    tables = inspect(connection).get_table_names()
    if _VERSION_TABLE not in tables:
        return Schema(SchemaState.FOREIGN if tables else SchemaState.EMPTY, None)
    revision = connection.execute(text(f"SELECT version_num FROM {_VERSION_TABLE}")).scalar()  # noqa: S608
    if revision is None:
        return Schema(SchemaState.FOREIGN if len(tables) > 1 else SchemaState.EMPTY, None)
    return Schema(_state(revision), revision)


def _state(revision: str) -> SchemaState:
    if revision == SCHEMA_REVISION:
        return SchemaState.PRESENT
    # Each release knows all revisions before its own, so an unknown one can only have come later.
    return SchemaState.OLDER if revision in REVISIONS else SchemaState.NEWER


async def check_schema(engine: AsyncEngine) -> None:
    """Return if this release can work with the database. Raises Misuse saying what to do, or StoreError."""
    schema = await read_schema(engine)
    match schema.state:
        case SchemaState.PRESENT:
            return
        case SchemaState.EMPTY:
            raise Misuse("The database is empty. Run 'keywright migrate' to set it up.")
        case SchemaState.OLDER:
            raise Misuse(
                f"The database has schema {schema.revision}, made by an older Keywright; this one needs"
                f" {SCHEMA_REVISION}. Run 'keywright migrate'; no row is lost."
            )
        case SchemaState.NEWER:
            raise Misuse(
                f"The database was made by a newer Keywright (schema {schema.revision}; this one knows up"
                f" to {SCHEMA_REVISION}). Run that Keywright, or restore a copy from before its migration."
            )
        case SchemaState.FOREIGN:
            raise Misuse(
                "The database holds tables that are not Keywright's."
                " Give it a database of its own in 'store.url'."
            )
