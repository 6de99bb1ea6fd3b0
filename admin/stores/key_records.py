"""A key as the database has it, with what decides about it: its account, its owner, its secrets' last uses."""

__all__ = [
    "AccountState",
    "KeyFields",
    "KeyOwner",
    "KeyRecord",
    "KeyState",
    "LastUse",
    "NewSecret",
    "SecretRecord",
    "SecretUser",
]

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from gateway.core.keys import ApiAccess, Environment, KeyStatus, KeyType
from gateway.core.limits import Limit

# What a key's status, times and owner amount to at a moment.
KeyState = Literal["active", "disabled", "revoked", "expired", "not_yet_valid"]

_ACTIVE = "active"


class LastUse(NamedTuple):
    """When (seconds since the epoch), from where and on which route something was last used."""

    at: float
    address: str
    route: str | None


@dataclass(frozen=True, slots=True)
class SecretUser:
    """An address that has used a replaced secret since it was replaced, and how often."""

    address: str
    last_at: float
    count: int


@dataclass(frozen=True, slots=True)
class NewSecret:
    """A secret on its way into SQL: of the token only the hash."""

    id: str
    token_hash: str = field(repr=False)
    cost_class: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretRecord:
    """One secret of a key, by its public id. `replaced_at` is when a newer one took its place.

    One that is `until_unused` goes on until nobody has used it for some time. `uses` counts all requests
    that it proved itself in, refused ones included. What `is_imported` was made elsewhere: its id is not in it.
    """

    id: str
    created_at: float
    expires_at: float | None = None
    revoked_at: float | None = None
    replaced_at: float | None = None
    until_unused: bool = False
    last_used: LastUse | None = None
    uses: int = 0
    is_imported: bool = False

    def is_living(self, now: float) -> bool:
        """Whether the gateway still takes it at `now`, if it takes the key."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFields:
    """What is written of a key. Times are seconds since the epoch, UTC."""

    id: str
    account_id: str
    owner_id: str | None = None
    name: str
    type: KeyType
    environment: Environment
    status: KeyStatus = KeyStatus.ACTIVE
    scopes: tuple[str, ...]
    created_at: float
    updated_at: float
    not_before: float | None = None
    expires_at: float | None = None
    revoked_at: float | None = None
    deleted_at: float | None = None
    addresses: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    limits: tuple[Limit, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AccountState:
    """What an account decides about its keys."""

    id: str
    plan: str
    status: str
    api_access: ApiAccess
    version: int

    @property
    def lets_through(self) -> bool:
        """Whether requests with its keys are served at all."""
        return self.status == _ACTIVE and self.api_access is ApiAccess.APPROVED


@dataclass(frozen=True, slots=True)
class KeyOwner:
    """What a user decides about their keys. An account of None sees all accounts; scopes of None: all offered."""

    id: str
    account_id: str | None
    role: str
    scopes: tuple[str, ...] | None
    status: str
    version: int

    @property
    def is_active(self) -> bool:
        """False for a user who was disabled, and whose keys therefore are."""
        return self.status == _ACTIVE


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A key with everything that decides about it. `own_version` is what of its version is not others'."""

    key: KeyFields
    own_version: int
    account: AccountState
    owner: KeyOwner | None
    secrets: tuple[SecretRecord, ...]

    @property
    def version(self) -> int:
        """Grows with each change of the key, its account or its owner."""
        owners = 0 if self.owner is None else self.owner.version
        return self.own_version + self.account.version + owners
