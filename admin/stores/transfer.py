"""Many keys at once, into SQL and out of it."""

__all__ = ["ExportFilter", "Sought", "TransferStore", "WrittenKey"]

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Column, Row, Select, func, insert, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from admin.core.caller import Caller
from admin.core.page import Page, PageRequest, decoded_number, encoded
from admin.core.transfer.keys import ImportedKey, ImportedSecret
from admin.core.transfer.settle import Digest, Known, Owned, StoredSecret
from admin.stores.key_words import add_secrets, add_words, words_column
from admin.stores.transaction import Transaction, transaction
from gateway.core.keys import ApiAccess, Environment, KeyStatus, KeyType
from gateway.core.limits import CountedPer, Limit
from gateway.stores.sql_engine import WRITE_SECONDS, store_errors
from gateway.stores.tables import (
    accounts,
    from_us,
    imported_digests,
    keys,
    secrets,
    to_us,
    users,
)

# Well under the number of parameters that either database takes in one statement.
_AT_ONCE = 1000
_ORDER = "keys.export"
# Any number that nothing else locks.
_IMPORTS = 461_003_009


@dataclass(frozen=True, slots=True)
class Sought:
    """All that some lines name, and that may be stored already."""

    account_ids: Collection[str]
    account_names: Collection[str]
    key_ids: Collection[str]
    secret_ids: Collection[str]
    digests: Collection[Digest] = field(repr=False)
    emails: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class WrittenKey:
    """A key to be added; its line has at least one secret by now."""

    id: str
    account_id: str
    owner_id: str | None
    line: ImportedKey


@dataclass(frozen=True, slots=True)
class ExportFilter:
    """Whose keys; with `deleted`, those too that were deleted."""

    account_id: str | None = None
    deleted: bool = False


class TransferStore:
    """Every method raises StoreError when the database cannot answer."""

    def __init__(self, engine: AsyncEngine) -> None:
        """`engine` is open, on a database of the present schema."""
        self._engine = engine

    def transaction(
        self, operation: str, caller: Caller, now: float
    ) -> AbstractAsyncContextManager[Transaction]:
        """One change with its audit entries: all or nothing."""
        return transaction(self._engine, operation, caller, now)

    async def survey(self, sought: Sought) -> Known:
        """What is stored just now of what is named."""
        async with (
            store_errors("look for keys to import", WRITE_SECONDS),
            self._engine.connect() as connection,
        ):
            return await _survey(connection, sought)

    async def locked_survey(self, tx: Transaction, sought: Sought) -> Known:
        """The same, and no other import changes it before the transaction ends."""
        # SQLite has one writer anyway.
        if tx.connection.dialect.name == "postgresql":
            await tx.connection.execute(select(func.pg_advisory_xact_lock(_IMPORTS)))
        return await _survey(tx.connection, sought)

    async def insert(self, tx: Transaction, written: Sequence[WrittenKey]) -> None:
        """Add the keys with their secrets and digests; their accounts are there."""
        both = [(each.id, secret) for each in written for secret in each.line.secrets]
        digests = [
            {"pepper_id": pepper_id, "digest": digest, "secret_id": secret.id}
            for _, secret in both
            for pepper_id, digest in secret.digests
        ]
        for table, rows in (
            (keys, [_key_columns(each, tx.now) for each in written]),
            (secrets, [_secret_columns(key_id, secret) for key_id, secret in both]),
            (imported_digests, digests),
        ):
            if rows:
                await tx.connection.execute(insert(table), rows)
        await add_words(tx.connection, {each.id: each.line.name for each in written})
        await add_secrets(tx.connection, [(key_id, secret.id) for key_id, secret in both])

    async def export(
        self, tx: Transaction, wanted: ExportFilter, page: PageRequest
    ) -> Page[ImportedKey]:
        """Keys with all that an import needs, oldest first."""
        chosen = _exported(wanted).limit(page.size + 1)
        if page.cursor is not None:
            place = tuple_(keys.c.created_us, keys.c.id)
            chosen = chosen.where(place > tuple_(*decoded_number(page.cursor, _ORDER)))
        rows = (await tx.connection.execute(chosen)).all()
        shown = rows[: page.size]
        of_key = await _secrets_of(tx.connection, [row.id for row in shown])
        cursor = None
        if len(rows) > len(shown):
            cursor = encoded(_ORDER, shown[-1].created_us, shown[-1].id)
        return Page(tuple(_line(row, of_key[row.id]) for row in shown), cursor)


async def _survey(connection: AsyncConnection, sought: Sought) -> Known:
    known = Known()
    by_id = await _among(connection, select(accounts), accounts.c.id, sought.account_ids)
    by_name = await _among(connection, select(accounts), accounts.c.name, sought.account_names)
    known.names_by_account.update((row.id, row.name) for row in (*by_id, *by_name))
    for row in await _among(connection, select(keys), keys.c.id, sought.key_ids):
        known.keys[row.id] = Owned(row.id, row.account_id, _is_revoked(row.status))
    for row in await _among(connection, _OWNED, secrets.c.id, sought.secret_ids):
        known.secrets[row.id] = StoredSecret(_owned(row), row.token_hash)
    by_pepper: dict[str, list[str]] = defaultdict(list)
    for pepper_id, digest in sought.digests:
        by_pepper[pepper_id].append(digest)
    for pepper_id, digests in by_pepper.items():
        statement = _DIGESTS.where(imported_digests.c.pepper_id == pepper_id)
        for row in await _among(connection, statement, imported_digests.c.digest, digests):
            known.digests[pepper_id, row.digest] = _owned(row)
    for row in await _among(connection, select(users), users.c.email, sought.emails):
        known.users[row.email] = (row.id, row.account_id)
    return known


