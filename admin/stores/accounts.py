"""Accounts in SQL: written here, and read back as the control plane shows them."""

__all__ = ["AccountFilter", "AccountStore", "AccountView"]

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.core.caller import Caller
from admin.core.page import Page, PageRequest
from admin.stores.paging import contains, oldest_first
from admin.stores.transaction import Transaction, transaction
from gateway.core.keys import ApiAccess
from gateway.stores.sql_engine import read_rows
from gateway.stores.tables import accounts, from_us, to_us


@dataclass(frozen=True, slots=True)
class AccountView:
    """One account. Times are seconds since the epoch, UTC; `version` grows with every change.

    `api_access_reason` is what was said with the last request or decision, at `api_access_changed_at`.
    """

    id: str
    name: str
    plan: str
    status: str
    api_access: ApiAccess
    version: int
    created_at: float
    updated_at: float
    api_access_reason: str | None = None
    api_access_changed_at: float | None = None


@dataclass(frozen=True, slots=True)
class AccountFilter:
    """Which accounts: all that fit every word given. `search` is part of the name, or the whole id."""

    search: str | None = None
    plan: str | None = None
    status: str | None = None
    api_access: ApiAccess | None = None
    account_id: str | None = None


class AccountStore:
    """Every method raises StoreError when the database cannot answer."""

    def __init__(self, engine: AsyncEngine) -> None:
        """`engine` is open, on a database of the present schema."""
        self._engine = engine

    def transaction(
        self, operation: str, caller: Caller, now: float
    ) -> AbstractAsyncContextManager[Transaction]:
        """One change with its audit entries and events: all or nothing."""
        return transaction(self._engine, operation, caller, now)

    async def insert(self, tx: Transaction, account: AccountView) -> None:
        """Add an account under an id that no other has."""
        await tx.connection.execute(insert(accounts).values(id=account.id, **_columns(account)))

    async def lock(self, tx: Transaction, account_id: str) -> AccountView | None:
        """The account, which nobody else can change before the transaction ends; None if there is none."""
        found = await tx.connection.execute(
            select(accounts).where(accounts.c.id == account_id).with_for_update()
        )
        row = found.one_or_none()
        return None if row is None else _view(row)

    async def save(self, tx: Transaction, account: AccountView) -> None:
        """Write a locked account back."""
        await tx.connection.execute(
            update(accounts).where(accounts.c.id == account.id).values(_columns(account))
        )

    async def find(self, account_id: str) -> AccountView | None:
        """The account with this id, or None."""
        rows = await read_rows(
            self._engine, "show an account", select(accounts).where(accounts.c.id == account_id)
        )
        return _view(rows[0]) if rows else None

    async def list(self, wanted: AccountFilter, page: PageRequest) -> Page[AccountView]:
        """The accounts that fit, oldest first."""
        return await oldest_first(self._engine, accounts, _conditions(wanted), _view, page)


def _conditions(wanted: AccountFilter) -> list[ColumnElement[bool]]:
    conditions = [
        column == value
        for column, value in (
            (accounts.c.id, wanted.account_id),
            (accounts.c.plan, wanted.plan),
            (accounts.c.status, wanted.status),
            (accounts.c.api_access, wanted.api_access),
        )
        if value is not None
    ]
    if wanted.search:
        conditions.append(
            contains(wanted.search, accounts.c.name) | (accounts.c.id == wanted.search)
        )
    return conditions


def _columns(account: AccountView) -> dict[str, Any]:
    changed_at = account.api_access_changed_at
    return {
        "name": account.name,
        "plan": account.plan,
        "status": account.status,
        "api_access": account.api_access.value,
        "version": account.version,
        "created_us": to_us(account.created_at),
        "updated_us": to_us(account.updated_at),
        "api_access_reason": account.api_access_reason,
        "api_access_us": None if changed_at is None else to_us(changed_at),
    }


def _view(row: Row[Any]) -> AccountView:
    return AccountView(
        id=row.id,
        name=row.name,
        plan=row.plan,
        status=row.status,
        api_access=ApiAccess(row.api_access),
        version=row.version,
        created_at=from_us(row.created_us),
        updated_at=from_us(row.updated_us),
        api_access_reason=row.api_access_reason,
        api_access_changed_at=None if row.api_access_us is None else from_us(row.api_access_us),
    )
