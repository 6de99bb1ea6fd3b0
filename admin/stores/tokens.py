"""Admin tokens in SQL: of the token itself only an argon2id hash."""

__all__ = ["StoredToken", "TokenStore", "TokenView"]

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.core.caller import Caller, Permission, Role
from admin.core.page import Page, PageRequest
from admin.stores.paging import oldest_first
from admin.stores.transaction import Transaction, transaction
from gateway.stores.sql_engine import read_rows
from gateway.stores.tables import accounts, admin_tokens, from_us, to_us


@dataclass(frozen=True, slots=True)
class TokenView:
    """One admin token. Times are seconds since the epoch, UTC; `permissions` None: all that the role has."""

    id: str
    name: str
    role: Role
    account_id: str | None
    permissions: tuple[Permission, ...] | None
    created_at: float
    expires_at: float | None = None
    revoked_at: float | None = None


@dataclass(frozen=True, slots=True)
class StoredToken:
    """What there is under a token's id: the token, and argon2id of its text in PHC form."""

    view: TokenView
    token_hash: str = field(repr=False)


class TokenStore:
    """Every method raises StoreError when the database cannot answer."""

    def __init__(self, engine: AsyncEngine) -> None:
        """`engine` is open, on a database of the present schema."""
        self._engine = engine

    def transaction(
        self, operation: str, caller: Caller, now: float
    ) -> AbstractAsyncContextManager[Transaction]:
        """One change with its audit entries and events: all or nothing."""
        return transaction(self._engine, operation, caller, now)

    async def has_account(self, tx: Transaction, account_id: str) -> bool:
        """Whether there is such an account."""
        found = await tx.connection.execute(
            select(accounts.c.id).where(accounts.c.id == account_id)
        )
        return found.first() is not None

    async def insert(self, tx: Transaction, token: TokenView, token_hash: str) -> None:
        """Add a token under an id that no other has."""
        await tx.connection.execute(
            insert(admin_tokens).values(
                id=token.id,
                name=token.name,
                role=token.role.value,
                account_id=token.account_id,
                permissions=None if token.permissions is None else list(token.permissions),
                token_hash=token_hash,
                created_us=to_us(token.created_at),
                expires_us=None if token.expires_at is None else to_us(token.expires_at),
            )
        )

    async def lock(self, tx: Transaction, token_id: str) -> TokenView | None:
        """The token, which nobody else can change before the transaction ends; None if there is none."""
        found = await tx.connection.execute(
            select(admin_tokens).where(admin_tokens.c.id == token_id).with_for_update()
        )
        row = found.one_or_none()
        return None if row is None else _view(row)

    async def revoke(self, tx: Transaction, token_id: str, at: float) -> None:
        """Write down that a locked token is revoked."""
        await tx.connection.execute(
            update(admin_tokens).where(admin_tokens.c.id == token_id).values(revoked_us=to_us(at))
        )

    async def find(self, token_id: str) -> StoredToken | None:
        """What there is under this id, or None."""
        rows = await read_rows(
            self._engine, "find a token", select(admin_tokens).where(admin_tokens.c.id == token_id)
        )
        return StoredToken(_view(rows[0]), rows[0].token_hash) if rows else None

    async def list(self, account_id: str | None, page: PageRequest) -> Page[TokenView]:
        """The tokens (of one account), oldest first."""
        wanted: list[ColumnElement[bool]] = []
        if account_id is not None:
            wanted.append(admin_tokens.c.account_id == account_id)
        return await oldest_first(self._engine, admin_tokens, wanted, _view, page)


def _view(row: Row[Any]) -> TokenView:
    return TokenView(
        id=row.id,
        name=row.name,
        role=Role(row.role),
        account_id=row.account_id,
        permissions=_permissions(row.permissions),
        created_at=from_us(row.created_us),
        expires_at=None if row.expires_us is None else from_us(row.expires_us),
        revoked_at=None if row.revoked_us is None else from_us(row.revoked_us),
    )


def _permissions(names: list[str] | None) -> tuple[Permission, ...] | None:
    # One that this release does not know (a newer one wrote it) gives nothing here.
    return None if names is None else tuple(each for each in Permission if each in names)
