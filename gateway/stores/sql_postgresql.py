"""How a connection to PostgreSQL is given up when the server does not answer any more.

Imported only where PostgreSQL is used: its driver is an extra.
"""

__all__ = ["PatientConnection"]

from asyncpg import Connection  # type: ignore[import-untyped]

# A polite goodbye is one packet each way; a server that does not answer by then is hung up on.
_CLOSE_SECONDS = 0.25


class PatientConnection(Connection):  # type: ignore[misc]
    """An asyncpg connection whose closing never holds up its caller for long."""

    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 -- asyncpg's
        """Say goodbye; raises TimeoutError, with the socket closed, if that takes a quarter of a second."""
        await super().close(timeout=min(timeout or _CLOSE_SECONDS, _CLOSE_SECONDS))
