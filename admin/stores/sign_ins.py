"""Sign-ins to the console in SQL: of the cookie that carries one only its digest."""

__all__ = ["SignIn", "SignInStore", "SignedIn"]

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.core.caller import Caller
from admin.stores.transaction import Transaction, transaction
from admin.stores.users import UserView, user_view
from gateway.stores.console_tables import console_second_factors
from gateway.stores.console_tables import console_sign_ins as table
from gateway.stores.sql_engine import read_rows, write_transaction
from gateway.stores.tables import from_us, to_us, users


@dataclass(frozen=True, slots=True)
class SignIn:
    """Where somebody is signed in. Times are seconds since the epoch; `proved_at`: when they last showed who they are.

    `rights` is what they could do when the cookie was made.
    """

    id: str
    user_id: str
    method: str
    rights: str
    address: str
    agent: str
    created_at: float
    seen_at: float
    proved_at: float
    expires_at: float


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A sign-in, and the user as they are now; `has_second_factor`: one that was confirmed."""

    sign_in: SignIn
    user: UserView
    has_second_factor: bool = False


class SignInStore:
    """Every method raises StoreError when the database cannot answer."""

    def __init__(self, engine: AsyncEngine) -> None:
        """`engine` is open, on a database of the present schema."""
        self._engine = engine

    def transaction(
        self, operation: str, caller: Caller, now: float
    ) -> AbstractAsyncContextManager[Transaction]:
        """One change with its audit entries and events: all or nothing."""
        return transaction(self._engine, operation, caller, now)

    async def insert(self, tx: Transaction, sign_in: SignIn, digest: str) -> None:
        """Add one under a digest that no other has."""
        values = {
            "id": sign_in.id,
            "digest": digest,
            "user_id": sign_in.user_id,
            "method": sign_in.method,
            "rights": sign_in.rights,
            "address": sign_in.address,
            "agent": sign_in.agent,
            "created_us": to_us(sign_in.created_at),
            "seen_us": to_us(sign_in.seen_at),
            "proved_us": to_us(sign_in.proved_at),
            "expires_us": to_us(sign_in.expires_at),
        }
        await tx.connection.execute(insert(table).values(values))

    async def find(self, digest: str) -> SignedIn | None:
        """Whose cookie has this digest; None for nobody's."""
        statement = (
            select(*_COLUMNS, users, console_second_factors.c.confirmed_us)
            .join(users, users.c.id == table.c.user_id)
            .outerjoin(console_second_factors, console_second_factors.c.user_id == users.c.id)
            .where(table.c.digest == digest)
        )
        rows = await read_rows(self._engine, "recognise a sign-in", statement)
        if not rows:
            return None
        has_factor = rows[0].confirmed_us is not None
        return SignedIn(_sign_in(rows[0]), user_view(rows[0]), has_factor)

    async def of_user(self, user_id: str) -> tuple[SignIn, ...]:
        """All of a user, the latest first."""
        statement = (
            select(*_COLUMNS).where(table.c.user_id == user_id).order_by(table.c.created_us.desc())
        )
        rows = await read_rows(self._engine, "list sign-ins", statement)
        return tuple(map(_sign_in, rows))

    async def seen(self, sign_in_id: str, at: float) -> None:
        """Write down that it was used."""
        async with write_transaction(self._engine, "note a sign-in") as connection:
            await connection.execute(
                update(table).where(table.c.id == sign_in_id).values(seen_us=to_us(at))
            )

    async def renew(
        self, before: str, after: str, rights: str, proved_at: float | None = None
    ) -> bool:
        """Let the cookie of digest `after` take the place of that of `before`; False if that one is gone."""
        values: dict[str, Any] = {"digest": after, "rights": rights}
        if proved_at is not None:
            values["proved_us"] = to_us(proved_at)
        async with write_transaction(self._engine, "renew a sign-in") as connection:
            done = await connection.execute(
                update(table).where(table.c.digest == before).values(values)
            )
        return done.rowcount == 1

    async def leave(self, digest: str) -> None:
        """End the one of this digest, if there is one."""
        async with write_transaction(self._engine, "leave a sign-in") as connection:
            await connection.execute(delete(table).where(table.c.digest == digest))

    async def end(self, tx: Transaction, user_id: str, sign_in_id: str | None = None) -> int:
        """End one of a user's, or all; returns how many that were."""
        ending = delete(table).where(table.c.user_id == user_id)
        if sign_in_id is not None:
            ending = ending.where(table.c.id == sign_in_id)
        return (await tx.connection.execute(ending)).rowcount

    async def end_others(self, tx: Transaction, user_id: str, kept: str | None) -> int:
        """End all of a user but `kept`; returns how many that were."""
        ending = delete(table).where(table.c.user_id == user_id)
        if kept is not None:
            ending = ending.where(table.c.id != kept)
        return (await tx.connection.execute(ending)).rowcount

    async def forget(self, now: float, idle_seconds: float) -> None:
        """Take out those that have ended by themselves, and those of users who are not active any more."""
        over = (
            (table.c.expires_us <= to_us(now))
            | (table.c.seen_us <= to_us(now - idle_seconds))
            | table.c.user_id.in_(select(users.c.id).where(users.c.status != "active"))
        )
        async with write_transaction(self._engine, "forget sign-ins") as connection:
            await connection.execute(delete(table).where(over))


# The names that users have, too, get their own.
_COLUMNS = (
    table.c.id.label("sign_in_id"),
    table.c.user_id.label("sign_in_user"),
    table.c.method,
    table.c.rights,
    table.c.address,
    table.c.agent,
    table.c.created_us.label("began_us"),
    table.c.seen_us,
    table.c.proved_us,
    table.c.expires_us,
)


def _sign_in(row: Row[Any]) -> SignIn:
    return SignIn(
        id=row.sign_in_id,
        user_id=row.sign_in_user,
        method=row.method,
        rights=row.rights,
        address=row.address,
        agent=row.agent,
        created_at=from_us(row.began_us),
        seen_at=from_us(row.seen_us),
        proved_at=from_us(row.proved_us),
        expires_at=from_us(row.expires_us),
    )
