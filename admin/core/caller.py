"""Who asks the control plane for something, and what they may (design §10)."""

__all__ = [
    "PERMISSIONS",
    "ActorKind",
    "Caller",
    "Idempotency",
    "Permission",
    "Role",
    "operator",
    "system",
]

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from admin.core.faults import NotAllowed, NotFound


class Role(StrEnum):
    """What somebody is to the installation; a member and a viewer belong to one account, or a viewer to all."""

    ADMIN = "admin"
    MEMBER = "member"
    VIEWER = "viewer"


class Permission(StrEnum):
    """One thing that may be done; a token can be narrowed to some of those that its role has."""

    ACCOUNTS_READ = "accounts:read"
    ACCOUNTS_WRITE = "accounts:write"
    ACCESS_REQUEST = "access:request"
    ACCESS_DECIDE = "access:decide"
    USERS_READ = "users:read"
    USERS_WRITE = "users:write"
    KEYS_READ = "keys:read"
    KEYS_WRITE = "keys:write"
    KEYS_IMPORT = "keys:import"
    KEYS_EXPORT = "keys:export"
    USAGE_READ = "usage:read"
    QUOTAS_WRITE = "quotas:write"
    ALERTS_READ = "alerts:read"
    ALERTS_WRITE = "alerts:write"
    NOTIFICATIONS_READ = "notifications:read"
    NOTIFICATIONS_WRITE = "notifications:write"
    PLANS_READ = "plans:read"
    AUDIT_READ = "audit:read"
    EVENTS_READ = "events:read"
    TOKENS_READ = "tokens:read"
    TOKENS_WRITE = "tokens:write"
    VERIFY = "verify"


_VIEWER = frozenset(
    {
        Permission.ACCOUNTS_READ,
        Permission.USERS_READ,
        Permission.KEYS_READ,
        Permission.USAGE_READ,
        Permission.ALERTS_READ,
        Permission.NOTIFICATIONS_READ,
        Permission.PLANS_READ,
        Permission.AUDIT_READ,
        Permission.EVENTS_READ,
    }
)
PERMISSIONS: Mapping[Role, frozenset[Permission]] = {
    Role.ADMIN: frozenset(Permission),
    Role.MEMBER: _VIEWER
    | {
        Permission.KEYS_WRITE,
        Permission.ACCESS_REQUEST,
        Permission.ALERTS_WRITE,
        Permission.NOTIFICATIONS_WRITE,
    },
    Role.VIEWER: _VIEWER,
}


class ActorKind(StrEnum):
    """How the audit log calls whoever acted."""

    OPERATOR = "operator"
    TOKEN = "token"  # noqa: S105 -- the word for the kind
    USER = "user"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Idempotency:
    """The Idempotency-Key of a request, and what tells that request from another with the same key."""

    key: str
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks, from where, and what they may.

    `account_id` is the one account they see, None for all. `user_id` is who becomes the owner of keys
    that are made; None for machines and operators, whose keys nobody narrows.
    """

    kind: ActorKind
    id: str
    name: str
    role: Role
    permissions: frozenset[Permission]
    account_id: str | None = None
    user_id: str | None = None
    address: str = ""
    request_id: str = ""
    idempotency: Idempotency | None = None

    def require(self, permission: Permission) -> None:
        """Return if they may do this at all. Raises NotAllowed."""
        if permission not in self.permissions:
            raise NotAllowed(f"This needs the permission '{permission}', which you do not have.")

    def sees(self, account_id: str | None) -> bool:
        """Whether what belongs to this account (None: to no single one) is theirs to see."""
        return self.account_id is None or self.account_id == account_id

    def require_account(self, account_id: str | None, words: str) -> None:
        """Return if they see the account. Raises NotFound with `words`: the same as if it did not exist."""
        if not self.sees(account_id):
            raise NotFound(words)


def operator(name: str) -> Caller:
    """Somebody with a shell on the installation's own machine: `name` is their login there."""
    return Caller(
        kind=ActorKind.OPERATOR,
        id=name,
        name=name,
        role=Role.ADMIN,
        permissions=PERMISSIONS[Role.ADMIN],
    )


def system(name: str) -> Caller:
    """Keywright itself: `name` says which part of it."""
    return Caller(
        kind=ActorKind.SYSTEM,
        id=name,
        name=name,
        role=Role.ADMIN,
        permissions=PERMISSIONS[Role.ADMIN],
    )
