"""Channels that something is due for, and what becomes of it, in SQL.

Several nodes do this at once, and each may be killed between any two statements. A channel is worked on by
whoever claimed it, until the claim ends; what became of an attempt is written by the claim's holder alone.
"""

__all__ = ["Claim", "DispatchStore", "Result", "Room"]

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Row, Select, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from admin.core.caller import system
from admin.core.notices.channel_words import ChannelStatus, DeliveryState
from admin.stores.channels import ChannelView, Sealed, sealed_of, view_of
from admin.stores.deliveries import Delivery, delivery_of
from admin.stores.transaction import Target, Transaction, transaction
from gateway.stores.notification_tables import channels, deliveries, delivery_attempts
from gateway.stores.sql_engine import read_rows, write_transaction
from gateway.stores.tables import from_us, to_us

_CALLER = system("notifications")


class Room(NamedTuple):
    """How many channels can be taken on: in all, of those that failed lately, and of one account each."""

    any: int
    failing: int
    of_account: Callable[[str | None], int]


@dataclass(frozen=True, slots=True)
class Claim:
    """A channel that is ours until the claim ends, under a word that nobody else has."""

    word: str
    channel: ChannelView
    sealed: Sealed | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of one attempt. `next_at` None: it was the last.

    `rest_until`: when the channel may be sent something again; `off`: why it gets nothing any more.
    """

    at: float
    seconds: float
    outcome: str
    is_delivered: bool
    status: int | None
    detail: str | None
    next_at: float | None = None
    rest_until: float | None = None
    off: str | None = None


class DispatchStore:
    """Every method raises StoreError when the database cannot answer."""

    def __init__(self, engine: AsyncEngine) -> None:
        """`engine` is open, on a database of the present schema."""
        self._engine = engine

    async def claim(
        self, new_word: Callable[[], str], room: Room, now: float, until: float
    ) -> Sequence[Claim]:
        """Channels that something is due for, each ours until `until` unless it is given back.

        Those of one account never take more than its share of the room, and those that failed not more than theirs.
        """
        wanted = await self._claimable(room, now)
        if not wanted:
            return []
        word = new_word()
        async with write_transaction(self._engine, "claim channels") as connection:
            found = await connection.execute(
                update(channels)
                # Once more: another node may have been faster.
                .where(channels.c.id.in_(wanted), *_is_claimable(now))
                .values(claimed_by=word, claimed_until_us=to_us(until))
                .returning(channels)
            )
            rows = {row.id: row for row in found}
        return [
            Claim(word, view_of(rows[each]), sealed_of(rows[each]))
            for each in wanted
            if each in rows
        ]

    async def _claimable(self, room: Room, now: float) -> list[str]:
        number = func.row_number().over(
            partition_by=func.coalesce(channels.c.account_id, ""), order_by=channels.c.due_us
        )
        chosen: list[Row[Any]] = []
        for is_failing, most in ((False, room.any), (True, min(room.any, room.failing))):
            if most < 1:
                continue
            part = channels.c.failures > 0 if is_failing else channels.c.failures == 0
            ranked = (
                select(channels.c.id, channels.c.account_id, channels.c.due_us, number.label("n"))
                .where(*_is_claimable(now), part)
                .subquery()
            )
            first: Select[Any] = (
                select(ranked)
                .where(ranked.c.n <= most)
                .order_by(ranked.c.n, ranked.c.due_us)
                .limit(most)
            )
            chosen += await read_rows(self._engine, "look for channels", first)
        return _fitting(chosen, room)

    async def due(self, claim: Claim, now: float, count: int) -> Sequence[Delivery]:
        """Up to `count` of the channel's deliveries that are due, in the order of what happened."""
        rows = await read_rows(
            self._engine,
            "look for deliveries",
            select(deliveries)
            .where(
                deliveries.c.channel_id == claim.channel.id,
                deliveries.c.state == DeliveryState.PENDING.value,
                deliveries.c.due_us <= to_us(now),
            )
            .order_by(deliveries.c.due_us, deliveries.c.event_sequence, deliveries.c.id)
            .limit(count),
        )
        return [delivery_of(row) for row in rows]

    async def settle(
        self, claim: Claim, delivery: Delivery, result: Result, until: float
    ) -> ChannelView | None:
        """Write down an attempt, and hold the claim until `until`; None, and nothing written, if it is lost."""
        async with transaction(self._engine, "settle a delivery", _CALLER, result.at) as tx:
            channel = await _held(tx.connection, claim)
            if channel is None:
                return None
            if not await _write_attempt(tx.connection, delivery, result):
                # Written before, by a commit that nobody heard of.
                return channel
            health = _health(channel, result)
            await tx.connection.execute(
                update(channels)
                .where(channels.c.id == channel.id)
                .values(claimed_until_us=to_us(until), **health)
            )
            if result.off is not None:
                _tell_off(tx, channel, result.off)
            return await _held(tx.connection, claim)

    async def release(self, claim: Claim) -> None:
        """Give the channel back: it is due again when one of its deliveries is."""
        async with write_transaction(self._engine, "release a channel") as connection:
            # Locked first, so that what another transaction has just added is seen by the next statement.
            if await _held(connection, claim) is None:
                return
            waiting = await connection.scalar(
                select(func.min(deliveries.c.due_us)).where(
                    deliveries.c.channel_id == claim.channel.id,
                    deliveries.c.state == DeliveryState.PENDING.value,
                )
            )
            await connection.execute(
                update(channels)
                .where(channels.c.id == claim.channel.id)
                .values(due_us=waiting, claimed_by=None, claimed_until_us=None)
            )

    async def pending(self) -> tuple[int, float | None]:
        """How many deliveries wait, and when the oldest of them was made."""
        counted: Any = select(
            func.count().label("number"), func.min(deliveries.c.created_us).label("oldest")
        ).where(deliveries.c.state == DeliveryState.PENDING.value)
        rows = await read_rows(self._engine, "count deliveries", counted)
        oldest = rows[0].oldest
        return int(rows[0].number), None if oldest is None else from_us(oldest)


