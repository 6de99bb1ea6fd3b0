"""What of notifications is forgotten in time: old notices, deliveries and events, what nobody will try any more."""

__all__ = ["NoticesKept"]

from itertools import takewhile

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.stores.notification_tables import (
    deliveries,
    delivery_attempts,
    inbox_notices,
    inbox_reads,
    notification_cursor,
)
from gateway.stores.sql_engine import write_transaction
from gateway.stores.tables import events, to_us


class NoticesKept:
    """Every method raises StoreError when the database cannot answer. Several nodes may do it at once."""

    def __init__(self, engine: AsyncEngine) -> None:
        """`engine` is open, on a database of the present schema."""
        self._engine = engine

    async def end_waiting(self, before: float, now: float, count: int) -> int:
        """Give up to `count` deliveries up whose time was over `before`: their channel is paused, off or gone."""
        chosen = (
            select(deliveries.c.id)
            .where(deliveries.c.state == "pending", deliveries.c.give_up_us < to_us(before))
            .limit(count)
        )
        async with write_transaction(self._engine, "give up deliveries") as connection:
            done = await connection.execute(
                update(deliveries)
                .where(deliveries.c.id.in_(chosen), deliveries.c.state == "pending")
                .values(
                    state="failed",
                    finished_us=to_us(now),
                    detail="Its time was over before the channel could be sent anything.",
                )
            )
            return done.rowcount

    async def forget_deliveries(self, before: float, count: int) -> int:
        """Delete up to `count` finished deliveries that were made `before`, with their attempts."""
        chosen = (
            select(deliveries.c.id)
            .where(deliveries.c.created_us < to_us(before), deliveries.c.state != "pending")
            .order_by(deliveries.c.created_us)
            .limit(count)
        )
        async with write_transaction(self._engine, "forget old deliveries") as connection:
            ids = (await connection.execute(chosen)).scalars().all()
            if ids:
                await connection.execute(
                    delete(delivery_attempts).where(delivery_attempts.c.delivery_id.in_(ids))
                )
                await connection.execute(delete(deliveries).where(deliveries.c.id.in_(ids)))
            return len(ids)

    async def forget_notices(self, before: float, count: int) -> int:
        """Delete up to `count` notices from `before`, and who has read them."""
        chosen = (
            select(inbox_notices.c.sequence)
            .where(inbox_notices.c.at_us < to_us(before))
            .order_by(inbox_notices.c.at_us)
            .limit(count)
        )
        async with write_transaction(self._engine, "forget old notices") as connection:
            gone = (await connection.execute(chosen)).scalars().all()
            if gone:
                await connection.execute(
                    delete(inbox_notices).where(inbox_notices.c.sequence.in_(gone))
                )
                oldest = select(func.min(inbox_notices.c.sequence)).scalar_subquery()
                await connection.execute(
                    delete(inbox_reads).where(
                        or_(inbox_reads.c.sequence < oldest, inbox_reads.c.sequence.in_(gone))
                    )
                )
            return len(gone)

    async def forget_events(self, before: float, count: int) -> int:
        """Delete up to `count` of the oldest events, of those that happened `before` and that were looked at."""
        # Not by time, which has no index: they are numbered as they happen.
        seen = select(func.min(notification_cursor.c.sequence)).scalar_subquery()
        chosen = (
            select(events.c.sequence, events.c.at_us)
            .where(events.c.sequence <= seen)
            .order_by(events.c.sequence)
            .limit(count)
        )
        async with write_transaction(self._engine, "forget old events") as connection:
            oldest = (await connection.execute(chosen)).all()
            gone = [
                row.sequence for row in takewhile(lambda row: row.at_us < to_us(before), oldest)
            ]
            if gone:
                await connection.execute(delete(events).where(events.c.sequence.in_(gone)))
            return len(gone)
