"""A key as the control plane shows it: what is written of it, and what that amounts to just now."""

__all__ = ["KeyState", "KeyView", "LastUse", "SecretUser", "SecretView", "state_of", "view"]

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from admin.core.naming import advice
from admin.services.key_rules import KeyRules
from admin.stores.key_records import (
    KeyFields,
    KeyRecord,
    KeyState,
    LastUse,
    SecretRecord,
    SecretUser,
)
from gateway.core.keys import KeyStatus
from gateway.core.token import shown

_DAY_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretView(SecretRecord):
    """One secret of a key. `shown` is as much of its token as anybody sees again.

    `used_by` tells who has used a replaced secret since it was replaced, where one key is shown.
    """

    shown: str = ""
    used_by: tuple[SecretUser, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyView(KeyFields):
    """One key. `status` is what was set, `state` what that amounts to; `version` grows with each change.

    `effective_scopes` are those of `scopes` that its owner may still give it and the configuration
    knows. With `rotation_due` its newest secret is older than it should be. `warnings` are sentences.
    """

    version: int
    secrets: tuple[SecretView, ...]
    state: KeyState = "active"
    effective_scopes: tuple[str, ...] = ()
    last_used: LastUse | None = None
    rotation_due: bool = False
    warnings: tuple[str, ...] = ()


def view(
    record: KeyRecord,
    rules: KeyRules,
    now: float,
    used_by: Mapping[str, tuple[SecretUser, ...]] | None = None,
) -> KeyView:
    """The key at `now`, under the present configuration; `used_by` by the secret's id."""
    uses = [secret.last_used for secret in record.secrets if secret.last_used is not None]
    effective = rules.effective(record)
    return KeyView(
        **_values(record.key),
        version=record.version,
        secrets=_secret_views(record, rules, used_by or {}),
        state=state_of(record, now),
        effective_scopes=effective,
        last_used=max(uses, default=None),
        rotation_due=_is_rotation_due(record, rules, now),
        warnings=tuple(_warnings(record, rules, now, effective)),
    )


def state_of(record: KeyRecord, now: float) -> KeyState:
    """What the gateway makes of the key at `now`, as `state_refusal` has it; a key expires at its very expiry."""
    key = record.key
    if key.status is KeyStatus.REVOKED:
        return "revoked"
    if key.status is KeyStatus.DISABLED or not (record.owner is None or record.owner.is_active):
        return "disabled"
    if key.not_before is not None and now < key.not_before:
        return "not_yet_valid"
    if key.expires_at is not None and key.expires_at <= now:
        return "expired"
    return "active"


def _secret_views(
    record: KeyRecord, rules: KeyRules, used_by: Mapping[str, tuple[SecretUser, ...]]
) -> tuple[SecretView, ...]:
    return tuple(
        SecretView(
            **_values(secret),
            shown=_shown(record, secret, rules),
            used_by=used_by.get(secret.id, ()),
        )
        for secret in record.secrets
    )


def _shown(record: KeyRecord, secret: SecretRecord, rules: KeyRules) -> str:
    # Of what somebody else has made up not even the beginning: it may be most of it.
    if secret.is_imported:
        return "imported_…"
    return shown(record.key.type, record.key.environment, secret.id, rules.vendor)


def _values(record: KeyFields | SecretRecord) -> dict[str, Any]:
    return {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}


def _is_rotation_due(record: KeyRecord, rules: KeyRules, now: float) -> bool:
    if record.key.status is KeyStatus.REVOKED or state_of(record, now) == "expired":
        return False
    living = [secret.created_at for secret in record.secrets if secret.is_living(now)]
    return bool(living) and now - max(living) > rules.rotation_due_after_seconds


def _warnings(
    record: KeyRecord, rules: KeyRules, now: float, effective: Sequence[str]
) -> Iterator[str]:
    if record.key.status is KeyStatus.REVOKED:
        return
    if (better := advice(record.key.name, record.key.environment.value)) is not None:
        yield better
    yield from _warnings_of_others(record, effective)
    if not any(secret.is_living(now) for secret in record.secrets):
        yield "None of its secrets is in use any more. Rotate it to make a new one."
    for secret in record.secrets:
        if secret.until_unused and secret.is_living(now):
            yield _goes_on(secret, _shown(record, secret, rules), rules)


def _warnings_of_others(record: KeyRecord, effective: Sequence[str]) -> Iterator[str]:
    """What its owner, its account and the configuration take from it."""
    if record.owner is not None and not record.owner.is_active:
        yield "Its owner is disabled, and the key with them."
    if not record.account.lets_through:
        yield "API access is switched off for its account: every request with it is refused."
    if missing := [scope for scope in record.key.scopes if scope not in effective]:
        yield (
            f"It holds {', '.join(missing)} without effect: its owner may not give it that,"
            " or the configuration does not know it."
        )


def _goes_on(secret: SecretRecord, text: str, rules: KeyRules) -> str:
    days = rules.retire_unused_after_seconds / _DAY_SECONDS
    is_used = secret.last_used is not None and secret.last_used.at >= (secret.replaced_at or 0)
    told = "is still used" if is_used else "has not been used since"
    return (
        f"The secret {text} was replaced and {told}."
        f" It goes on until nobody has used it for {days:g} days."
    )