def _is_claimable(now: float) -> tuple[Any, ...]:
    now_us = to_us(now)
    return (
        channels.c.status == ChannelStatus.ACTIVE.value,
        channels.c.due_us <= now_us,
        or_(channels.c.rest_us.is_(None), channels.c.rest_us <= now_us),
        or_(channels.c.claimed_until_us.is_(None), channels.c.claimed_until_us < now_us),
    )


def _fitting(rows: Sequence[Row[Any]], room: Room) -> list[str]:
    """The first of each account before the second of any, as far as there is room."""
    taken: dict[str | None, int] = {}
    fitting: list[str] = []
    for row in sorted(rows, key=lambda row: (row.n, row.due_us)):
        number = taken.get(row.account_id, 0)
        if number < room.of_account(row.account_id) and len(fitting) < room.any:
            taken[row.account_id] = number + 1
            fitting.append(row.id)
    return fitting


async def _held(connection: AsyncConnection, claim: Claim) -> ChannelView | None:
    found = await connection.execute(
        select(channels)
        .where(channels.c.id == claim.channel.id, channels.c.claimed_by == claim.word)
        .with_for_update()
    )
    row = found.one_or_none()
    return None if row is None else view_of(row)


async def _write_attempt(connection: AsyncConnection, delivery: Delivery, result: Result) -> bool:
    if result.is_delivered:
        state = DeliveryState.DELIVERED
    else:
        state = DeliveryState.FAILED if result.next_at is None else DeliveryState.PENDING
    is_over = state is not DeliveryState.PENDING
    done = await connection.execute(
        update(deliveries)
        .where(deliveries.c.id == delivery.id, deliveries.c.attempts == delivery.attempts)
        .values(
            state=state.value,
            attempts=delivery.attempts + 1,
            tries=delivery.tries + 1,
            due_us=to_us(result.at if result.next_at is None else result.next_at),
            finished_us=to_us(result.at) if is_over else None,
            status=result.status,
            detail=result.detail,
        )
    )
    if done.rowcount == 0:
        return False
    await connection.execute(
        insert(delivery_attempts).values(
            delivery_id=delivery.id,
            number=delivery.attempts + 1,
            at_us=to_us(result.at),
            duration_us=to_us(result.seconds),
            outcome=result.outcome,
            status=result.status,
            detail=result.detail,
        )
    )
    return True


def _health(channel: ChannelView, result: Result) -> dict[str, Any]:
    if result.is_delivered:
        return {
            "failures": 0,
            "failing_since_us": None,
            "delivered_us": to_us(result.at),
            "rest_us": None,
        }
    since = result.at if channel.failing_since is None else channel.failing_since
    health: dict[str, Any] = {
        "failures": channel.failures + 1,
        "failing_since_us": to_us(since),
        "rest_us": None if result.rest_until is None else to_us(result.rest_until),
    }
    if result.off is not None:
        off = ChannelStatus.OFF.value
        health |= {"status": off, "reason": result.off, "version": channel.version + 1}
        health["updated_us"] = to_us(result.at)
    return health


def _tell_off(tx: Transaction, channel: ChannelView, reason: str) -> None:
    tx.audit(
        "channel.switch_off",
        Target("channel", channel.id, channel.account_id),
        before={"status": channel.status.value},
        after={"status": ChannelStatus.OFF.value, "reason": reason},
    )
    tx.tell(
        "channel.switched_off",
        account_id=channel.account_id,
        data={"channel": channel.id, "name": channel.name, "reason": reason},
    )
