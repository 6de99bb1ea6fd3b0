"""Which secrets a change of an account or of a user concerns, and the version that each has reached."""

__all__ = ["ConcernedSecrets", "Found"]

from typing import NamedTuple

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.core.keys import KeyStatus
from gateway.stores.sql_engine import read_rows
from gateway.stores.tables import accounts, keys, secrets, users

_AT_ONCE = 10_000

# As the gateway reads it: all three only grow.
_VERSION = (keys.c.version + accounts.c.version + func.coalesce(users.c.version, 0)).label(
    "all_versions"
)
_CONCERNED = (
    select(secrets.c.id, keys.c.account_id, keys.c.id.label("key_id"), _VERSION)
    .join(keys, keys.c.id == secrets.c.key_id)
    .join(accounts, accounts.c.id == keys.c.account_id)
    .outerjoin(users, users.c.id == keys.c.owner_id)
    # A revoked key or secret is refused, whatever else is known of it.
    .where(keys.c.status != KeyStatus.REVOKED.value, secrets.c.revoked_us.is_(None))
    .order_by(secrets.c.id)
    .limit(_AT_ONCE)
)


class Found(NamedTuple):
    """One secret with the account and key that it belongs to."""

    secret_id: str
    account_id: str
    key_id: str
    version: int


class ConcernedSecrets:
    """Read after the change is committed: whatever was cached before it is then among them."""

    def __init__(self, engine: AsyncEngine) -> None:
        """Every method raises StoreError when the database cannot answer; the deadline is per ten thousand."""
        self._engine = engine

    async def of_account(self, account_id: str) -> tuple[Found, ...]:
        """Those of the account's keys."""
        return await self._all(keys.c.account_id == account_id)

    async def of_owner(self, user_id: str) -> tuple[Found, ...]:
        """Those of the keys that the user owns."""
        return await self._all(keys.c.owner_id == user_id)

    async def _all(self, wanted: ColumnElement[bool]) -> tuple[Found, ...]:
        found: list[Found] = []
        last = ""
        while True:
            rows = await read_rows(
                self._engine,
                "find the secrets concerned",
                _CONCERNED.where(wanted, secrets.c.id > last),
            )
            found += (Found(row.id, row.account_id, row.key_id, row.all_versions) for row in rows)
            if len(rows) < _AT_ONCE:
                return tuple(found)
            last = rows[-1].id
