"""Keys on their way in or out: all that another installation needs to serve them, and nothing a caller could send."""

__all__ = ["ImportedKey", "ImportedSecret", "LineOutcome", "Outcome"]

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.core.keys import ApiAccess, Environment, KeyStatus, KeyType
from gateway.core.limits import Limit


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedSecret:
    """A secret as it is stored. `digests` are pairs of a pepper's id and HMAC-SHA-256(pepper, value) in hex.

    Only a value that was made elsewhere has digests: a token of ours is found by the id in it.
    """

    id: str
    token_hash: str = field(repr=False)
    cost_class: str
    created_at: float
    digests: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    expires_at: float | None = None
    revoked_at: float | None = None
    replaced_at: float | None = None
    until_unused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedKey:
    """One line: a key with its `value`, as its holder has it, or with its `secrets`, from an export.

    `account` is an id or a name; what is said of the account counts where it has to be made. `owner` is
    a user's email address. Times are seconds since the epoch, UTC.
    """

    number: int
    account: str
    name: str
    value: str | None = field(default=None, repr=False)
    secrets: tuple[ImportedSecret, ...] = ()
    id: str | None = None
    account_name: str | None = None
    account_status: str | None = None
    account_api_access: ApiAccess | None = None
    plan: str | None = None
    owner: str | None = None
    vendor: str | None = None
    type: KeyType = KeyType.SECRET
    environment: Environment = Environment.LIVE
    status: KeyStatus = KeyStatus.ACTIVE
    scopes: tuple[str, ...] = ()
    created_at: float | None = None
    not_before: float | None = None
    expires_at: float | None = None
    revoked_at: float | None = None
    deleted_at: float | None = None
    addresses: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    limits: tuple[Limit, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)


class Outcome(StrEnum):
    """What became of a line."""

    CREATED = "created"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class LineOutcome:
    """What became of the line with this number: the key that is there now, or why there is none."""

    number: int
    outcome: Outcome
    key_id: str | None = None
    problem: str | None = None
