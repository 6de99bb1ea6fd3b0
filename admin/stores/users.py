"""Users in SQL: written here, and read back as the control plane shows them."""

__all__ = ["UserFilter", "UserStore", "UserView", "user_view"]

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.core.caller import Caller, Role
from admin.core.page import Page, PageRequest
from admin.stores.paging import contains, oldest_first
from admin.stores.transaction import Transaction, transaction
from gateway.stores.sql_engine import read_rows
from gateway.stores.tables import accounts, from_us, to_us, users


@dataclass(frozen=True, slots=True)
class UserView:
    """One user. Times are seconds since the epoch, UTC; `version` grows with every change.

    An `account_id` of None sees all accounts; `scopes` of None are all that the plan offers to members.
    """

    id: str
    email: str
    name: str
    role: Role
    account_id: str | None
    scopes: tuple[str, ...] | None
    status: str
    version: int
    created_at: float
    updated_at: float


@dataclass(frozen=True, slots=True)
class UserFilter:
    """Which users: all that fit every word given. `search` is part of the name or e-mail, or the whole id."""

    search: str | None = None
    account_id: str | None = None
    role: Role | None = None
    status: str | None = None


class UserStore:
    """Every method raises StoreError when the database cannot answer."""

    def __init__(self, engine: AsyncEngine) -> None:
        """`engine` is open, on a database of the present schema."""
        self._engine = engine

    def transaction(
        self, operation: str, caller: Caller, now: float
    ) -> AbstractAsyncContextManager[Transaction]:
        """One change with its audit entries and events: all or nothing."""
        return transaction(self._engine, operation, caller, now)

    async def insert(self, tx: Transaction, user: UserView) -> bool:
        """Add a user under an id that no other has; False if somebody has the e-mail address."""
        is_postgresql = tx.connection.dialect.name == "postgresql"
        adding = (postgresql if is_postgresql else sqlite).insert(users)
        done = await tx.connection.execute(
            adding.on_conflict_do_nothing(index_elements=[users.c.email]).values(
                id=user.id, **_columns(user)
            )
        )
        return done.rowcount == 1

    async def has_account(self, tx: Transaction, account_id: str) -> bool:
        """Whether there is such an account."""
        found = await tx.connection.execute(
            select(accounts.c.id).where(accounts.c.id == account_id)
        )
        return found.first() is not None

    async def lock(self, tx: Transaction, user_id: str) -> UserView | None:
        """The user, whom nobody else can change before the transaction ends; None if there is none."""
        found = await tx.connection.execute(
            select(users).where(users.c.id == user_id).with_for_update()
        )
        row = found.one_or_none()
        return None if row is None else user_view(row)

    async def save(self, tx: Transaction, user: UserView) -> None:
        """Write a locked user back."""
        await tx.connection.execute(
            update(users).where(users.c.id == user.id).values(_columns(user))
        )

    async def find(self, user_id: str) -> UserView | None:
        """The user with this id, or None."""
        rows = await read_rows(
            self._engine, "show a user", select(users).where(users.c.id == user_id)
        )
        return user_view(rows[0]) if rows else None

    async def list(self, wanted: UserFilter, page: PageRequest) -> Page[UserView]:
        """The users that fit, oldest first."""
        return await oldest_first(self._engine, users, _conditions(wanted), user_view, page)


def _conditions(wanted: UserFilter) -> list[ColumnElement[bool]]:
    conditions = [
        column == value
        for column, value in (
            (users.c.account_id, wanted.account_id),
            (users.c.role, wanted.role),
            (users.c.status, wanted.status),
        )
        if value is not None
    ]
    if wanted.search:
        conditions.append(
            contains(wanted.search, users.c.name, users.c.email) | (users.c.id == wanted.search)
        )
    return conditions


def _columns(user: UserView) -> dict[str, Any]:
    return {
        "email": user.email,
        "name": user.name,
        "role": user.role.value,
        "account_id": user.account_id,
        "scopes": None if user.scopes is None else list(user.scopes),
        "status": user.status,
        "version": user.version,
        "created_us": to_us(user.created_at),
        "updated_us": to_us(user.updated_at),
    }


def user_view(row: Row[Any]) -> UserView:
    """The user of a row that holds all columns of one."""
    return UserView(
        id=row.id,
        email=row.email,
        name=row.name,
        role=Role(row.role),
        account_id=row.account_id,
        scopes=None if row.scopes is None else tuple(row.scopes),
        status=row.status,
        version=row.version,
        created_at=from_us(row.created_us),
        updated_at=from_us(row.updated_us),
    )
