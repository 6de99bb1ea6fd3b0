"""Channels in SQL: where notifications go. Their secrets are sealed before they come here."""

__all__ = [
    "ChannelKind",
    "ChannelStatus",
    "ChannelStore",
    "ChannelView",
    "Sealed",
    "sealed_of",
    "view_of",
]

from collections.abc import Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.core.caller import Caller
from admin.core.notices.channel_words import ChannelKind, ChannelStatus
from admin.core.notices.severity import Severity
from admin.core.page import Page, PageRequest
from admin.stores.paging import oldest_first
from admin.stores.transaction import Transaction, transaction
from gateway.stores.notification_tables import channels, deliveries
from gateway.stores.sql_engine import read_rows, write_transaction
from gateway.stores.tables import accounts, from_us, to_us, users


@dataclass(frozen=True, slots=True)
class Sealed:
    """Encrypted secrets, the present and the one before, with the pepper they were sealed under."""

    present: bytes = field(repr=False)
    pepper_id: str
    before: bytes | None = field(default=None, repr=False)
    before_ends_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelView:
    """One channel. Times are seconds since the epoch, UTC; an account of None is the operator's own.

    `url` of a chat service shows its scheme alone. `failures` are those in a row since `failing_since`.
    """

    id: str
    account_id: str | None
    kind: ChannelKind
    name: str
    url: str | None
    recipients: tuple[str, ...]
    events: tuple[str, ...]
    severity: Severity
    status: ChannelStatus = ChannelStatus.ACTIVE
    reason: str | None = None
    failures: int = 0
    failing_since: float | None = None
    delivered_at: float | None = None
    old_secret_ends_at: float | None = None
    created_at: float = 0.0
    updated_at: float = 0.0
    version: int = 1


class ChannelStore:
    """Every method raises StoreError when the database cannot answer."""

    def __init__(self, engine: AsyncEngine) -> None:
        """`engine` is open, on a database of the present schema."""
        self._engine = engine

    def transaction(
        self, operation: str, caller: Caller, now: float
    ) -> AbstractAsyncContextManager[Transaction]:
        """One change with its audit entries and events: all or nothing."""
        return transaction(self._engine, operation, caller, now)

    async def lock_account(self, tx: Transaction, account_id: str) -> bool:
        """Whether there is such an account; nobody else adds a channel to it before the transaction ends."""
        found = await tx.connection.execute(
            select(accounts.c.id).where(accounts.c.id == account_id).with_for_update()
        )
        return found.first() is not None

    async def count(self, tx: Transaction, account_id: str | None) -> int:
        """How many channels the account has, or belong to none."""
        counted = select(func.count()).select_from(channels).where(_of(account_id))
        return (await tx.connection.execute(counted)).scalar_one()

    async def known_emails(
        self, tx: Transaction, account_id: str, emails: Collection[str]
    ) -> frozenset[str]:
        """Which of the addresses belong to active users of the account."""
        found = await tx.connection.execute(
            select(users.c.email).where(
                users.c.account_id == account_id,
                users.c.status == "active",
                users.c.email.in_(emails),
            )
        )
        return frozenset(found.scalars())

    async def insert(self, tx: Transaction, channel: ChannelView, sealed: Sealed | None) -> None:
        """Add a channel under an id that no other has."""
        await tx.connection.execute(
            insert(channels).values(
                id=channel.id,
                account_id=channel.account_id,
                created_us=to_us(channel.created_at),
                **_chosen(channel),
                **_secrets(sealed),
            )
        )

    async def lock(self, tx: Transaction, channel_id: str) -> ChannelView | None:
        """The channel, which nobody else can change before the transaction ends; None if there is none."""
        found = await tx.connection.execute(
            select(channels).where(channels.c.id == channel_id).with_for_update()
        )
        row = found.one_or_none()
        return None if row is None else view_of(row)

    async def sealed(self, tx: Transaction, channel_id: str) -> Sealed | None:
        """The secrets of a locked channel, if it has any."""
        found = await tx.connection.execute(select(channels).where(channels.c.id == channel_id))
        return sealed_of(found.one())

    async def save(self, tx: Transaction, channel: ChannelView, sealed: Sealed | None) -> None:
        """Write down what was chosen anew for a locked channel; a `sealed` of None leaves the secrets alone.

        One that is (again) active begins anew: what went wrong before does not count, and what waits is due.
        """
        values = _chosen(channel)
        if sealed is not None:
            values |= _secrets(sealed)
        if channel.status is ChannelStatus.ACTIVE and channel.failing_since is None:
            waiting = (
                select(func.min(deliveries.c.due_us))
                .where(deliveries.c.channel_id == channel.id, deliveries.c.state == "pending")
                .scalar_subquery()
            )
            values |= {
                "failures": 0,
                "failing_since_us": None,
                "rest_us": None,
                "due_us": waiting,
            }
        await tx.connection.execute(
            update(channels).where(channels.c.id == channel.id).values(**values)
        )

    async def delete(self, tx: Transaction, channel_id: str) -> None:
        """Take a locked channel away; housekeeping clears its log when that is old."""
        await tx.connection.execute(delete(channels).where(channels.c.id == channel_id))

    async def find(self, channel_id: str) -> ChannelView | None:
        """The channel with this id, or None."""
        rows = await read_rows(
            self._engine, "find a channel", select(channels).where(channels.c.id == channel_id)
        )
        return view_of(rows[0]) if rows else None

    async def list(
        self, account_id: str | None, kind: ChannelKind | None, page: PageRequest
    ) -> Page[ChannelView]:
        """The channels (of one account, of one kind), oldest first."""
        wanted: list[ColumnElement[bool]] = []
        if account_id is not None:
            wanted.append(channels.c.account_id == account_id)
        if kind is not None:
            wanted.append(channels.c.kind == kind.value)
        return await oldest_first(self._engine, channels, wanted, view_of, page)

    async def sealed_before(self, pepper_id: str, count: int) -> Sequence[tuple[str, Sealed]]:
        """Up to `count` channels with secrets that were sealed under another pepper."""
        rows = await read_rows(
            self._engine,
            "find secrets under an older pepper",
            select(channels)
            .where(channels.c.sealed.is_not(None), channels.c.pepper_id != pepper_id)
            .order_by(channels.c.id)
            .limit(count),
        )
        return [(row.id, sealed) for row in rows if (sealed := sealed_of(row)) is not None]

    async def reseal(self, channel_id: str, was: Sealed, sealed: Sealed) -> None:
        """Write the same secrets as they are sealed now, unless others have taken their place."""
        async with write_transaction(self._engine, "seal a channel's secrets anew") as connection:
            await connection.execute(
                update(channels)
                .where(channels.c.id == channel_id, channels.c.sealed == was.present)
                .values(**_secrets(sealed))
            )


