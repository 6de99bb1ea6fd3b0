"""The log of deliveries in SQL: what was sent to a channel, how often it was tried, and what became of it."""

__all__ = [
    "Attempt",
    "Delivery",
    "DeliveryStore",
    "delivery_of",
    "new_delivery",
    "wake",
]

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, insert, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from admin.core.notices.channel_words import DeliveryState
from admin.core.notices.severity import Severity
from admin.core.page import Page, PageRequest, decoded_number, encoded
from gateway.stores.notification_tables import channels, deliveries, delivery_attempts
from gateway.stores.sql_engine import read_rows
from gateway.stores.tables import from_us, to_us

_ORDER = "deliveries.newest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event for one channel. Times are seconds since the epoch, UTC; `body` is what is sent.

    `event` is the event's number, None for a trial; `tries` are the attempts since it was last sent anew.
    """

    id: str
    channel_id: str
    account_id: str | None
    event: int | None
    kind: str
    severity: Severity
    title: str
    body: str
    created_at: float
    give_up_at: float
    due_at: float
    state: DeliveryState = DeliveryState.PENDING
    attempts: int = 0
    tries: int = 0
    finished_at: float | None = None
    status: int | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One of the times it was tried."""

    number: int
    at: float
    seconds: float
    outcome: str
    status: int | None
    detail: str | None


class DeliveryStore:
    """Every method raises StoreError when the database cannot answer."""

    def __init__(self, engine: AsyncEngine) -> None:
        """`engine` is open, on a database of the present schema."""
        self._engine = engine

    async def list(
        self, channel_id: str, state: DeliveryState | None, page: PageRequest
    ) -> Page[Delivery]:
        """A channel's deliveries, newest first. Raises Misuse for a cursor of another list."""
        place = tuple_(deliveries.c.created_us, deliveries.c.id)
        chosen = (
            select(deliveries)
            .where(deliveries.c.channel_id == channel_id)
            .order_by(deliveries.c.created_us.desc(), deliveries.c.id.desc())
        )
        if state is not None:
            chosen = chosen.where(deliveries.c.state == state.value)
        if page.cursor is not None:
            chosen = chosen.where(place < tuple_(*decoded_number(page.cursor, _ORDER)))
        rows = await read_rows(self._engine, "list deliveries", chosen.limit(page.size + 1))
        shown = rows[: page.size]
        cursor = None
        if len(rows) > len(shown):
            cursor = encoded(_ORDER, shown[-1].created_us, shown[-1].id)
        return Page(tuple(map(delivery_of, shown)), cursor)

    async def find(self, delivery_id: str) -> Delivery | None:
        """The delivery with this id, or None."""
        rows = await read_rows(
            self._engine,
            "find a delivery",
            select(deliveries).where(deliveries.c.id == delivery_id),
        )
        return delivery_of(rows[0]) if rows else None

    async def attempts(self, delivery_id: str) -> Sequence[Attempt]:
        """Each time it was tried, first to last."""
        rows = await read_rows(
            self._engine,
            "list attempts",
            select(delivery_attempts)
            .where(delivery_attempts.c.delivery_id == delivery_id)
            .order_by(delivery_attempts.c.number),
        )
        return [
            Attempt(
                row.number,
                from_us(row.at_us),
                row.duration_us / 1_000_000,
                row.outcome,
                row.status,
                row.detail,
            )
            for row in rows
        ]

    async def add(self, connection: AsyncConnection, delivery: Delivery) -> None:
        """A delivery that is due at once; its channel's row is locked, or made in this transaction."""
        await connection.execute(insert(deliveries).values(**new_delivery(delivery)))
        await wake(connection, [delivery.channel_id], delivery.due_at)

    async def again(
        self, connection: AsyncConnection, delivery: Delivery, now: float, give_up_at: float
    ) -> bool:
        """Send a finished delivery anew, under its old id; False if it was not finished."""
        done = await connection.execute(
            update(deliveries)
            .where(
                deliveries.c.id == delivery.id, deliveries.c.state != DeliveryState.PENDING.value
            )
            .values(
                state=DeliveryState.PENDING.value,
                tries=0,
                due_us=to_us(now),
                give_up_us=to_us(give_up_at),
                finished_us=None,
            )
        )
        if done.rowcount == 0:
            return False
        await wake(connection, [delivery.channel_id], now)
        return True


async def wake(connection: AsyncConnection, channel_ids: Sequence[str], at: float) -> None:
    """See to it that these channels are looked at, at the latest at `at`."""
    at_us = to_us(at)
    await connection.execute(
        update(channels)
        .where(
            channels.c.id.in_(channel_ids),
            or_(channels.c.due_us.is_(None), channels.c.due_us > at_us),
        )
        .values(due_us=at_us)
    )


def new_delivery(delivery: Delivery) -> Mapping[str, Any]:
    """The row of a delivery that was not tried yet."""
    return {
        "id": delivery.id,
        "channel_id": delivery.channel_id,
        "account_id": delivery.account_id,
        "event_sequence": delivery.event,
        "kind": delivery.kind,
        "severity": delivery.severity.rank,
        "title": delivery.title,
        "body": delivery.body,
        "state": delivery.state.value,
        "attempts": 0,
        "tries": 0,
        "created_us": to_us(delivery.created_at),
        "give_up_us": to_us(delivery.give_up_at),
        "due_us": to_us(delivery.due_at),
    }


def delivery_of(row: Row[Any]) -> Delivery:
    """A row of the table as it is shown."""
    return Delivery(
        id=row.id,
        channel_id=row.channel_id,
        account_id=row.account_id,
        event=row.event_sequence,
        kind=row.kind,
        severity=Severity.of_rank(row.severity),
        title=row.title,
        body=row.body,
        created_at=from_us(row.created_us),
        give_up_at=from_us(row.give_up_us),
        due_at=from_us(row.due_us),
        state=DeliveryState(row.state),
        attempts=row.attempts,
        tries=row.tries,
        finished_at=None if row.finished_us is None else from_us(row.finished_us),
        status=row.status,
        detail=row.detail,
    )
