"""Events that nobody has looked at become notices and deliveries, in the transaction that moves the cursor.

So each becomes them once, whichever node does it, and whenever it is killed. The numbers of events have no gaps,
and are seen in their order: they are given out under a lock that is held until the commit (`transaction`).
"""

__all__ = ["Happened", "Made", "PlanStore"]

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from admin.core.notices.channel_words import ChannelStatus
from admin.core.notices.kinds import Notice
from admin.stores.channels import ChannelView, view_of
from admin.stores.deliveries import Delivery, new_delivery, wake
from gateway.stores.notification_tables import (
    channels,
    deliveries,
    inbox_notices,
    notification_cursor,
)
from gateway.stores.sql_engine import read_rows, write_transaction
from gateway.stores.tables import audit_head, events, from_us, to_us

_CURSOR = 1


@dataclass(frozen=True, slots=True)
class Happened:
    """One event, as it was told. `at` is seconds since the epoch."""

    sequence: int
    at: float
    kind: str
    account_id: str | None
    key_id: str | None
    data: Mapping[str, Any]


class Made(NamedTuple):
    """What an event becomes: its words, and a delivery for each of the channels it was made for."""

    notice: Notice
    deliveries: Sequence[Delivery]


# From an event and the channels that could want it.
Make = Callable[[Happened, Sequence[ChannelView]], Made]


class PlanStore:
    """Every method raises StoreError when the database cannot answer."""

    def __init__(self, engine: AsyncEngine) -> None:
        """`engine` is open, on a database of the present schema."""
        self._engine = engine

    async def behind(self) -> int:
        """How many events nobody has looked at."""
        seen = select(func.max(notification_cursor.c.sequence)).scalar_subquery()
        told = select(func.max(audit_head.c.event_sequence)).scalar_subquery()
        rows = await read_rows(
            self._engine, "look for events", select(told.label("told"), seen.label("seen"))
        )
        return max(0, (rows[0].told or 0) - (rows[0].seen or 0))

    async def plan(self, make: Make, count: int, now: float) -> int:
        """Turn up to `count` events into notices and deliveries; returns how many it were.

        None are when another node is about it.
        """
        async with write_transaction(self._engine, "plan notifications") as connection:
            seen = await connection.scalar(
                select(notification_cursor.c.sequence)
                .where(notification_cursor.c.id == _CURSOR)
                .with_for_update(skip_locked=True)
            )
            if seen is None:
                return 0
            happened = await _behind(connection, seen, count)
            if not happened:
                return 0
            await _write_plan(connection, happened, make, now)
            await connection.execute(
                update(notification_cursor)
                .where(notification_cursor.c.id == _CURSOR)
                .values(sequence=happened[-1].sequence)
            )
            return len(happened)


async def _behind(connection: AsyncConnection, seen: int, count: int) -> Sequence[Happened]:
    found = await connection.execute(
        select(events).where(events.c.sequence > seen).order_by(events.c.sequence).limit(count)
    )
    return [
        Happened(
            row.sequence,
            from_us(row.at_us),
            row.kind,
            row.account_id,
            row.key_id,
            _data(row.data),
        )
        for row in found
    ]


def _data(text: str) -> Mapping[str, Any]:
    # What cannot be read is told without its data rather than never: the cursor has to get past it.
    try:
        data = json.loads(text)
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


async def _write_plan(
    connection: AsyncConnection, happened: Sequence[Happened], make: Make, now: float
) -> None:
    accounts = {event.account_id for event in happened if event.account_id is not None}
    found = await connection.execute(
        select(channels).where(
            channels.c.status == ChannelStatus.ACTIVE.value,
            or_(channels.c.account_id.is_(None), channels.c.account_id.in_(accounts)),
        )
    )
    views = [view_of(row) for row in found]
    notices, parcels = [], []
    for event in happened:
        fitting = [one for one in views if one.account_id in {None, event.account_id}]
        notice, made = make(event, fitting)
        if notice.is_for_inbox:
            notices.append(_inbox_row(event, notice))
        parcels += [new_delivery(each) for each in made]
    if notices:
        await connection.execute(insert(inbox_notices), notices)
    if parcels:
        await connection.execute(insert(deliveries), parcels)
        # In one order, so that two transactions never wait for each other in a circle.
        await wake(connection, sorted({row["channel_id"] for row in parcels}), now)


def _inbox_row(event: Happened, notice: Notice) -> dict[str, Any]:
    return {
        "sequence": event.sequence,
        "at_us": to_us(event.at),
        "account_id": event.account_id,
        "key_id": event.key_id,
        "kind": event.kind,
        "severity": notice.severity.rank,
        "title": notice.title,
        "text": notice.text,
    }
