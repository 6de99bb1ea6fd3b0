"""Keys and their secrets in SQL: read whole, locked, and written back."""

__all__ = ["KeyStore"]

from collections.abc import Collection
from contextlib import AbstractAsyncContextManager

from sqlalchemy import exists, false, func, insert, not_, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.core.caller import Caller
from admin.core.page import Page, PageRequest
from admin.stores.key_filter import KeyFilter
from admin.stores.key_listing import list_ids
from admin.stores.key_records import (
    AccountState,
    KeyFields,
    KeyOwner,
    KeyRecord,
    NewSecret,
    SecretRecord,
    SecretUser,
)
from admin.stores.key_rows import (
    KEYS,
    SECRETS,
    account_state,
    key_columns,
    key_owner,
    records,
    secret_columns,
)
from admin.stores.key_words import add_secrets, add_words, change_words
from admin.stores.transaction import Transaction, transaction
from gateway.core.keys import KeyStatus
from gateway.stores.sql_engine import read_rows, write_transaction
from gateway.stores.tables import (
    accounts,
    from_us,
    keys,
    secret_uses,
    secrets,
    to_us,
    usage_records,
    users,
)

# How far back it is looked who used a replaced secret, and how many of them are told.
_REQUESTS_MAX = 50_000
_USERS_MAX = 50


