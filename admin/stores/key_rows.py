"""Between rows and records of keys: which columns hold what."""

__all__ = [
    "KEYS",
    "SECRETS",
    "account_state",
    "key_columns",
    "key_owner",
    "records",
    "secret_columns",
]

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Row, Select, select

from admin.stores.key_records import (
    AccountState,
    KeyFields,
    KeyOwner,
    KeyRecord,
    LastUse,
    SecretRecord,
)
from admin.stores.key_words import words_column
from gateway.core.keys import ApiAccess, Environment, KeyStatus, KeyType
from gateway.core.limits import CountedPer, Limit
from gateway.stores.secret_hash import CostClass
from gateway.stores.tables import accounts, from_us, keys, secret_uses, secrets, to_us, users

KEYS: Select[Any] = (
    select(
        keys,
        accounts.c.plan,
        accounts.c.status.label("account_status"),
        accounts.c.api_access,
        accounts.c.version.label("account_version"),
        users.c.id.label("user_id"),
        users.c.account_id.label("user_account_id"),
        users.c.role,
        users.c.scopes.label("user_scopes"),
        users.c.status.label("user_status"),
        users.c.version.label("user_version"),
    )
    .join(accounts, accounts.c.id == keys.c.account_id)
    .outerjoin(users, users.c.id == keys.c.owner_id)
)
SECRETS: Select[Any] = (
    select(
        secrets.c.id,
        secrets.c.key_id,
        secrets.c.cost_class,
        secrets.c.created_us,
        secrets.c.expires_us,
        secrets.c.revoked_us,
        secrets.c.replaced_us,
        secrets.c.until_unused,
        secret_uses.c.at_us,
        secret_uses.c.address,
        secret_uses.c.route,
        secret_uses.c.count.label("uses"),
    )
    .outerjoin(secret_uses, secret_uses.c.secret_id == secrets.c.id)
    .order_by(secrets.c.created_us, secrets.c.id)
)


def records(key_rows: Iterable[Row[Any]], secret_rows: Iterable[Row[Any]]) -> tuple[KeyRecord, ...]:
    """The rows of KEYS, each with its rows of SECRETS; both in their order."""
    of_key = defaultdict(list)
    for row in secret_rows:
        of_key[row.key_id].append(_secret(row))
    return tuple(
        KeyRecord(
            key=_fields(row),
            own_version=row.version,
            account=AccountState(
                row.account_id,
                row.plan,
                row.account_status,
                ApiAccess(row.api_access),
                row.account_version,
            ),
            owner=_joined_owner(row),
            secrets=tuple(of_key[row.id]),
        )
        for row in key_rows
    )


def account_state(row: Row[Any]) -> AccountState:
    """A row of `accounts`."""
    return AccountState(row.id, row.plan, row.status, ApiAccess(row.api_access), row.version)


def key_owner(row: Row[Any]) -> KeyOwner:
    """A row of `users`."""
    return KeyOwner(
        row.id, row.account_id, row.role, _words_or_none(row.scopes), row.status, row.version
    )


def key_columns(key: KeyFields) -> dict[str, Any]:
    """Every column of `keys` but its version."""
    return {
        "id": key.id,
        "account_id": key.account_id,
        "owner_id": key.owner_id,
        "name": key.name,
        "words": words_column(key.name),
        "type": key.type.value,
        "environment": key.environment.value,
        "status": key.status.value,
        "scopes": list(key.scopes),
        "not_before_us": _microseconds(key.not_before),
        "expires_us": _microseconds(key.expires_at),
        "revoked_us": _microseconds(key.revoked_at),
        "deleted_us": _microseconds(key.deleted_at),
        "addresses": list(key.addresses),
        "origins": list(key.origins),
        "limits": [limit._asdict() for limit in key.limits],
        "metadata": dict(key.metadata),
        "created_us": to_us(key.created_at),
        "updated_us": to_us(key.updated_at),
    }


def secret_columns(secret: SecretRecord) -> dict[str, Any]:
    """The columns of `secrets` that a life changes."""
    return {
        "expires_us": _microseconds(secret.expires_at),
        "revoked_us": _microseconds(secret.revoked_at),
        "replaced_us": _microseconds(secret.replaced_at),
        "until_unused": secret.until_unused,
    }


def _fields(row: Row[Any]) -> KeyFields:
    return KeyFields(
        id=row.id,
        account_id=row.account_id,
        owner_id=row.owner_id,
        name=row.name,
        type=KeyType(row.type),
        environment=Environment(row.environment),
        status=KeyStatus(row.status),
        scopes=tuple(row.scopes),
        created_at=from_us(row.created_us),
        updated_at=from_us(row.updated_us),
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
    )


def _joined_owner(row: Row[Any]) -> KeyOwner | None:
    if row.user_id is None:
        return None
    return KeyOwner(
        row.user_id,
        row.user_account_id,
        row.role,
        _words_or_none(row.user_scopes),
        row.user_status,
        row.user_version,
    )


def _secret(row: Row[Any]) -> SecretRecord:
    used = None if row.at_us is None else LastUse(from_us(row.at_us), row.address, row.route)
    return SecretRecord(
        id=row.id,
        created_at=from_us(row.created_us),
        expires_at=_seconds(row.expires_us),
        revoked_at=_seconds(row.revoked_us),
        replaced_at=_seconds(row.replaced_us),
        until_unused=row.until_unused,
        last_used=used,
        uses=row.uses or 0,
        is_imported=row.cost_class == CostClass.IMPORTED.value,
    )


def _words_or_none(words: list[str] | None) -> tuple[str, ...] | None:
    return None if words is None else tuple(words)


def _seconds(microseconds: int | None) -> float | None:
    return None if microseconds is None else from_us(microseconds)


def _microseconds(seconds: float | None) -> int | None:
    return None if seconds is None else to_us(seconds)
