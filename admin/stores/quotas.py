"""Raises of quotas, and which accounts there are to bill."""

__all__ = ["QuotaStore", "Raise", "Subject"]

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple

from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.core.caller import Caller
from admin.stores.transaction import Transaction, transaction
from gateway.core.quota import Extra
from gateway.stores.quota_tables import quota_raises
from gateway.stores.sql_engine import read_rows
from gateway.stores.sql_quotas import active_extra
from gateway.stores.tables import accounts, from_us, to_us

_ROWS = quota_raises.c
_IDS_PER_STATEMENT = 1000


class Raise(NamedTuple):
    """So much more, from now until a time."""

    id: str
    account_id: str
    requests: int
    bytes: int
    reason: str
    created_at: float
    until: float
    ended_at: float | None = None


class Subject(NamedTuple):
    """An account, as far as its quota is concerned."""

    id: str
    name: str
    plan: str
    version: int


class QuotaStore:
    """Each method raises StoreError."""

    def __init__(self, engine: AsyncEngine) -> None:
        """The database of the accounts."""
        self._engine = engine

    def transaction(
        self, operation: str, caller: Caller, now: float
    ) -> AbstractAsyncContextManager[Transaction]:
        """See `admin.stores.transaction`."""
        return transaction(self._engine, operation, caller, now)

    async def subject(self, account_id: str) -> Subject | None:
        """The account; None if there is none."""
        rows = await read_rows(
            self._engine, "find an account", _SUBJECTS.where(accounts.c.id == account_id)
        )
        return _subject(rows[0]) if rows else None

    async def subjects(self, after: str, limit: int, only: str | None) -> Sequence[Subject]:
        """Accounts in the order of their ids, those behind `after`; with `only`, that one."""
        wanted = _SUBJECTS.where(accounts.c.id > after)
        if only is not None:
            wanted = wanted.where(accounts.c.id == only)
        found = await read_rows(
            self._engine, "list accounts", wanted.order_by(accounts.c.id).limit(limit)
        )
        return tuple(map(_subject, found))

    async def raises(self, account_id: str, now: float) -> Sequence[Raise]:
        """Those that count now, the first to end first."""
        found = await read_rows(
            self._engine,
            "find raises",
            select(quota_raises)
            .where(
                _ROWS.account_id == account_id,
                _ROWS.until_us > to_us(now),
                _ROWS.ended_us.is_(None),
            )
            .order_by(_ROWS.until_us, _ROWS.id),
        )
        return tuple(map(_raise, found))

    async def find_raise(self, raise_id: str) -> Raise | None:
        """The raise, over or not."""
        found = await read_rows(
            self._engine, "find a raise", select(quota_raises).where(_ROWS.id == raise_id)
        )
        return _raise(found[0]) if found else None

    async def extras(self, account_ids: Sequence[str], now: float) -> dict[str, Extra]:
        """What is on top now, of those accounts that have something."""
        found: dict[str, Extra] = {}
        for start in range(0, len(account_ids), _IDS_PER_STATEMENT):
            rows = await read_rows(
                self._engine,
                "sum raises up",
                select(
                    _ROWS.account_id,
                    func.sum(_ROWS.requests).label("requests"),
                    func.sum(_ROWS.bytes).label("bytes"),
                    func.min(_ROWS.until_us).label("until_us"),
                )
                .where(
                    _ROWS.account_id.in_(account_ids[start : start + _IDS_PER_STATEMENT]),
                    _ROWS.until_us > to_us(now),
                    _ROWS.ended_us.is_(None),
                )
                .group_by(_ROWS.account_id),
            )
            found.update(
                (row.account_id, Extra(int(row.requests), int(row.bytes), int(row.until_us)))
                for row in rows
            )
        return found

    async def add(self, tx: Transaction, one: Raise) -> Extra:
        """Put it in; what is on top with it."""
        await tx.connection.execute(
            insert(quota_raises).values(
                id=one.id,
                account_id=one.account_id,
                requests=one.requests,
                bytes=one.bytes,
                reason=one.reason,
                created_us=to_us(one.created_at),
                until_us=to_us(one.until),
            )
        )
        return await active_extra(tx.connection, one.account_id, to_us(tx.now))

    async def end(self, tx: Transaction, one: Raise) -> Extra:
        """End it now; what is on top without it."""
        await tx.connection.execute(
            update(quota_raises)
            .where(_ROWS.id == one.id, _ROWS.ended_us.is_(None))
            .values(ended_us=to_us(tx.now))
        )
        return await active_extra(tx.connection, one.account_id, to_us(tx.now))


_SUBJECTS = select(accounts.c.id, accounts.c.name, accounts.c.plan, accounts.c.version)


def _subject(row: Row[Any]) -> Subject:
    return Subject(row.id, row.name, row.plan, row.version)


def _raise(row: Row[Any]) -> Raise:
    return Raise(
        row.id,
        row.account_id,
        row.requests,
        row.bytes,
        row.reason,
        from_us(row.created_us),
        from_us(row.until_us),
        None if row.ended_us is None else from_us(row.ended_us),
    )
