"""What can be asked of the key service, and what comes back."""

__all__ = [
    "ChangedKey",
    "CreatedKey",
    "KeyChange",
    "NewKey",
    "RotatedKey",
    "checked_change",
    "checked_new",
    "checked_overlap",
]

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from admin.core.unset import UNSET, Unset
from admin.services.key_life import OVERLAP_SECONDS_MAX
from admin.services.key_views import KeyView
from admin.services.validation import (
    checked_addresses,
    checked_id,
    checked_limits,
    checked_metadata,
    checked_name,
    checked_one_of,
    checked_origins,
    checked_scopes,
    checked_seconds_ahead,
    checked_time,
    new_id,
)
from admin.stores.key_records import KeyFields
from gateway.core.changes import Receipt
from gateway.core.errors import Misuse
from gateway.core.keys import Environment, KeyType
from gateway.core.limits import Limit

_SEE_ACCOUNTS = "'keywright accounts list' shows all accounts."
_SEE_USERS = "'keywright users list' shows all users."


class CreatedKey(NamedTuple):
    """A new key, and its token: the only time that it exists outside its holder's hands."""

    key: KeyView
    secret: str

    def __repr__(self) -> str:
        """Never shows the token."""
        return f"CreatedKey({self.key.id}, …)"


class ChangedKey(NamedTuple):
    """The key as it is now, and who enforces it; None when no worker has to be told."""

    key: KeyView
    receipt: Receipt | None


class RotatedKey(NamedTuple):
    """The key with its new secret, the token of that, and who enforces the end of the old one."""

    key: KeyView
    secret: str
    receipt: Receipt | None

    def __repr__(self) -> str:
        """Never shows the token."""
        return f"RotatedKey({self.key.id}, …)"


@dataclass(frozen=True, slots=True)
class NewKey:
    """What is asked for. Without scopes the key gets `read-only`, if there is such a scope.

    It ends `expires_in_seconds` from now or at `expires_at`, one of them; times are seconds since the
    epoch. Whoever makes a key owns it; admins may name another user of the account as `owner_id`.
    """

    account_id: str
    name: str
    type: KeyType | str = KeyType.SECRET
    environment: Environment | str = Environment.LIVE
    scopes: Sequence[str] = ()
    expires_in_seconds: float | None = None
    expires_at: float | None = None
    not_before: float | None = None
    addresses: Sequence[str] = ()
    origins: Sequence[str] = ()
    limits: Sequence[Limit] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    owner_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyChange:
    """What is to be different; None takes an expiry, a not-before or an owner away."""

    name: str | Unset = UNSET
    scopes: Sequence[str] | Unset = UNSET
    expires_at: float | Unset | None = UNSET
    not_before: float | Unset | None = UNSET
    addresses: Sequence[str] | Unset = UNSET
    origins: Sequence[str] | Unset = UNSET
    limits: Sequence[Limit] | Unset = UNSET
    metadata: Mapping[str, str] | Unset = UNSET
    owner_id: str | Unset | None = UNSET


def checked_new(new: NewKey, scopes: Collection[str], now: float) -> KeyFields:
    """The key that is to be, as far as nobody has to be asked. `scopes` are all there are. Raises Misuse."""
    return KeyFields(
        id=new_id("key"),
        account_id=checked_id("acc", new.account_id, _SEE_ACCOUNTS),
        owner_id=None if new.owner_id is None else checked_id("usr", new.owner_id, _SEE_USERS),
        name=checked_name("key", new.name),
        type=checked_one_of("key type", new.type, tuple(KeyType)),
        environment=checked_one_of("environment", new.environment, tuple(Environment)),
        scopes=checked_scopes(new.scopes, scopes),
        created_at=now,
        updated_at=now,
        not_before=_first_moment(new.not_before),
        expires_at=_expiry(new, now),
        addresses=checked_addresses(new.addresses),
        origins=checked_origins(new.origins),
        limits=checked_limits(new.limits),
        metadata=checked_metadata(new.metadata),
    )


def checked_change(change: KeyChange, scopes: Collection[str]) -> dict[str, Any]:
    """The fields that are to be different, by name. Raises Misuse."""
    wanted: dict[str, Any] = {}
    for name, check in _CHECKS.items():
        value = getattr(change, name)
        if value is not UNSET:
            wanted[name] = check(value)
    if change.scopes is not UNSET:
        wanted["scopes"] = checked_scopes(change.scopes, scopes)
    return wanted


def checked_overlap(seconds: float | None) -> float | None:
    """How long a replaced secret goes on, None until it is unused. Raises Misuse."""
    if seconds is None or (math.isfinite(seconds) and 0 <= seconds <= OVERLAP_SECONDS_MAX):
        return seconds
    raise Misuse("The overlap is from 0 seconds to 30 days, or 'until_unused'.")


def _expiry(new: NewKey, now: float) -> float | None:
    if new.expires_in_seconds is None:
        return _end(new.expires_at)
    if new.expires_at is not None:
        raise Misuse("A key has one expiry: give it as a duration or as a time, not as both.")
    return now + checked_seconds_ahead("The key's life", new.expires_in_seconds)


def _end(at: float | None) -> float | None:
    return None if at is None else checked_time("The key's expiry", at)


def _first_moment(at: float | None) -> float | None:
    return None if at is None else checked_time("The key's first moment", at)


def _owner_id(user_id: str | None) -> str | None:
    return None if user_id is None else checked_id("usr", user_id, _SEE_USERS)


def _name(text: str) -> str:
    return checked_name("key", text)


_CHECKS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "name": _name,
    "expires_at": _end,
    "not_before": _first_moment,
    "addresses": checked_addresses,
    "origins": checked_origins,
    "limits": checked_limits,
    "metadata": checked_metadata,
    "owner_id": _owner_id,
}
