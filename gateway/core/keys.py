"""A key as admission knows it, and the words for its states."""

__all__ = ["Account", "ApiAccess", "Environment", "Key", "KeyDigest", "KeyStatus", "KeyType"]

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from gateway.core.limits import Limit


class KeyType(StrEnum):
    """What stands first in a token."""

    SECRET = "sk"  # noqa: S105 -- the word for the kind
    PUBLISHABLE = "pk"


class Environment(StrEnum):
    """What stands second in a token."""

    LIVE = "live"
    TEST = "test"


class KeyStatus(StrEnum):
    """Whether a key may be used at all; a revoked key never comes back."""

    ACTIVE = "active"
    DISABLED = "disabled"
    REVOKED = "revoked"


class ApiAccess(StrEnum):
    """Whether an account's keys are let through."""

    DISABLED = "disabled"
    REQUESTED = "requested"
    APPROVED = "approved"
    DENIED = "denied"


class KeyDigest(NamedTuple):
    """HMAC-SHA-256(pepper, token): all that Redis and process memory ever hold of a secret."""

    pepper_id: str
    value: bytes

    def __repr__(self) -> str:
        """Never shows the digest: with the pepper it could be tested against guesses."""
        return f"KeyDigest({self.pepper_id}, …)"


@dataclass(frozen=True, slots=True)
class Account:
    """The part of an account that decides about its keys."""

    id: str
    name: str
    plan: str
    api_access: ApiAccess


@dataclass(frozen=True, slots=True)
class Key:
    """One key with its account, as seen through one of its secrets.

    `version` grows with every change of the key or of its account, so that an older copy
    can be told from a newer one. Times are seconds since the epoch, UTC.
    """

    id: str
    name: str
    account: Account
    type: KeyType
    environment: Environment
    status: KeyStatus
    scopes: tuple[str, ...]
    secret_id: str
    version: int
    not_before: float | None = None
    expires_at: float | None = None
    secret_expires_at: float | None = None
    addresses: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    limits: tuple[Limit, ...] = ()
