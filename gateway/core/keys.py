"""A key as admission knows it, and the words for its states."""

__all__ = [
    "Account",
    "ApiAccess",
    "Environment",
    "Key",
    "KeyDigest",
    "KeyStatus",
    "KeyType",
    "Owner",
    "narrowed",
]

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from gateway.core.limits import Limit

_ADMIN = "admin"
_MEMBER = "member"


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
    """HMAC-SHA-256(pepper, token): all that Redis and L1 ever hold of a secret."""

    pepper_id: str
    value: bytes

    def __repr__(self) -> str:
        """Never shows the digest: with the pepper it could be tested against guesses."""
        return f"KeyDigest({self.pepper_id}, …)"


class Owner(NamedTuple):
    """The user whose key it is, as far as that narrows the key. Scopes of None: all that the plan offers members."""

    role: str
    scopes: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Account:
    """The part of an account that decides about its keys. A suspended one has its API access disabled."""

    id: str
    name: str
    plan: str
    api_access: ApiAccess


@dataclass(frozen=True, slots=True)
class Key:
    """One key with its account, as seen through one of its secrets.

    `version` grows with every change of the key, of its account or of its owner, so that an older copy
    can be told from a newer one. A key whose owner is disabled is disabled. `scopes` are those it was
    given; what is left of them is for `narrowed` to say. Times are seconds since the epoch, UTC.
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
    owner: Owner | None = None


def narrowed(
    scopes: tuple[str, ...], owner: Owner | None, member_scopes: tuple[str, ...] | None
) -> tuple[str, ...]:
    """Those of a key's `scopes` that its owner may still use, in their order; nobody's key keeps all.

    `member_scopes` are what the account's plan offers to members, None for all scopes. An admin has
    every scope; a viewer, and a role that this release does not know, has none.
    """
    if owner is None or owner.role == _ADMIN:
        return scopes
    if owner.role != _MEMBER:
        return ()
    held = (member_scopes, owner.scopes)
    return tuple(name for name in scopes if all(some is None or name in some for some in held))
