"""How a connection to PostgreSQL is given up when the server does not answer any more, and used without SQLAlchemy.

Imported only where PostgreSQL is used: its driver is an extra.
"""

__all__ = ["PatientConnection", "run_in_transaction"]

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from asyncpg import Connection, InterfaceError, PostgresError  # type: ignore[import-untyped]
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

Result = TypeVar("Result")

# A polite goodbye is one packet each way; a server that does not answer by then is hung up on.
_CLOSE_SECONDS = 0.25


class PatientConnection(Connection):  # type: ignore[misc]
    """An asyncpg connection whose closing never holds up its caller for long."""

    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 -- asyncpg's
        """Say goodbye; raises TimeoutError, with the socket closed, if that takes a quarter of a second."""
        await super().close(timeout=min(timeout or _CLOSE_SECONDS, _CLOSE_SECONDS))


async def run_in_transaction(
    opened: AsyncConnection, work: Callable[[Any], Awaitable[Result]]
) -> Result:
    """Give `work` asyncpg's own connection, and one transaction: COPY is not to be had from SQLAlchemy.

    Raises DBAPIError for what the driver raises. If the caller stops waiting, the connection is given up.
    """
    driver: Any = (await opened.get_raw_connection()).driver_connection
    try:
        async with driver.transaction():
            return await work(driver)
    except (PostgresError, InterfaceError) as error:
        # Without the statement and its words: they are not for a log.
        raise DBAPIError(
            "", None, error, hide_parameters=True, connection_invalidated=driver.is_closed()
        ) from None
    except BaseException:
        await opened.invalidate()
        raise