class KeyStore:
    """Every method raises StoreError when the database cannot answer."""

    def __init__(self, engine: AsyncEngine) -> None:
        """`engine` is open, on a database of the present schema."""
        self._engine = engine

    def transaction(
        self, operation: str, caller: Caller, now: float
    ) -> AbstractAsyncContextManager[Transaction]:
        """One change with its audit entries and events: all or nothing."""
        return transaction(self._engine, operation, caller, now)

    async def find(self, key_id: str) -> KeyRecord | None:
        """The key with this id, deleted or not; None if there never was one."""
        found = await self.find_all([key_id])
        return found[0] if found else None

    async def find_all(self, key_ids: Collection[str]) -> tuple[KeyRecord, ...]:
        """Those of the keys that exist, in the order of `key_ids`."""
        if not key_ids:
            return ()
        # Keys first: a version must never be newer than what is shown under it.
        rows = await read_rows(self._engine, "show keys", KEYS.where(keys.c.id.in_(key_ids)))
        secret_rows = await read_rows(
            self._engine, "show secrets", SECRETS.where(secrets.c.key_id.in_(key_ids))
        )
        place = {key_id: number for number, key_id in enumerate(key_ids)}
        return records(sorted(rows, key=lambda row: place[row.id]), secret_rows)

    async def list(self, wanted: KeyFilter, page: PageRequest, now: float) -> Page[KeyRecord]:
        """The keys that fit at `now`. Raises Misuse for a cursor of another order."""
        ids = await list_ids(self._engine, wanted, page, now)
        return Page(await self.find_all(ids.items), ids.next_cursor)

    async def used_by(self, key_id: str, secret: SecretRecord) -> tuple[SecretUser, ...]:
        """Who has used the secret since it was replaced, the latest first: at most 50 addresses.

        Of a key with very many requests, only the 50,000 up to the secret's last use are looked at.
        """
        if secret.replaced_at is None or secret.last_used is None:
            return ()
        used = usage_records.c
        latest = (
            select(used.secret_id, used.address, used.at_us)
            .where(
                used.key_id == key_id,
                used.at_us.between(to_us(secret.replaced_at), to_us(secret.last_used.at)),
            )
            .order_by(used.at_us.desc())
            .limit(_REQUESTS_MAX)
            .subquery()
        )
        last_us = func.max(latest.c.at_us)
        rows = await read_rows(
            self._engine,
            "show who uses a secret",
            select(latest.c.address, last_us.label("last_us"), func.count().label("requests"))
            .where(latest.c.secret_id == secret.id)
            .group_by(latest.c.address)
            .order_by(last_us.desc(), latest.c.address)
            .limit(_USERS_MAX),
        )
        return tuple(SecretUser(row.address, from_us(row.last_us), row.requests) for row in rows)

    async def unused_secrets(self, since: float, count: int) -> tuple[tuple[str, str], ...]:
        """Secrets that go on until they are unused, and that nobody has used since: (key's id, its own)."""
        used_later = exists().where(
            secret_uses.c.secret_id == secrets.c.id, secret_uses.c.at_us >= to_us(since)
        )
        rows = await read_rows(
            self._engine,
            "find unused secrets",
            select(secrets.c.key_id, secrets.c.id)
            .join(keys, keys.c.id == secrets.c.key_id)
            .where(
                # In its very words, of which an index is made.
                text("secrets.until_unused"),
                secrets.c.revoked_us.is_(None),
                secrets.c.replaced_us < to_us(since),
                keys.c.status != KeyStatus.REVOKED.value,
                not_(used_later),
            )
            .order_by(secrets.c.id)
            .limit(count),
        )
        return tuple((row.key_id, row.id) for row in rows)

    async def mark_lapsed(self, now: float, count: int) -> int:
        """Let the lists know, of up to `count` keys, that they have expired; returns how many there were."""
        expired = (
            select(keys.c.id)
            .where(
                keys.c.deleted_us.is_(None),
                keys.c.status == KeyStatus.ACTIVE.value,
                keys.c.lapsed == false(),
                keys.c.expires_us <= to_us(now),
            )
            .order_by(keys.c.expires_us)
            .limit(count)
            # Whoever holds one is not waited for: it has its turn in the next minute.
            .with_for_update(skip_locked=True)
        )
        async with write_transaction(self._engine, "mark expired keys") as connection:
            done = await connection.execute(
                update(keys).where(keys.c.id.in_(expired)).values(lapsed=True)
            )
        return done.rowcount

    async def lock(self, tx: Transaction, key_id: str) -> KeyRecord | None:
        """The key, which nobody else can change before the transaction ends; None if there is none.

        Nor can its account or owner be changed: its version is what it will be when this is committed,
        so that no copy that was read before carries the same number.
        """
        locked = await tx.connection.execute(
            select(keys.c.account_id, keys.c.owner_id).where(keys.c.id == key_id).with_for_update()
        )
        row = locked.one_or_none()
        if row is None:
            return None
        await self.account(tx, row.account_id)
        if row.owner_id is not None:
            await self.owner(tx, row.owner_id)
        whole = (await tx.connection.execute(KEYS.where(keys.c.id == key_id))).all()
        its_secrets = await tx.connection.execute(SECRETS.where(secrets.c.key_id == key_id))
        return records(whole, its_secrets.all())[0]

    async def account(self, tx: Transaction, account_id: str) -> AccountState | None:
        """The account, which nobody can change before the transaction ends."""
        found = await tx.connection.execute(
            select(accounts).where(accounts.c.id == account_id).with_for_update(read=True)
        )
        row = found.one_or_none()
        return None if row is None else account_state(row)

    async def owner(self, tx: Transaction, user_id: str) -> KeyOwner | None:
        """The user, whom nobody can change before the transaction ends."""
        found = await tx.connection.execute(
            select(users).where(users.c.id == user_id).with_for_update(read=True)
        )
        row = found.one_or_none()
        return None if row is None else key_owner(row)

    async def insert(self, tx: Transaction, key: KeyFields, secret: NewSecret) -> None:
        """Add a key with its first secret, under ids that no other has."""
        await tx.connection.execute(insert(keys).values(**key_columns(key), version=1))
        await add_words(tx.connection, {key.id: key.name})
        await self.insert_secret(tx, key.id, secret)

    async def insert_secret(self, tx: Transaction, key_id: str, secret: NewSecret) -> None:
        """Add a secret to a key."""
        await tx.connection.execute(
            insert(secrets).values(
                id=secret.id,
                key_id=key_id,
                token_hash=secret.token_hash,
                cost_class=secret.cost_class,
                created_us=to_us(tx.now),
            )
        )
        await add_secrets(tx.connection, [(key_id, secret.id)])

    async def save(self, tx: Transaction, before: KeyRecord, after: KeyRecord) -> None:
        """Write what differs of a locked key and of its secrets."""
        changed = {**key_columns(after.key), "version": after.own_version}
        present = {**key_columns(before.key), "version": before.own_version}
        # Not every column: each that stands in an index costs one.
        values = {name: value for name, value in changed.items() if value != present[name]}
        if not values.keys().isdisjoint({"status", "expires_us"}):
            values["lapsed"] = False  # until the next `mark_lapsed`
        await tx.connection.execute(update(keys).where(keys.c.id == before.key.id).values(values))
        if after.key.name != before.key.name:
            await change_words(tx.connection, after.key.id, before.key.name, after.key.name)
        known = {secret.id: secret for secret in before.secrets}
        for secret in after.secrets:
            if secret.id in known and secret != known[secret.id]:
                await tx.connection.execute(
                    update(secrets).where(secrets.c.id == secret.id).values(secret_columns(secret))
                )
