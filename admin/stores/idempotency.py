"""What repeated requests are answered with; forgotten after ten minutes."""

__all__ = ["KEPT_SECONDS", "Claimed", "IdempotencyStore"]

from dataclasses import dataclass, field

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.stores.transaction import KEPT_SECONDS
from gateway.stores.sql_engine import read_rows, write_transaction
from gateway.stores.tables import idempotency, to_us


@dataclass(frozen=True, slots=True)
class Claimed:
    """What the first request was, and what it made."""

    fingerprint: str
    target_id: str
    sealed: bytes | None = field(repr=False)


class IdempotencyStore:
    """Every method raises StoreError when the database cannot answer."""

    def __init__(self, engine: AsyncEngine) -> None:
        """`engine` is open, on a database of the present schema."""
        self._engine = engine

    async def find(self, caller_id: str, key: str, now: float) -> Claimed | None:
        """What stands under the caller's key; None if nothing does, or only what is older than ten minutes."""
        rows = await read_rows(
            self._engine,
            "find a repeated request",
            select(idempotency).where(
                idempotency.c.caller == caller_id,
                idempotency.c.key == key,
                idempotency.c.created_us >= to_us(now - KEPT_SECONDS),
            ),
        )
        return Claimed(rows[0].fingerprint, rows[0].target_id, rows[0].sealed) if rows else None

    async def take(self, caller_id: str, key: str, now: float) -> Claimed | None:
        """As `find`, for one whose secret is kept still; nobody is told it after this."""
        ours = (idempotency.c.caller == caller_id, idempotency.c.key == key)
        kept = (
            idempotency.c.sealed.is_not(None),
            idempotency.c.created_us >= to_us(now - KEPT_SECONDS),
        )
        async with write_transaction(
            self._engine, "take a secret that is shown once"
        ) as connection:
            # Locked: of two who ask at once, the other finds it gone.
            found = await connection.execute(
                select(idempotency).where(*ours, *kept).with_for_update()
            )
            row = found.one_or_none()
            if row is None:
                return None
            await connection.execute(update(idempotency).where(*ours).values(sealed=None))
        return Claimed(row.fingerprint, row.target_id, row.sealed)

    async def forget_old(self, now: float) -> int:
        """Remove what is older than ten minutes, and say how many."""
        async with write_transaction(self._engine, "forget repeated requests") as connection:
            done = await connection.execute(
                delete(idempotency).where(idempotency.c.created_us < to_us(now - KEPT_SECONDS))
            )
        return done.rowcount
