"""Keys and their secrets in SQL: written here, and read back as the control plane shows them."""

__all__ = ["KeyStore", "KeyView", "NewSecret", "SecretView"]

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import ColumnElement, Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.core.keys import Environment, KeyStatus, KeyType
from gateway.core.limits import CountedPer, Limit
from gateway.stores.sql_engine import read_rows, write_transaction
from gateway.stores.tables import accounts, from_us, keys, secrets, to_us


@dataclass(frozen=True, slots=True)
class SecretView:
    """One secret of a key: its public id, and `shown`, as much of its token as lists may show."""

    id: str
    created_at: float
    expires_at: float | None = None
    revoked_at: float | None = None
    shown: str = ""


@dataclass(frozen=True, slots=True)
class NewSecret:
    """A secret on its way into SQL: of the token only the hash."""

    id: str
    token_hash: str = field(repr=False)
    cost_class: str


@dataclass(frozen=True, slots=True)
class KeyView:
    """One key. Times are seconds since the epoch, UTC; `version` grows with each change of it or its account."""

    id: str
    account_id: str
    name: str
    type: KeyType
    environment: Environment
    status: KeyStatus
    scopes: tuple[str, ...]
    version: int
    created_at: float
    updated_at: float
    secrets: tuple[SecretView, ...]
    not_before: float | None = None
    expires_at: float | None = None
    revoked_at: float | None = None
    addresses: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    limits: tuple[Limit, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)


_KEYS = (
    select(
        keys,
        (keys.c.version + accounts.c.version).label("both_versions"),
        secrets.c.id.label("secret_id"),
        secrets.c.created_us.label("secret_created_us"),
        secrets.c.expires_us.label("secret_expires_us"),
        secrets.c.revoked_us.label("secret_revoked_us"),
    )
    .join(accounts, accounts.c.id == keys.c.account_id)
    .join(secrets, secrets.c.key_id == keys.c.id)
    .order_by(keys.c.created_us, keys.c.id, secrets.c.created_us, secrets.c.id)
)


class KeyStore:
    """One method is one transaction."""

    def __init__(self, engine: AsyncEngine) -> None:
        """Every method raises StoreError when the database cannot answer."""
        self._engine = engine

    async def insert(self, key: KeyView, secret: NewSecret) -> KeyView | None:
        """Add a key with its first secret, and read it back; None if there is no such account."""
        async with write_transaction(self._engine, "add a key") as connection:
            account = select(accounts.c.id).where(accounts.c.id == key.account_id)
            if (await connection.execute(account)).first() is None:
                return None
            await connection.execute(insert(keys).values(_key_columns(key)))
            await connection.execute(
                insert(secrets).values(
                    id=secret.id,
                    key_id=key.id,
                    token_hash=secret.token_hash,
                    cost_class=secret.cost_class,
                    created_us=to_us(key.created_at),
                )
            )
            stored = (await connection.execute(_KEYS.where(keys.c.id == key.id))).all()
        return next(_views(stored))

    async def find(self, key_id: str) -> KeyView | None:
        """The key with this id, or None."""
        rows = await read_rows(self._engine, "show a key", _KEYS.where(keys.c.id == key_id))
        return next(_views(rows), None)

    async def find_all(self, account_id: str | None = None) -> tuple[KeyView, ...]:
        """Every key (of one account), oldest first."""
        wanted: list[ColumnElement[bool]] = []
        if account_id is not None:
            wanted.append(keys.c.account_id == account_id)
        return tuple(_views(await read_rows(self._engine, "list keys", _KEYS.where(*wanted))))

    async def revoke(self, key_id: str, now: float) -> KeyView | None:
        """Revoke the key for good; one already revoked stays as it is. None if there is no such key."""
        async with write_transaction(self._engine, "revoke a key") as connection:
            await connection.execute(
                update(keys)
                .where(keys.c.id == key_id, keys.c.status != KeyStatus.REVOKED.value)
                .values(
                    status=KeyStatus.REVOKED.value,
                    revoked_us=to_us(now),
                    updated_us=to_us(now),
                    version=keys.c.version + 1,
                )
            )
            rows = (await connection.execute(_KEYS.where(keys.c.id == key_id))).all()
        return next(_views(rows), None)


def _key_columns(key: KeyView) -> dict[str, Any]:
    return {
        "id": key.id,
        "account_id": key.account_id,
        "name": key.name,
        "type": key.type.value,
        "environment": key.environment.value,
        "status": key.status.value,
        "scopes": list(key.scopes),
        "not_before_us": _microseconds(key.not_before),
        "expires_us": _microseconds(key.expires_at),
        "addresses": list(key.addresses),
        "origins": list(key.origins),
        "limits": [limit._asdict() for limit in key.limits],
        "metadata": dict(key.metadata),
        "version": key.version,
        "created_us": to_us(key.created_at),
        "updated_us": to_us(key.updated_at),
    }


def _views(rows: Sequence[Row[Any]]) -> Iterator[KeyView]:
    """One view per key; the rows of a key, one for each of its secrets, stand together."""
    for _, of_one_key in groupby(rows, key=attrgetter("id")):
        yield _view(list(of_one_key))


def _view(rows: list[Row[Any]]) -> KeyView:
    row = rows[0]
    return KeyView(
        id=row.id,
        account_id=row.account_id,
        name=row.name,
        type=KeyType(row.type),
        environment=Environment(row.environment),
        status=KeyStatus(row.status),
        scopes=tuple(row.scopes),
        version=row.both_versions,
        created_at=from_us(row.created_us),
        updated_at=from_us(row.updated_us),
        secrets=tuple(_secret(each) for each in rows),
        not_before=_seconds(row.not_before_us),
        expires_at=_seconds(row.expires_us),
        revoked_at=_seconds(row.revoked_us),
        addresses=tuple(row.addresses),
        origins=tuple(row.origins),
        limits=tuple(
            Limit(each["name"], each["quota"], each["window_seconds"], CountedPer(each["per"]))
            for each in row.limits
        ),
        metadata=row.metadata,
    )


def _secret(row: Row[Any]) -> SecretView:
    return SecretView(
        id=row.secret_id,
        created_at=from_us(row.secret_created_us),
        expires_at=_seconds(row.secret_expires_us),
        revoked_at=_seconds(row.secret_revoked_us),
    )


def _seconds(microseconds: int | None) -> float | None:
    return None if microseconds is None else from_us(microseconds)


def _microseconds(seconds: float | None) -> int | None:
    return None if seconds is None else to_us(seconds)
