"""Taking keys in and out."""

__all__ = [
    "ExportLine",
    "ExportPage",
    "ExportQuery",
    "ImportLine",
    "ImportRequest",
    "ImportResult",
    "ImportedLine",
    "ImportedSecret",
]

from typing import Literal

from pydantic import Field, SecretStr

from admin.wire.keys import LimitDocument
from admin.wire.people import AccountStatus
from admin.wire.shapes import Document, Metadata, PageQuery, Request, Text, Timestamp, Word
from gateway.core.keys import ApiAccess, Environment, KeyStatus, KeyType


class ImportedSecret(Request):
    """A secret as `keys export` writes it: its hashes, never itself."""

    id: str
    token_hash: str = Field(repr=False)
    cost_class: Literal["generated", "imported"]
    digests: tuple[tuple[str, str], ...] = Field(default=(), repr=False)
    created_at: Timestamp
    expires_at: Timestamp | None = None
    revoked_at: Timestamp | None = None
    replaced_at: Timestamp | None = None
    until_unused: bool = False


class ImportLine(Request):
    """One key: `value` as its holder has it, or `secrets` from an export. `number` is the line in the file.

    `account` is an id or a name; what is said of the account counts where it has to be made.
    """

    number: int = Field(ge=0)
    account: str
    name: Text
    value: SecretStr | None = Field(default=None, max_length=4096)
    id: str | None = None
    account_name: Text | None = None
    account_status: AccountStatus | None = None
    account_api_access: ApiAccess | None = None
    plan: str | None = None
    owner: str | None = Field(
        default=None, description="The e-mail address of a user, whom the key never exceeds."
    )
    vendor: str | None = Field(
        default=None, description="The vendor prefix under which the secrets were made."
    )
    type: KeyType = KeyType.SECRET
    environment: Environment = Environment.LIVE
    status: KeyStatus = KeyStatus.ACTIVE
    scopes: tuple[str, ...] = ()
    created_at: Timestamp | None = None
    not_before: Timestamp | None = None
    expires_at: Timestamp | None = None
    revoked_at: Timestamp | None = None
    deleted_at: Timestamp | None = None
    allowed_ips: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    limits: tuple[LimitDocument, ...] = ()
    metadata: Metadata = Field(default_factory=dict)
    secrets: tuple[ImportedSecret, ...] = ()


class ImportRequest(Request):
    """Some lines of one file. With `dry_run` nothing is written."""

    lines: tuple[ImportLine, ...] = Field(max_length=500)
    dry_run: bool = False


class ImportedLine(Document):
    """What became of a line; a bad one says why and does not stop the rest."""

    number: int
    outcome: Literal["created", "unchanged", "refused"]
    key: str | None = None
    problem: str | None = None


class ImportResult(Document):
    """One outcome a line."""

    results: tuple[ImportedLine, ...]


class ExportQuery(PageQuery):
    """Whose keys."""

    account: Word | None = None
    deleted: bool = False


class ExportLine(ImportLine):
    """A key as an import takes it: with hashes, without anything that a caller could send."""

    value: SecretStr | None = Field(default=None, exclude=True)


class ExportPage(Document):
    """Some lines."""

    lines: tuple[ExportLine, ...]
    next_cursor: str | None
