"""Keys as the source of truth has them: the SQL half of the look-up."""

__all__ = ["SqlKeyReader"]

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.core.keys import (
    Account,
    ApiAccess,
    Environment,
    Key,
    KeyDigest,
    KeyStatus,
    KeyType,
    Owner,
)
from gateway.core.limits import CountedPer, Limit
from gateway.core.token import ALPHABET, SECRET_ID_LENGTH
from gateway.ports import FoundImported, StoredKey
from gateway.stores.shared import shared
from gateway.stores.sql_engine import READ_SECONDS, read_rows
from gateway.stores.tables import accounts, from_us, imported_digests, keys, secrets, users

# Well under the number of parameters that either database takes in one statement.
_IDS_PER_STATEMENT = 1000

_ACTIVE = "active"
_IMPORTED = "imported"

# A change of the account, or of the key's owner, is a change of the key. Each part only grows (and a
# change of the owner for another raises the key's own), so the sum does.
_VERSION: ColumnElement[int] = (
    keys.c.version + accounts.c.version + func.coalesce(users.c.version, 0)
).label("all_versions")

_FIND = (
    select(
        keys,
        _VERSION,
        accounts.c.name.label("account_name"),
        accounts.c.status.label("account_status"),
        accounts.c.plan,
        accounts.c.api_access,
        secrets.c.id.label("secret_id"),
        secrets.c.token_hash,
        secrets.c.cost_class,
        secrets.c.expires_us.label("secret_expires_us"),
        secrets.c.revoked_us.label("secret_revoked_us"),
        users.c.role.label("owner_role"),
        users.c.scopes.label("owner_scopes"),
        users.c.status.label("owner_status"),
    )
    .join(accounts, accounts.c.id == keys.c.account_id)
    .outerjoin(users, users.c.id == keys.c.owner_id)
    .join(secrets, secrets.c.key_id == keys.c.id)
)
_FIND_IMPORTED = _FIND.add_columns(imported_digests.c.pepper_id).join(
    imported_digests, imported_digests.c.secret_id == secrets.c.id
)
_VERSIONS = (
    select(secrets.c.id, _VERSION)
    .join(keys, keys.c.id == secrets.c.key_id)
    .join(accounts, accounts.c.id == keys.c.account_id)
    .outerjoin(users, users.c.id == keys.c.owner_id)
)
_BASE62 = frozenset(ALPHABET)


class SqlKeyReader:
    """Implements the KeyReader port."""

    def __init__(self, engine: AsyncEngine, deadline_seconds: float = READ_SECONDS) -> None:
        """Each call raises StoreError after `deadline_seconds`."""
        self._engine = engine
        self._deadline_seconds = deadline_seconds

    async def find(self, secret_id: str) -> StoredKey | None:
        """The key that has this secret id, whatever its status; None if there is none. Raises StoreError."""
        if not _may_be_secret_id(secret_id):
            return None
        rows = await read_rows(
            self._engine,
            "find a key",
            _FIND.where(secrets.c.id == secret_id),
            self._deadline_seconds,
        )
        return _stored_key(rows[0]) if rows else None

    async def find_imported(self, digests: Sequence[KeyDigest]) -> FoundImported | None:
        """The imported secret that one of these digests finds, the first before the next. Raises StoreError."""
        if not digests:
            return None
        column = imported_digests.c
        either = or_(
            *(
                and_(column.pepper_id == digest.pepper_id, column.digest == digest.value.hex())
                for digest in digests
            )
        )
        rows = await read_rows(
            self._engine,
            "find an imported key",
            _FIND_IMPORTED.where(either),
            self._deadline_seconds,
        )
        found = {row.pepper_id: row for row in rows}
        for digest in digests:
            if digest.pepper_id in found:
                return FoundImported(_stored_key(found[digest.pepper_id]), digest.pepper_id)
        return None

    async def find_by_id(self, key_id: str) -> Key | None:
        """The key with this id, as seen through its newest secret; None if there is none. Raises StoreError."""
        rows = await read_rows(
            self._engine,
            "find a key by its id",
            _FIND.where(keys.c.id == key_id).order_by(secrets.c.created_us.desc()).limit(1),
            self._deadline_seconds,
        )
        return _stored_key(rows[0]).key if rows else None

    async def versions(self, secret_ids: Sequence[str]) -> dict[str, int]:
        """The present version behind each secret id that exists. Raises StoreError; the deadline is per thousand."""
        asked = [secret_id for secret_id in secret_ids if _may_be_secret_id(secret_id)]
        found: dict[str, int] = {}
        for start in range(0, len(asked), _IDS_PER_STATEMENT):
            part = asked[start : start + _IDS_PER_STATEMENT]
            rows = await read_rows(
                self._engine,
                "read key versions",
                _VERSIONS.where(secrets.c.id.in_(part)),
                self._deadline_seconds,
            )
            found.update((row.id, row.all_versions) for row in rows)
        return found


def _may_be_secret_id(text: str) -> bool:
    # PostgreSQL cannot even be asked for a text with U+0000 or half a surrogate pair in it.
    return len(text) == SECRET_ID_LENGTH and _BASE62.issuperset(text)


def _stored_key(row: Row[Any]) -> StoredKey:
    key = Key(
        id=row.id,
        name=row.name,
        account=shared(Account(row.account_id, row.account_name, row.plan, _api_access(row))),
        type=KeyType(row.type),
        environment=Environment(row.environment),
        status=_status(row),
        scopes=shared(tuple(row.scopes)),
        secret_id=row.secret_id,
        version=row.all_versions,
        not_before=_seconds(row.not_before_us),
        expires_at=_seconds(row.expires_us),
        secret_expires_at=_seconds(row.secret_expires_us),
        addresses=shared(tuple(row.addresses)),
        origins=shared(tuple(row.origins)),
        limits=shared(tuple(_limit(stored) for stored in row.limits)),
        owner=_owner(row),
    )
    return StoredKey(key, row.token_hash, is_imported=row.cost_class == _IMPORTED)


def _status(row: Row[Any]) -> KeyStatus:
    # Seen through a revoked secret the key is revoked, though its other secrets still serve.
    status = KeyStatus(row.status) if row.secret_revoked_us is None else KeyStatus.REVOKED
    is_disabled_with_owner = row.owner_status not in (None, _ACTIVE)
    return KeyStatus.DISABLED if status is KeyStatus.ACTIVE and is_disabled_with_owner else status


def _api_access(row: Row[Any]) -> ApiAccess:
    return ApiAccess(row.api_access) if row.account_status == _ACTIVE else ApiAccess.DISABLED


def _owner(row: Row[Any]) -> Owner | None:
    if row.owner_role is None:
        return None
    scopes = None if row.owner_scopes is None else tuple(row.owner_scopes)
    return shared(Owner(row.owner_role, scopes))


def _seconds(microseconds: int | None) -> float | None:
    return None if microseconds is None else from_us(microseconds)


def _limit(stored: Mapping[str, Any]) -> Limit:
    return Limit(
        name=stored["name"],
        quota=stored["quota"],
        window_seconds=stored["window_seconds"],
        per=CountedPer(stored["per"]),
    )
