"""Accounts in SQL: written here, and read back as the control plane shows them."""

__all__ = ["AccountStore", "AccountView"]

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.core.keys import ApiAccess
from gateway.stores.sql_engine import read_rows, write_transaction
from gateway.stores.tables import accounts, from_us, to_us


@dataclass(frozen=True, slots=True)
class AccountView:
    """One account. Times are seconds since the epoch, UTC; `version` grows with every change."""

    id: str
    name: str
    plan: str
    status: str
    api_access: ApiAccess
    version: int
    created_at: float
    updated_at: float


class AccountStore:
    """One method is one transaction."""

    def __init__(self, engine: AsyncEngine) -> None:
        """Every method raises StoreError when the database cannot answer."""
        self._engine = engine

    async def insert(self, account: AccountView) -> None:
        """Add an account under an id that no other has."""
        async with write_transaction(self._engine, "add an account") as connection:
            await connection.execute(
                insert(accounts).values(
                    id=account.id,
                    name=account.name,
                    plan=account.plan,
                    status=account.status,
                    api_access=account.api_access.value,
                    version=account.version,
                    created_us=to_us(account.created_at),
                    updated_us=to_us(account.updated_at),
                )
            )

    async def find_all(self) -> tuple[AccountView, ...]:
        """Every account, oldest first."""
        rows = await read_rows(
            self._engine,
            "list accounts",
            select(accounts).order_by(accounts.c.created_us, accounts.c.id),
        )
        return tuple(_view(row) for row in rows)


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
    )