_OWNED = select(
    secrets.c.id,
    secrets.c.token_hash,
    secrets.c.key_id,
    secrets.c.revoked_us,
    keys.c.account_id,
    keys.c.status,
).join(keys, keys.c.id == secrets.c.key_id)
_DIGESTS = _OWNED.add_columns(imported_digests.c.digest).join(
    imported_digests, imported_digests.c.secret_id == secrets.c.id
)


async def _among(
    connection: AsyncConnection,
    statement: Select[Any],
    column: Column[Any],
    values: Collection[str],
) -> list[Row[Any]]:
    """The rows in which the column has one of the values."""
    found: list[Row[Any]] = []
    asked = list(values)
    for start in range(0, len(asked), _AT_ONCE):
        part = asked[start : start + _AT_ONCE]
        found += (await connection.execute(statement.where(column.in_(part)))).all()
    return found


def _owned(row: Row[Any]) -> Owned:
    return Owned(row.key_id, row.account_id, _is_revoked(row.status) or row.revoked_us is not None)


def _is_revoked(status: str) -> bool:
    return status == KeyStatus.REVOKED.value


def _exported(wanted: ExportFilter) -> Select[Any]:
    chosen = (
        select(
            keys,
            accounts.c.name.label("account_name"),
            accounts.c.plan,
            accounts.c.status.label("account_status"),
            accounts.c.api_access,
            users.c.email,
        )
        .join(accounts, accounts.c.id == keys.c.account_id)
        .outerjoin(users, users.c.id == keys.c.owner_id)
        .order_by(keys.c.created_us, keys.c.id)
    )
    if wanted.account_id is not None:
        chosen = chosen.where(keys.c.account_id == wanted.account_id)
    return chosen if wanted.deleted else chosen.where(keys.c.deleted_us.is_(None))


async def _secrets_of(
    connection: AsyncConnection, key_ids: Sequence[str]
) -> Mapping[str, list[ImportedSecret]]:
    rows = await _among(
        connection,
        select(secrets).order_by(secrets.c.created_us, secrets.c.id),
        secrets.c.key_id,
        key_ids,
    )
    digests: dict[str, list[Digest]] = defaultdict(list)
    for row in await _among(
        connection,
        select(imported_digests).order_by(imported_digests.c.pepper_id, imported_digests.c.digest),
        imported_digests.c.secret_id,
        [row.id for row in rows],
    ):
        digests[row.secret_id].append((row.pepper_id, row.digest))
    of_key: dict[str, list[ImportedSecret]] = defaultdict(list)
    for row in rows:
        of_key[row.key_id].append(_secret(row, digests[row.id]))
    return of_key


def _secret(row: Row[Any], digests: Iterable[Digest]) -> ImportedSecret:
    return ImportedSecret(
        id=row.id,
        token_hash=row.token_hash,
        cost_class=row.cost_class,
        created_at=from_us(row.created_us),
        digests=tuple(digests),
        expires_at=_seconds(row.expires_us),
        revoked_at=_seconds(row.revoked_us),
        replaced_at=_seconds(row.replaced_us),
        until_unused=row.until_unused,
    )


def _line(row: Row[Any], its_secrets: Iterable[ImportedSecret]) -> ImportedKey:
    return ImportedKey(
        number=0,
        account=row.account_id,
        account_name=row.account_name,
        account_status=row.account_status,
        account_api_access=ApiAccess(row.api_access),
        plan=row.plan,
        owner=row.email,
        id=row.id,
        name=row.name,
        type=KeyType(row.type),
        environment=Environment(row.environment),
        status=KeyStatus(row.status),
        scopes=tuple(row.scopes),
        created_at=from_us(row.created_us),
        not_before=_seconds(row.not_before_us),
        expires_at=_seconds(row.expires_us),
        revoked_at=_seconds(row.revoked_us),
        deleted_at=_seconds(row.deleted_us),
        addresses=tuple(row.addresses),
        origins=tuple(row.origins),
        limits=tuple(
            Limit(each["name"], each["quota"], each["window_seconds"], CountedPer(each["per"]))
            for each in row.limits
        ),
        metadata=row.metadata,
        secrets=tuple(its_secrets),
    )


def _key_columns(key: WrittenKey, now: float) -> dict[str, Any]:
    line = key.line
    return {
        "id": key.id,
        "account_id": key.account_id,
        "owner_id": key.owner_id,
        "name": line.name,
        "words": words_column(line.name),
        "type": line.type.value,
        "environment": line.environment.value,
        "status": line.status.value,
        "scopes": list(line.scopes),
        "not_before_us": _microseconds(line.not_before),
        "expires_us": _microseconds(line.expires_at),
        "revoked_us": _microseconds(line.revoked_at),
        "deleted_us": _microseconds(line.deleted_at),
        "addresses": list(line.addresses),
        "origins": list(line.origins),
        "limits": [limit._asdict() for limit in line.limits],
        "metadata": dict(line.metadata),
        "version": 1,
        "created_us": to_us(now if line.created_at is None else line.created_at),
        "updated_us": to_us(now),
    }


def _secret_columns(key_id: str, secret: ImportedSecret) -> dict[str, Any]:
    return {
        "id": secret.id,
        "key_id": key_id,
        "token_hash": secret.token_hash,
        "cost_class": secret.cost_class,
        "created_us": to_us(secret.created_at),
        "expires_us": _microseconds(secret.expires_at),
        "revoked_us": _microseconds(secret.revoked_at),
        "replaced_us": _microseconds(secret.replaced_at),
        "until_unused": secret.until_unused,
    }


def _seconds(microseconds: int | None) -> float | None:
    return None if microseconds is None else from_us(microseconds)


def _microseconds(seconds: float | None) -> int | None:
    return None if seconds is None else to_us(seconds)
