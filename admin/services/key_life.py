"""What may become of a key, step by step. Plain functions: a record in, the next record out.

Each gives back the very record it got when there is nothing to do. What does not go with how things
stand raises Conflict.
"""

__all__ = [
    "OVERLAP_SECONDS_MAX",
    "SECRETS_MAX",
    "changed",
    "deleted",
    "disabled",
    "enabled",
    "ended",
    "living",
    "retired",
    "revoked",
    "rotated",
]

import dataclasses
from collections.abc import Mapping
from typing import Any

from admin.core.faults import Conflict, NotFound
from admin.stores.key_records import KeyOwner, KeyRecord, SecretRecord
from gateway.core.keys import KeyStatus

OVERLAP_SECONDS_MAX = 30 * 86_400.0
SECRETS_MAX = 5


def changed(
    record: KeyRecord, values: Mapping[str, Any], owner: KeyOwner | None, now: float
) -> KeyRecord:
    """With other values in some fields; `owner` is who has it then."""
    _require_kept(record, "changed")
    wanted = {**values, "owner_id": None if owner is None else owner.id}
    if all(getattr(record.key, name) == value for name, value in wanted.items()):
        return record
    after = _with(record, now, **wanted)
    # Another owner's version may be lower: the sum must grow all the same.
    lost = _version(record.owner) - _version(owner)
    return dataclasses.replace(after, owner=owner, own_version=after.own_version + max(0, lost))


def disabled(record: KeyRecord, now: float) -> KeyRecord:
    """Refused until it is enabled again."""
    _require_kept(record, "disabled")
    if record.key.status is KeyStatus.DISABLED:
        return record
    return _with(record, now, status=KeyStatus.DISABLED)


def enabled(record: KeyRecord, now: float) -> KeyRecord:
    """Let through again."""
    _require_kept(record, "enabled")
    if record.key.status is KeyStatus.ACTIVE:
        return record
    return _with(record, now, status=KeyStatus.ACTIVE)


def revoked(record: KeyRecord, now: float) -> KeyRecord:
    """Refused for good."""
    if record.key.status is KeyStatus.REVOKED:
        return record
    return _with(record, now, status=KeyStatus.REVOKED, revoked_at=now)


def deleted(record: KeyRecord, now: float) -> KeyRecord:
    """Refused for good, and in no list any more."""
    if record.key.deleted_at is not None:
        return record
    if record.key.status is KeyStatus.REVOKED:
        return _with(record, now, deleted_at=now)
    return _with(record, now, status=KeyStatus.REVOKED, revoked_at=now, deleted_at=now)


def rotated(
    record: KeyRecord, secret_id: str, overlap_seconds: float | None, now: float
) -> KeyRecord:
    """With a new secret in the place of the present one, which goes on for the overlap (None: until unused).

    Without an overlap every older secret ends; otherwise those that were replaced before keep their end.
    """
    _require_kept(record, "rotated")
    ends_all = overlap_seconds == 0
    older = tuple(
        _replaced(secret, overlap_seconds, now)
        if secret.is_living(now) and (ends_all or secret.replaced_at is None)
        else secret
        for secret in record.secrets
    )
    new = SecretRecord(id=secret_id, created_at=now)
    after = dataclasses.replace(_with(record, now), secrets=(*older, new))
    if len(living(after, now)) > SECRETS_MAX:
        raise Conflict(
            f"Key {record.key.id} has {SECRETS_MAX} secrets in use. End one of the replaced ones first,"
            " or regenerate the key, which ends all of them."
        )
    return after


def ended(secret_id: str, record: KeyRecord, now: float) -> KeyRecord:
    """Without one of its replaced secrets. Raises NotFound for a secret that is none of the key's."""
    secret = next((one for one in record.secrets if one.id == secret_id), None)
    if secret is None:
        raise NotFound(
            f"Key {record.key.id} has no secret with this id. 'keywright keys show' names them."
        )
    if not secret.is_living(now):
        return record
    _require_kept(record, "changed")
    if secret.replaced_at is None:
        raise Conflict(
            "This is the key's present secret. To end it, rotate or regenerate the key, or revoke it."
        )
    return _without(record, secret, now)


def retired(secret_id: str, unused_since: float, record: KeyRecord, now: float) -> KeyRecord:
    """Without a secret that goes on until it is unused, if nobody has used it since then."""
    for secret in record.secrets:
        if secret.id == secret_id and _is_out_of_use(secret, unused_since, now):
            return _without(record, secret, now)
    return record


def living(record: KeyRecord, now: float) -> tuple[SecretRecord, ...]:
    """The secrets that the gateway takes at `now`, if it takes the key."""
    return tuple(secret for secret in record.secrets if secret.is_living(now))


def _is_out_of_use(secret: SecretRecord, since: float, now: float) -> bool:
    was_touched_at = max(
        secret.replaced_at or now, 0 if secret.last_used is None else secret.last_used.at
    )
    return secret.until_unused and secret.is_living(now) and was_touched_at < since


def _without(record: KeyRecord, secret: SecretRecord, now: float) -> KeyRecord:
    gone = dataclasses.replace(secret, revoked_at=now, until_unused=False)
    return dataclasses.replace(
        _with(record, now),
        secrets=tuple(gone if one is secret else one for one in record.secrets),
    )


def _replaced(secret: SecretRecord, overlap_seconds: float | None, now: float) -> SecretRecord:
    replaced_at = secret.replaced_at or now
    if overlap_seconds is None:
        return dataclasses.replace(secret, replaced_at=replaced_at, until_unused=True)
    if overlap_seconds == 0:
        # Not by a time: another machine's clock may be behind ours.
        return dataclasses.replace(
            secret, replaced_at=replaced_at, revoked_at=now, until_unused=False
        )
    end = now + overlap_seconds
    if secret.expires_at is not None:
        end = min(end, secret.expires_at)
    return dataclasses.replace(secret, replaced_at=replaced_at, expires_at=end)


def _with(record: KeyRecord, now: float, **values: Any) -> KeyRecord:  # noqa: ANN401 -- fields
    return dataclasses.replace(
        record,
        key=dataclasses.replace(record.key, **values, updated_at=now),
        own_version=record.own_version + 1,
    )


def _require_kept(record: KeyRecord, verb: str) -> None:
    if record.key.deleted_at is not None:
        raise Conflict(f"Key {record.key.id} was deleted: it cannot be {verb}.")
    if record.key.status is KeyStatus.REVOKED:
        raise Conflict(f"Key {record.key.id} is revoked for good: it cannot be {verb}.")


def _version(owner: KeyOwner | None) -> int:
    return 0 if owner is None else owner.version
