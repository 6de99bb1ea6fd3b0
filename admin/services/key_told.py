"""A key as the audit log has it: what it is, or what of it became different. Never a secret, nor a hash."""

__all__ = ["difference", "told"]

import dataclasses
from collections.abc import Mapping
from typing import Any

from admin.stores.key_records import KeyFields, KeyRecord

# Told by the entry itself: who, what and when.
_OF_THE_ENTRY = frozenset({"id", "account_id", "created_at", "updated_at"})


def told(key: KeyFields) -> dict[str, Any]:
    """What a new key has been given."""
    return {name: value for name, value in _values(key).items() if value not in (None, [], {})}


def difference(before: KeyRecord, after: KeyRecord) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """What was, and what became of it."""
    was, became = _whole(before), _whole(after)
    names = [name for name in became if became[name] != was.get(name)]
    return {name: was[name] for name in names if name in was}, {
        name: became[name] for name in names
    }


def _whole(record: KeyRecord) -> dict[str, Any]:
    secrets = {
        f"secret {secret.id}": {
            name: value
            for name in ("expires_at", "revoked_at", "replaced_at", "until_unused")
            if (value := getattr(secret, name))
        }
        for secret in record.secrets
    }
    return _values(record.key) | secrets


def _values(key: KeyFields) -> dict[str, Any]:
    return {
        field.name: _plain(getattr(key, field.name))
        for field in dataclasses.fields(key)
        if field.name not in _OF_THE_ENTRY
    }


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return [each._asdict() if hasattr(each, "_asdict") else each for each in value]
    return dict(value) if isinstance(value, Mapping) else value
