"""How people prove who they are, in SQL: hashes of passwords, sealed second factors, digests of codes and links."""

__all__ = ["Link", "ProofStore", "Proofs", "SecondFactor"]

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from sqlalchemy import delete, exists, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.core.caller import Caller, Role
from admin.stores.transaction import Transaction, transaction
from admin.stores.users import UserView, user_view
from gateway.stores.console_tables import (
    console_identities,
    console_links,
    console_passwords,
    console_recovery_codes,
    console_second_factors,
)
from gateway.stores.sql_engine import read_rows, write_transaction
from gateway.stores.tables import from_us, to_us, users


@dataclass(frozen=True, slots=True)
class SecondFactor:
    """A secret that is shared with somebody's authenticator, encrypted. It counts once it is confirmed."""

    sealed: bytes = field(repr=False)
    is_confirmed: bool
    used_step: int


@dataclass(frozen=True, slots=True)
class Proofs:
    """What there is of one user to check against; a `password_hash` of None: no password."""

    user: UserView
    password_hash: str | None = field(repr=False)
    second_factor: SecondFactor | None


@dataclass(frozen=True, slots=True)
class Link:
    """A link that works once; `user_id` None: whoever sets the installation up."""

    kind: str
    user_id: str | None
    expires_at: float


class ProofStore:
    """Every method raises StoreError when the database cannot answer."""

    def __init__(self, engine: AsyncEngine) -> None:
        """`engine` is open, on a database of the present schema."""
        self._engine = engine

    def transaction(
        self, operation: str, caller: Caller, now: float
    ) -> AbstractAsyncContextManager[Transaction]:
        """One change with its audit entries and events: all or nothing."""
        return transaction(self._engine, operation, caller, now)

    async def find(self, *, email: str | None = None, user_id: str | None = None) -> Proofs | None:
        """What there is of the user with this address, or this id; None if there is none."""
        factors = console_second_factors
        is_meant = users.c.email == email if user_id is None else users.c.id == user_id
        statement = (
            select(
                users,
                console_passwords.c.password_hash,
                factors.c.sealed,
                factors.c.confirmed_us,
                factors.c.used_step,
            )
            .outerjoin(console_passwords, console_passwords.c.user_id == users.c.id)
            .outerjoin(factors, factors.c.user_id == users.c.id)
            .where(is_meant)
        )
        rows = await read_rows(self._engine, "find a user's proofs", statement)
        if not rows:
            return None
        row = rows[0]
        second = None
        if row.sealed is not None:
            second = SecondFactor(row.sealed, row.confirmed_us is not None, row.used_step)
        return Proofs(user_view(row), row.password_hash, second)

    async def has_admin(self) -> bool:
        """Whether an admin can sign in: one who is active, and has a password or a known identity."""
        statement = select(func.count()).where(
            users.c.role == Role.ADMIN.value,
            users.c.status == "active",
            exists().where(console_passwords.c.user_id == users.c.id)
            | exists().where(console_identities.c.user_id == users.c.id),
        )
        rows = await read_rows(self._engine, "look for an admin", statement)
        return bool(rows[0][0])

    async def put_password(self, tx: Transaction, user_id: str, password_hash: str) -> None:
        """Write a user's password, instead of the one before."""
        values = {"password_hash": password_hash, "changed_us": to_us(tx.now)}
        is_postgresql = tx.connection.dialect.name == "postgresql"
        adding = (postgresql if is_postgresql else sqlite).insert(console_passwords)
        await tx.connection.execute(
            adding.values(user_id=user_id, **values).on_conflict_do_update(
                index_elements=[console_passwords.c.user_id], set_=values
            )
        )

    async def put_second_factor(self, tx: Transaction, user_id: str, sealed: bytes) -> None:
        """Write a second factor that is still to be confirmed, instead of one that never was."""
        await tx.connection.execute(
            delete(console_second_factors).where(
                console_second_factors.c.user_id == user_id,
                console_second_factors.c.confirmed_us.is_(None),
            )
        )
        await tx.connection.execute(
            insert(console_second_factors).values(
                user_id=user_id, sealed=sealed, created_us=to_us(tx.now)
            )
        )

    async def confirm_second_factor(
        self, tx: Transaction, user_id: str, step: int, digests: Sequence[str]
    ) -> None:
        """From now on it counts; `digests` are those of the recovery codes."""
        await tx.connection.execute(
            update(console_second_factors)
            .where(console_second_factors.c.user_id == user_id)
            .values(confirmed_us=to_us(tx.now), used_step=step)
        )
        await self.put_recovery_codes(tx, user_id, digests)

    async def put_recovery_codes(
        self, tx: Transaction, user_id: str, digests: Sequence[str]
    ) -> None:
        """Write recovery codes, instead of all before."""
        codes = console_recovery_codes
        await tx.connection.execute(delete(codes).where(codes.c.user_id == user_id))
        if digests:
            rows = [{"user_id": user_id, "digest": digest} for digest in digests]
            await tx.connection.execute(insert(codes), rows)

    async def remove_second_factor(self, tx: Transaction, user_id: str) -> None:
        """Take it away, and its recovery codes."""
        for table in (console_second_factors, console_recovery_codes):
            await tx.connection.execute(delete(table).where(table.c.user_id == user_id))

    async def spend_step(self, user_id: str, step: int) -> bool:
        """Write down that a code of this step was used; False if one of it, or of a later one, was before."""
        factors = console_second_factors
        async with write_transaction(self._engine, "note a code") as connection:
            done = await connection.execute(
                update(factors)
                .where(factors.c.user_id == user_id, factors.c.used_step < step)
                .values(used_step=step)
            )
        return done.rowcount == 1

    async def spend_recovery_code(self, tx: Transaction, user_id: str, digest: str) -> bool:
        """Take a recovery code away; False if there is none such."""
        codes = console_recovery_codes
        done = await tx.connection.execute(
            delete(codes).where(codes.c.user_id == user_id, codes.c.digest == digest)
        )
        return done.rowcount == 1

    async def recovery_codes_left(self, user_id: str) -> int:
        """How many recovery codes somebody still has."""
        codes = console_recovery_codes
        statement = select(func.count()).where(codes.c.user_id == user_id)
        return int((await read_rows(self._engine, "count codes", statement))[0][0])

    async def put_link(self, tx: Transaction, digest: str, link: Link) -> None:
        """Add a link; earlier ones for the same user work no longer."""
        if link.user_id is not None:
            await self.end_links(tx, link.user_id)
        await tx.connection.execute(
            insert(console_links).values(
                digest=digest,
                kind=link.kind,
                user_id=link.user_id,
                created_us=to_us(tx.now),
                expires_us=to_us(link.expires_at),
            )
        )

    async def find_link(self, digest: str) -> Link | None:
        """The link of this digest; None for one that was used, or never was."""
        statement = select(console_links).where(console_links.c.digest == digest)
        rows = await read_rows(self._engine, "find a link", statement)
        if not rows:
            return None
        return Link(rows[0].kind, rows[0].user_id, from_us(rows[0].expires_us))

    async def spend_link(self, tx: Transaction, digest: str) -> bool:
        """Take the link away; False if somebody was faster."""
        done = await tx.connection.execute(
            delete(console_links).where(console_links.c.digest == digest)
        )
        return done.rowcount == 1

    async def end_links(self, tx: Transaction, user_id: str | None) -> None:
        """Take away all links of a user, or those to set up."""
        await tx.connection.execute(delete(console_links).where(console_links.c.user_id == user_id))

    async def find_identity(self, issuer: str, subject: str) -> UserView | None:
        """Who this is to us; None when nobody has signed in so yet."""
        statement = (
            select(users)
            .join(console_identities, console_identities.c.user_id == users.c.id)
            .where(console_identities.c.issuer == issuer, console_identities.c.subject == subject)
        )
        rows = await read_rows(self._engine, "find an identity", statement)
        return user_view(rows[0]) if rows else None

    async def has_identity(self, user_id: str, issuer: str) -> bool:
        """Whether somebody has signed in by this provider before."""
        statement = select(console_identities.c.subject).where(
            console_identities.c.user_id == user_id, console_identities.c.issuer == issuer
        )
        return bool(await read_rows(self._engine, "look for an identity", statement))

    async def put_identity(
        self, tx: Transaction, user_id: str, *, issuer: str, subject: str
    ) -> None:
        """Write down who this is."""
        await tx.connection.execute(
            insert(console_identities).values(
                issuer=issuer, subject=subject, user_id=user_id, created_us=to_us(tx.now)
            )
        )

    async def forget_links(self, now: float) -> None:
        """Take out links whose time is over."""
        over = console_links.c.expires_us <= to_us(now)
        async with write_transaction(self._engine, "forget links") as connection:
            await connection.execute(delete(console_links).where(over))
