"""Keys and their secrets."""

__all__ = [
    "Empty",
    "KeyChanged",
    "KeyCreated",
    "KeyDocument",
    "KeyPage",
    "KeyPatch",
    "KeyQuery",
    "KeyRotated",
    "KeySort",
    "KeyState",
    "LastUseDocument",
    "LimitDocument",
    "NewKeyRequest",
    "RotateRequest",
    "SecretDocument",
    "SecretUserDocument",
]

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from admin.wire.receipt import ReceiptDocument
from admin.wire.shapes import (
    Document,
    Duration,
    Metadata,
    PageQuery,
    Request,
    Text,
    Timestamp,
    Word,
)
from gateway.core.keys import Environment, KeyStatus, KeyType
from gateway.core.limits import QUOTA_MAX, WINDOW_SECONDS_MAX, CountedPer

KeyState = Literal["active", "disabled", "revoked", "expired", "not_yet_valid"]
KeySort = Literal["created", "-created", "name", "-name", "expires", "last_used"]


class Empty(Request):
    """Nothing more to say."""


class LimitDocument(Request):
    """A limit of the key's own: `quota` requests, refilled evenly over `window` seconds."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=100)] = "default"
    quota: int = Field(ge=1, le=QUOTA_MAX)
    window: int = Field(ge=1, le=WINDOW_SECONDS_MAX)
    per: CountedPer = CountedPer.KEY


class LastUseDocument(Document):
    """When, from where and on which route it was last used."""

    at: Timestamp
    address: str
    route: str | None


class SecretUserDocument(Document):
    """An address that has used a replaced secret since."""

    address: str
    last_at: Timestamp
    count: int


class SecretDocument(Document):
    """One secret of a key; `shown` is as much of it as anybody sees again."""

    id: str
    shown: str
    created_at: Timestamp
    expires_at: Timestamp | None
    revoked_at: Timestamp | None
    replaced_at: Timestamp | None
    until_unused: bool
    last_used: LastUseDocument | None
    uses: int
    used_by: tuple[SecretUserDocument, ...] = Field(
        description="Who has used a replaced secret since it was replaced; only where one key is shown."
    )


class KeyDocument(Document):
    """One key. `status` is what was set, `state` what that amounts to just now."""

    id: str
    account: str
    owner: str | None
    name: str
    type: KeyType
    environment: Environment
    status: KeyStatus
    state: KeyState
    scopes: tuple[str, ...]
    effective_scopes: tuple[str, ...] = Field(
        description="Those of `scopes` that its owner may still give it, and the configuration knows."
    )
    created_at: Timestamp
    updated_at: Timestamp
    not_before: Timestamp | None
    expires_at: Timestamp | None
    revoked_at: Timestamp | None
    deleted_at: Timestamp | None
    allowed_ips: tuple[str, ...]
    allowed_origins: tuple[str, ...]
    limits: tuple[LimitDocument, ...]
    metadata: Metadata
    secrets: tuple[SecretDocument, ...]
    last_used: LastUseDocument | None
    rotation_due: bool
    warnings: tuple[str, ...]
    version: int


class KeyCreated(KeyDocument):
    """The key, and its secret, this once. `api_key` and `api_secret` are the same secret as a pair."""

    secret: str = Field(repr=False)
    api_key: str
    api_secret: str = Field(repr=False)


class KeyRotated(KeyCreated):
    """The key with its new secret, and who enforces the end of the old one."""

    enforced: ReceiptDocument | None = None


class KeyChanged(KeyDocument):
    """The key as it is now, and who enforces it; None when no worker has to be told."""

    enforced: ReceiptDocument | None = None


class KeyPage(Document):
    """Some keys."""

    keys: tuple[KeyDocument, ...]
    next_cursor: str | None


class KeyQuery(PageQuery):
    """Which keys, in which order."""

    q: str | None = Field(
        default=None,
        max_length=200,
        description=(
            "Beginnings of words of the name, in any order; or the id; or the beginning of a secret as it is shown."
        ),
    )
    account: Word | None = None
    owner: Word | None = None
    state: KeyState | None = None
    type: KeyType | None = None
    environment: Environment | None = None
    unused_for: Duration | None = None
    older_than: Duration | None = None
    expiring_in: Duration | None = None
    deleted: bool = Field(
        default=False, description="Those that were deleted, which no other list has."
    )
    sort: KeySort = "-created"


class NewKeyRequest(Request):
    """A new key. Without scopes it gets `read-only`; it has one of `expires_in` and `expires_at`, or none."""

    account: str
    name: Text
    type: KeyType = KeyType.SECRET
    environment: Environment = Environment.LIVE
    scopes: tuple[str, ...] = ()
    expires_in: Duration | None = None
    expires_at: Timestamp | None = None
    not_before: Timestamp | None = None
    allowed_ips: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    limits: tuple[LimitDocument, ...] = ()
    metadata: Metadata = Field(default_factory=dict)
    owner: str | None = Field(
        default=None, description="A user of the account; admins may name one."
    )


class KeyPatch(Request):
    """What is to change; what is left out stays, and null takes an expiry, not-before or owner away."""

    name: Text = ""
    scopes: tuple[str, ...] = ()
    expires_at: Timestamp | None = None
    not_before: Timestamp | None = None
    allowed_ips: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    limits: tuple[LimitDocument, ...] = ()
    metadata: Metadata = Field(default_factory=dict)
    owner: str | None = None


class RotateRequest(Request):
    """How long the old secret goes on: 0s to 30d, or `until_unused`."""

    overlap: Annotated[str, StringConstraints(pattern=r"^(until_unused|[0-9]{1,7}[smhdw])$")] = (
        "24h"
    )
