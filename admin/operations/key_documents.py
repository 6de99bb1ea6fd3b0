"""Keys and their secrets, as the wire writes them."""

__all__ = ["key_changed", "key_created", "key_document", "key_rotated"]

from typing import Any

from admin.core.faults import Conflict
from admin.operations.values import moment, moment_or_none, receipt_document
from admin.services.key_orders import ChangedKey, CreatedKey, RotatedKey
from admin.services.key_views import KeyView, LastUse, SecretView
from admin.wire.keys import (
    KeyChanged,
    KeyCreated,
    KeyDocument,
    KeyRotated,
    LastUseDocument,
    LimitDocument,
    SecretDocument,
    SecretUserDocument,
)
from gateway.core.limits import Limit
from gateway.core.token import CHECKSUM_LENGTH, SECRET_ID_LENGTH, SECRET_LENGTH


def key_document(key: KeyView) -> KeyDocument:
    """One key."""
    return KeyDocument(**_fields(key))


def key_created(created: CreatedKey) -> KeyCreated:
    """A new key with its secret. Raises Conflict when that cannot be told any more."""
    return KeyCreated(**_fields(created.key), **_pair(created.key, created.secret))


def key_rotated(rotated: RotatedKey) -> KeyRotated:
    """A key with its new secret. Raises Conflict when that cannot be told any more."""
    return KeyRotated(
        **_fields(rotated.key),
        **_pair(rotated.key, rotated.secret),
        enforced=receipt_document(rotated.receipt),
    )


def key_changed(changed: ChangedKey) -> KeyChanged:
    """A key as it is now, and who enforces that."""
    return KeyChanged(**_fields(changed.key), enforced=receipt_document(changed.receipt))


def _fields(key: KeyView) -> dict[str, Any]:
    return {
        "id": key.id,
        "account": key.account_id,
        "owner": key.owner_id,
        "name": key.name,
        "type": key.type,
        "environment": key.environment,
        "status": key.status,
        "state": key.state,
        "scopes": key.scopes,
        "effective_scopes": key.effective_scopes,
        "created_at": moment(key.created_at),
        "updated_at": moment(key.updated_at),
        "not_before": moment_or_none(key.not_before),
        "expires_at": moment_or_none(key.expires_at),
        "revoked_at": moment_or_none(key.revoked_at),
        "deleted_at": moment_or_none(key.deleted_at),
        "allowed_ips": key.addresses,
        "allowed_origins": key.origins,
        "limits": tuple(map(_limit, key.limits)),
        "metadata": dict(key.metadata),
        "secrets": tuple(map(_secret, key.secrets)),
        "last_used": _last_use(key.last_used),
        "rotation_due": key.rotation_due,
        "warnings": key.warnings,
        "version": key.version,
    }


def _pair(key: KeyView, secret: str | None) -> dict[str, Any]:
    """The token, and the same as a pair: its public part and its secret part (design §3)."""
    if secret is None:
        raise Conflict(
            f"The secret of key {key.id} that this request made cannot be shown again."
            " Regenerate the key to have a new one."
        )
    end = len(secret) - CHECKSUM_LENGTH
    middle = end - SECRET_LENGTH
    return {
        "secret": secret,
        "api_key": secret[middle - SECRET_ID_LENGTH : middle],
        "api_secret": secret[middle:end],
    }


def _secret(secret: SecretView) -> SecretDocument:
    return SecretDocument(
        id=secret.id,
        shown=secret.shown,
        created_at=moment(secret.created_at),
        expires_at=moment_or_none(secret.expires_at),
        revoked_at=moment_or_none(secret.revoked_at),
        replaced_at=moment_or_none(secret.replaced_at),
        until_unused=secret.until_unused,
        last_used=_last_use(secret.last_used),
        uses=secret.uses,
        used_by=tuple(
            SecretUserDocument(address=user.address, last_at=moment(user.last_at), count=user.count)
            for user in secret.used_by
        ),
    )


def _last_use(use: LastUse | None) -> LastUseDocument | None:
    if use is None:
        return None
    return LastUseDocument(at=moment(use.at), address=use.address, route=use.route)


def _limit(limit: Limit) -> LimitDocument:
    return LimitDocument(
        name=limit.name, quota=limit.quota, window=limit.window_seconds, per=limit.per
    )
