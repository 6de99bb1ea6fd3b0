"""Engines for SQLite and PostgreSQL, and the one way a statement is run on them: with a deadline.

Everything that SQLAlchemy or a driver raises ends here as StoreError; which rows are read and
written is said in the `sql_*` modules beside this one and in `admin/stores`.
"""

__all__ = [
    "READ_SECONDS",
    "WRITE_SECONDS",
    "database_path",
    "open_engine",
    "read_rows",
    "sqlite_url",
    "store_errors",
    "write_transaction",
]

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Row, Select, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from gateway.core.errors import Misuse, StoreError
from gateway.stores.sql_sqlite import HintingCompiler, PatientConnection

READ_SECONDS = 2.0
WRITE_SECONDS = 5.0

# Shorter than both deadlines, so that a locked SQLite says so itself and its thread is free again.
_BUSY_SECONDS = 1.5
_CONNECT_SECONDS = 5.0

_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
}


def sqlite_url(path: Path) -> str:
    """The URL of a SQLite file, whatever characters its path holds."""
    return URL.create("sqlite+aiosqlite", database=str(path.absolute())).render_as_string()


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
        driver = _DRIVERS[parsed.drivername]
    except (ArgumentError, ValueError, KeyError):
        # The URL may hold a password, so neither it nor the parser's words are repeated.
        raise Misuse(
            "The store's URL must be 'postgresql+asyncpg://user:password@host/database'"
            " or 'sqlite+aiosqlite:///path/to/file'."
        ) from None
    return parsed.set(drivername=driver)


def database_path(url: str) -> Path | None:
    """Where a SQLite URL keeps its file; None for PostgreSQL. Raises Misuse for any other URL."""
    parsed = _parsed(url)
    if parsed.get_backend_name() != "sqlite":
        return None
    if parsed.database in {None, "", ":memory:"} or parsed.query:
        raise Misuse("A SQLite store needs a file: 'sqlite+aiosqlite:///path/to/file'.")
    return Path(str(parsed.database))


def open_engine(
    url: str, *, busy_seconds: float = _BUSY_SECONDS, statement_seconds: float = WRITE_SECONDS
) -> AsyncEngine:
    """An engine for `url`; nothing is connected, read or made yet. Raises Misuse for a URL of another kind.

    A locked SQLite is waited for at most `busy_seconds`; PostgreSQL itself ends a statement after
    `statement_seconds` (0: never), so that what a caller gave up does not go on there.
    """
    path = database_path(url)
    if path is not None:
        return _open_sqlite(path, busy_seconds)
    return _open_postgresql(_parsed(url), statement_seconds)


def _open_sqlite(path: Path, busy_seconds: float) -> AsyncEngine:
    # mode=rw: a missing file is an error to be told, never a new and empty database.
    address = f"file:{quote(str(path.absolute()))}?mode=rw"

    def connect() -> PatientConnection:
        return PatientConnection(address, busy_seconds)

    engine = create_async_engine(
        # The path only chooses the pool of a file database; `connect` is what opens it.
        URL.create("sqlite+aiosqlite", database=str(path)),
        connect_args={"async_creator_fn": lambda *_args, **_options: connect()},
        pool_size=4,
        max_overflow=4,
        pool_timeout=_CONNECT_SECONDS,
        # The one used last: SQLite forgets the pages it holds for a connection when another has written.
        pool_use_lifo=True,
        hide_parameters=True,
    )
    engine.dialect.statement_compiler = HintingCompiler
    event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return engine


def _begin_sqlite(connection: Connection) -> None:
    # A reader needs no transaction for its one statement. A writer takes the lock at once: a
    # transaction that begins by reading and writes later fails without waiting if another wrote.
    if connection.get_execution_options().get("is_write"):
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _open_postgresql(url: URL, statement_seconds: float) -> AsyncEngine:
    try:
        # Here, because the driver is installed only where PostgreSQL is used.
        from gateway.stores.sql_postgresql import PatientConnection as Patient  # noqa: PLC0415
    except ModuleNotFoundError:
        raise Misuse("PostgreSQL needs its driver: pip install 'keywright[postgres]'.") from None
    return create_async_engine(
        url,
        connect_args={
            "connection_class": Patient,
            "timeout": _CONNECT_SECONDS,
            "server_settings": {
                "application_name": "keywright",
                "statement_timeout": str(round(statement_seconds * 1000)),
                "idle_in_transaction_session_timeout": "30000",
            },
        },
        pool_size=5,
        max_overflow=10,
        pool_timeout=_CONNECT_SECONDS,
        # One short round trip, so that a restarted server costs nobody a refusal.
        pool_pre_ping=True,
        hide_parameters=True,
    )


@contextlib.asynccontextmanager
async def store_errors(operation: str, deadline_seconds: float | None) -> AsyncIterator[None]:
    """End the block after `deadline_seconds`, and raise StoreError for that and whatever SQL raises.

    The foreign exception is not chained: a database's own message may quote a row.
    """
    try:
        async with asyncio.timeout(deadline_seconds):
            yield
    except (SQLAlchemyError, OSError) as error:
        raise StoreError("sql", operation, _cause(error)) from None


def _cause(error: Exception) -> str:
    """The kinds of the fault, outermost first; never its text."""
    names = [type(error).__name__]
    if isinstance(error, DBAPIError) and error.orig is not None:
        origin = error.orig.__cause__ or error.orig
        # The result code of SQLite, such as SQLITE_BUSY, or the class that asyncpg raised.
        names.append(str(getattr(origin, "sqlite_errorname", type(origin).__name__)))
    return " ".join(dict.fromkeys(names))


async def read_rows(
    engine: AsyncEngine,
    operation: str,
    statement: Select[Any],
    deadline_seconds: float = READ_SECONDS,
) -> Sequence[Row[Any]]:
    """The rows of one SELECT. Raises StoreError, at the latest after `deadline_seconds`."""
    async with store_errors(operation, deadline_seconds), engine.connect() as opened:
        # One statement is its own snapshot; a transaction would cost PostgreSQL two more round trips.
        options = {"isolation_level": "AUTOCOMMIT"} if engine.dialect.name == "postgresql" else {}
        connection = await opened.execution_options(**options)
        rows: Sequence[Row[Any]] = (await connection.execute(statement)).all()
        return rows


@contextlib.asynccontextmanager
async def write_transaction(
    engine: AsyncEngine, operation: str, deadline_seconds: float | None = WRITE_SECONDS
) -> AsyncIterator[AsyncConnection]:
    """One transaction: committed when the block ends, rolled back when it raises.

    Raises StoreError, at the latest after `deadline_seconds` (None: no deadline); whether the commit
    happened is then unknown, so what is written here must bear being written again.
    """
    async with store_errors(operation, deadline_seconds), engine.connect() as opened:
        connection = await opened.execution_options(is_write=True)
        async with connection.begin():
            yield connection
