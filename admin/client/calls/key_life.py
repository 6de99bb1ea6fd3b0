"""Calls that switch a key off and on, replace its secret, or end it."""

__all__ = [
    "delete_key",
    "disable_key",
    "enable_key",
    "end_secret",
    "regenerate_key",
    "revoke_key",
    "rotate_key",
]

from admin.client.call import Call, asked, given
from admin.wire.keys import Empty, KeyChanged, KeyRotated, RotateRequest


def disable_key(key_id: str, *, if_match: int | None = None) -> Call[KeyChanged]:
    """Refuse a key until it is enabled again."""
    return _change("keys.disable", key_id, if_match)


def enable_key(key_id: str, *, if_match: int | None = None) -> Call[KeyChanged]:
    """Let a disabled key through again."""
    return _change("keys.enable", key_id, if_match)


def revoke_key(key_id: str, *, if_match: int | None = None) -> Call[KeyChanged]:
    """End a key for good; `enforced` is the receipt of who refuses it now."""
    return _change("keys.revoke", key_id, if_match)


def delete_key(key_id: str, *, if_match: int | None = None) -> Call[KeyChanged]:
    """Revoke a key and take it out of the lists; it is kept for the audit."""
    return asked("keys.delete", KeyChanged, {"key_id": key_id}, if_match=if_match)


def rotate_key(
    key_id: str,
    *,
    overlap: str | None = None,
    if_match: int | None = None,
    idempotency_key: str | None = None,
) -> Call[KeyRotated]:
    """A new secret beside the old one, which goes on for `overlap`: 0s to 30d, or `until_unused`; 24h if not said."""
    return asked(
        "keys.rotate",
        KeyRotated,
        {"key_id": key_id},
        body=RotateRequest.model_validate(given(overlap=overlap)),
        if_match=if_match,
        idempotency_key=idempotency_key,
    )


def regenerate_key(
    key_id: str, *, if_match: int | None = None, idempotency_key: str | None = None
) -> Call[KeyRotated]:
    """A new secret; the old one ends at once."""
    return asked(
        "keys.regenerate",
        KeyRotated,
        {"key_id": key_id},
        body=Empty(),
        if_match=if_match,
        idempotency_key=idempotency_key,
    )


def end_secret(key_id: str, secret_id: str, *, if_match: int | None = None) -> Call[KeyChanged]:
    """End a replaced secret before its time."""
    ids = {"key_id": key_id, "secret_id": secret_id}
    return asked("keys.end_secret", KeyChanged, ids, body=Empty(), if_match=if_match)


def _change(name: str, key_id: str, if_match: int | None) -> Call[KeyChanged]:
    return asked(name, KeyChanged, {"key_id": key_id}, body=Empty(), if_match=if_match)
