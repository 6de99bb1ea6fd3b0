"""How a connection to SQLite is made and, even if its thread hangs, given up."""

__all__ = ["HintingCompiler", "PatientConnection", "run_in_thread"]

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Callable, Generator
from typing import Any, TypeVar, cast

from aiosqlite import Connection
from sqlalchemy import FromClause, exc
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.ext.asyncio import AsyncConnection

Result = TypeVar("Result")

# How long a closing connection is waited for, before and after the interrupt; its thread goes on.
_CLOSE_SECONDS = 0.25
_ASKED_AGAIN_SECONDS = 0.005


class HintingCompiler(SQLiteCompiler):
    """Renders what `Select.with_hint` says of a table, which is INDEXED BY: SQLAlchemy itself leaves it out."""

    def get_from_hint_text(self, table: FromClause, text: str | None) -> str | None:
        """What stands behind the table's name."""
        return text


class PatientConnection(Connection):
    """An aiosqlite connection that waits for a lock, but whose closing never holds up its caller."""

    def __init__(self, address: str, busy_seconds: float) -> None:
        """`address` is a `file:` URI; nothing is opened before the connection is awaited."""
        self._stopped: asyncio.Future[None] | None = None

        def open_now() -> sqlite3.Connection:
            return _connect(address, busy_seconds)

        super().__init__(open_now, iter_chunk_size=64)
        # A thread that hangs in a file system must not keep the process from ending.
        self._thread.daemon = True

    def __await__(self) -> Generator[Any, None, Connection]:
        """Open it. Raises what sqlite3 raises."""
        try:
            return (yield from super().__await__())
        finally:
            # It stops itself when it could not be opened; its last words need a loop that still runs.
            yield from self._wait_until_stopped().__await__()

    async def in_thread(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """What `work` returns, run where everything that asks SQLite runs. Raises what `work` raises."""
        return cast(Result, await self._execute(work, self._conn))  # type: ignore[no-untyped-call]

    def stop(self) -> asyncio.Future[None] | None:
        """Close behind what still runs, then end the thread; the future tells when."""
        if self._stopped is None:
            self._stopped = super().stop()
        return self._stopped

    async def close(self) -> None:
        """Close after what still runs, which is interrupted if it lasts; the rest is left to the thread."""
        connection = self._connection
        if connection is None or self._stopped is not None:
            return
        self.stop()
        # Not at once: an interrupted connection leaves its write-ahead log behind when it closes.
        if not await self._wait_until_stopped():
            # Its thread may close it this very moment.
            with contextlib.suppress(sqlite3.ProgrammingError):
                connection.interrupt()
            await self._wait_until_stopped()

    async def _wait_until_stopped(self) -> bool:
        if self._stopped is None:
            return True
        done, _ = await asyncio.wait([self._stopped], timeout=_CLOSE_SECONDS)
        return bool(done)


async def run_in_thread(
    opened: AsyncConnection, work: Callable[[sqlite3.Connection], Result]
) -> Result:
    """One visit to the connection's thread for several statements. `work` leaves no transaction open.

    Raises DBAPIError for what SQLite raises. If the caller stops waiting, the connection is given up.
    """
    connection = cast(PatientConnection, (await opened.get_raw_connection()).driver_connection)
    try:
        return await connection.in_thread(work)
    except sqlite3.Error as error:
        # Without the statement and its words: they are not for a log.
        kind = getattr(exc, type(error).__name__, exc.DBAPIError)
        raise kind("", None, error, hide_parameters=True) from None
    except asyncio.CancelledError:
        await opened.invalidate()
        raise


def _connect(address: str, busy_seconds: float) -> sqlite3.Connection:
    # isolation_level=None: transactions begin and end where our code says so, DDL included.
    connection = sqlite3.connect(
        address, uri=True, timeout=busy_seconds, isolation_level=None, check_same_thread=False
    )
    try:
        # WAL: one writer and any number of readers do not wait for each other.
        _when_free(connection, "PRAGMA journal_mode = WAL", busy_seconds)
        for pragma in ("synchronous = NORMAL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}").close()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _when_free(connection: sqlite3.Connection, statement: str, busy_seconds: float) -> None:
    """Run what SQLite refuses at once, without waiting, while another is about the same: the change to WAL."""
    deadline = time.monotonic() + busy_seconds
    while True:
        try:
            connection.execute(statement).close()
        except sqlite3.OperationalError as error:
            is_busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not is_busy or time.monotonic() >= deadline:
                raise
            time.sleep(_ASKED_AGAIN_SECONDS)
        else:
            return