def _of(account_id: str | None) -> ColumnElement[bool]:
    # Both `IS NULL` and `=` find their rows by the index.
    if account_id is None:
        return channels.c.account_id.is_(None)
    return channels.c.account_id == account_id


def _chosen(channel: ChannelView) -> dict[str, Any]:
    return {
        "kind": channel.kind.value,
        "name": channel.name,
        "url": channel.url,
        "recipients": list(channel.recipients),
        "events": list(channel.events),
        "severity": channel.severity.rank,
        "status": channel.status.value,
        "reason": channel.reason,
        "version": channel.version,
        "updated_us": to_us(channel.updated_at),
    }


def _secrets(sealed: Sealed | None) -> dict[str, Any]:
    if sealed is None:
        return {}
    ends_at = sealed.before_ends_at
    return {
        "sealed": sealed.present,
        "pepper_id": sealed.pepper_id,
        "old_sealed": sealed.before,
        "old_ends_us": None if ends_at is None else to_us(ends_at),
    }


def sealed_of(row: Row[Any]) -> Sealed | None:
    """The secrets of a row of the table, if it has any."""
    if row.sealed is None:
        return None
    ends_at = None if row.old_ends_us is None else from_us(row.old_ends_us)
    return Sealed(row.sealed, row.pepper_id, row.old_sealed, ends_at)


def view_of(row: Row[Any]) -> ChannelView:
    """A row of the table as it is shown."""
    return ChannelView(
        id=row.id,
        account_id=row.account_id,
        kind=ChannelKind(row.kind),
        name=row.name,
        url=row.url,
        recipients=tuple(row.recipients),
        events=tuple(row.events),
        severity=Severity.of_rank(row.severity),
        status=ChannelStatus(row.status),
        reason=row.reason,
        failures=row.failures,
        failing_since=_moment(row.failing_since_us),
        delivered_at=_moment(row.delivered_us),
        old_secret_ends_at=_moment(row.old_ends_us),
        created_at=from_us(row.created_us),
        updated_at=from_us(row.updated_us),
        version=row.version,
    )


def _moment(microseconds: int | None) -> float | None:
    return None if microseconds is None else from_us(microseconds)
