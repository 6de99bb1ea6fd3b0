"""Digests that find keys made elsewhere: what a change of pepper writes anew."""

__all__ = ["SqlImportedDigests"]

from sqlalchemy import literal, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.core.keys import KeyDigest
from gateway.stores.sql_engine import WRITE_SECONDS, write_transaction
from gateway.stores.tables import imported_digests, secrets

_COLUMNS = ("pepper_id", "digest", "secret_id")


class SqlImportedDigests:
    """Implements the ImportedDigests port."""

    def __init__(self, engine: AsyncEngine, deadline_seconds: float = WRITE_SECONDS) -> None:
        """Each call raises StoreError after `deadline_seconds`."""
        self._engine = engine
        self._deadline_seconds = deadline_seconds

    async def add(self, digest: KeyDigest, secret_id: str) -> None:
        """Let `digest` find this secret, if there is such a secret; once more changes nothing. Raises StoreError."""
        is_postgresql = self._engine.dialect.name == "postgresql"
        insert = (postgresql if is_postgresql else sqlite).insert(imported_digests)
        row = select(literal(digest.pepper_id), literal(digest.value.hex()), secrets.c.id).where(
            secrets.c.id == secret_id
        )
        statement = insert.from_select(_COLUMNS, row).on_conflict_do_nothing()
        async with write_transaction(
            self._engine, "renew a digest", self._deadline_seconds
        ) as connection:
            await connection.execute(statement)
