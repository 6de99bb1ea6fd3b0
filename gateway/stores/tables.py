"""The tables of the source of truth, as the present release reads and writes them.

How an older database gets to this shape is told by the revisions in `admin/migrations`. Times are
microseconds since the epoch, UTC, as 64-bit integers, and are named `*_us`: SQLite and PostgreSQL
then keep the same value, and no time zone can creep in.
"""

__all__ = [
    "accounts",
    "admin_tokens",
    "audit_entries",
    "audit_head",
    "events",
    "from_us",
    "idempotency",
    "imported_digests",
    "key_words",
    "keys",
    "refused_requests",
    "secret_uses",
    "secrets",
    "to_us",
    "usage_records",
    "users",
]

from typing import Any

from sqlalchemy import (
    DDL,
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    event,
    false,
    text,
)
from sqlalchemy.dialects import postgresql

from gateway.stores.metadata import METADATA


def _only(condition: str) -> dict[str, Any]:
    """An index over part of the rows."""
    return {"postgresql_where": text(condition), "sqlite_where": text(condition)}


# What SQLite numbers its rows by anyhow, so that it needs no index.
_ROW_ID = BigInteger().with_variant(Integer, "sqlite")

# Of very many keys that expire soon, the first in another order are found without looking at their rows.
_BESIDE_EXPIRY = ("status", "created_us", "used_day")

accounts = Table(
    "accounts",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("plan", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("api_access", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("updated_us", BigInteger, nullable=False),
    # Why access was denied, and when it was last requested or decided.
    Column("api_access_reason", Text),
    Column("api_access_us", BigInteger),
    Index(None, "created_us", "id"),
)

# An account of None sees all accounts; scopes of None are all that the plan offers to members.
users = Table(
    "users",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("email", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("account_id", Text, ForeignKey("accounts.id")),
    Column("scopes", JSON(none_as_null=True)),
    Column("status", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("updated_us", BigInteger, nullable=False),
    UniqueConstraint("email"),
    Index("ix_users_disabled", "id", **_only("status != 'active'")),
    Index(None, "created_us", "id"),
    Index(None, "account_id", "created_us", "id"),
)

# For machines that use the admin API; permissions of None are all that the role has.
admin_tokens = Table(
    "admin_tokens",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("account_id", Text, ForeignKey("accounts.id")),
    Column("permissions", JSON(none_as_null=True)),
    Column("token_hash", Text, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger),
    Column("revoked_us", BigInteger),
    Index(None, "created_us", "id"),
)

keys = Table(
    "keys",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("account_id", Text, ForeignKey("accounts.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("not_before_us", BigInteger),
    Column("expires_us", BigInteger),
    Column("addresses", JSON, nullable=False),
    Column("origins", JSON, nullable=False),
    Column("limits", JSON, nullable=False),
    Column("metadata", JSON, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("updated_us", BigInteger, nullable=False),
    Column("revoked_us", BigInteger),
    # Whose key it is: it never holds more than this user may do.
    Column("owner_id", Text, ForeignKey("users.id"), index=True),
    # The day since the epoch of its last use, 0 for never; `secret_uses` has the moment.
    Column("used_day", BigInteger, nullable=False, server_default="0"),
    Column("deleted_us", BigInteger),
    # The words of its name, each with a space before it; `key_words` has them one by one.
    Column("words", Text, nullable=False, server_default=""),
    # Set some time after an active key has expired, so that those can be listed in any order.
    Column("lapsed", Boolean, nullable=False, server_default=false()),
    Index(None, "created_us", "id"),
    Index(None, "account_id", "created_us", "id"),
    Index(None, "account_id", "name", "id"),
    # One for each way in which a list may be narrowed and sorted (admin/stores/key_plan.py).
    *(
        Index(f"ix_keys_{kind}_{sort}", *narrowed, sort, "id", *also, **_only(which))
        for sort in ("created_us", "name", "expires_us", "used_day")
        for kind, narrowed, also, which in (
            ("live", (), _BESIDE_EXPIRY if sort == "expires_us" else (), "deleted_us IS NULL"),
            ("state", ("status", "lapsed"), (), "deleted_us IS NULL"),
            ("deleted", (), (), "deleted_us IS NOT NULL"),
        )
    ),
    Index("ix_keys_kind", "type", "environment", **_only("deleted_us IS NULL")),
    # Names often begin with their environment: in their order, one lies wholly behind the other.
    Index("ix_keys_environment_name", "environment", "name", "id", **_only("deleted_us IS NULL")),
    Index("ix_keys_not_before", "not_before_us", **_only("not_before_us IS NOT NULL")),
)

# The words of names, each in the order of the names, and ids of secrets behind a '='. PostgreSQL's own
# order of texts depends on the machine; here words that begin alike must lie together.
key_words = Table(
    "key_words",
    METADATA,
    Column("word", Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")),
    Column("name", Text),
    Column("key_id", Text),
    PrimaryKeyConstraint("word", "name", "key_id"),
    sqlite_with_rowid=False,
)

# The id is the public part of the token; of the rest only an argon2id hash is kept.
secrets = Table(
    "secrets",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("key_id", Text, ForeignKey("keys.id"), nullable=False, index=True),
    Column("token_hash", Text, nullable=False),
    Column("cost_class", Text, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger),
    Column("revoked_us", BigInteger),
    # When a newer secret took its place, and whether it goes on until nobody uses it any more.
    Column("replaced_us", BigInteger),
    Column("until_unused", Boolean, nullable=False, server_default=false()),
    Index("ix_secrets_until_unused", "id", **_only("until_unused")),
    Index(None, "created_us", "id"),
)

# The last use of each secret, written with the batch of usage records that holds it.
secret_uses = Table(
    "secret_uses",
    METADATA,
    Column("secret_id", Text, primary_key=True),
    Column("key_id", Text, nullable=False, index=True),
    Column("at_us", BigInteger, nullable=False),
    Column("address", Text, nullable=False),
    Column("route", Text),
    Column("count", BigInteger, nullable=False),
)

# A value that was made elsewhere names no secret id: HMAC-SHA-256(pepper, value) in hex finds it.
imported_digests = Table(
    "imported_digests",
    METADATA,
    Column("pepper_id", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("secret_id", Text, ForeignKey("secrets.id"), nullable=False, index=True),
    PrimaryKeyConstraint("pepper_id", "digest"),
)

# No foreign keys: what happened stays told when its key or account is gone. Ids rise in the order in which records
# came in, `at_us` is when the request began.
usage_records = Table(
    "usage_records",
    METADATA,
    Column("id", _ROW_ID, Identity(), primary_key=True),
    Column("at_us", BigInteger, nullable=False),
    Column("key_id", Text),
    Column("account_id", Text),
    Column("secret_id", Text),
    Column("route", Text),
    Column("method", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("status", Integer, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("bytes_in", BigInteger, nullable=False),
    Column("bytes_out", BigInteger, nullable=False),
    Column("duration_us", BigInteger, nullable=False),
    Column("address", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    # None for accounts: every record would pay for it, and what an account did is what its keys did.
    Index(None, "key_id", "at_us"),
    # A partition for each day, which is dropped as one.
    postgresql_partition_by="RANGE (at_us)",
    # An id is never given out twice, even if all records were deleted in between.
    sqlite_autoincrement=True,
)
# PostgreSQL wants what it divides a table by in each unique key.
usage_records.primary_key.ddl_if(dialect="sqlite")
event.listen(
    usage_records,
    "after_create",
    DDL(  # type: ignore[no-untyped-call]
        "ALTER TABLE usage_records ADD CONSTRAINT pk_usage_records PRIMARY KEY (id, at_us)"
    ).execute_if(dialect="postgresql"),
)

refused_requests = Table(
    "refused_requests",
    METADATA,
    Column("minute", BigInteger, nullable=False),
    Column("worker", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("count", BigInteger, nullable=False),
    PrimaryKeyConstraint("minute", "worker", "outcome"),
)

# Who did what; `before` and `after` are JSON as it was hashed. Nothing here is ever changed.
audit_entries = Table(
    "audit_entries",
    METADATA,
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("at_us", BigInteger, nullable=False),
    Column("actor_kind", Text, nullable=False),
    Column("actor_id", Text, nullable=False),
    Column("actor_name", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("target_kind", Text, nullable=False),
    Column("target_id", Text, nullable=False),
    Column("account_id", Text),
    Column("before", Text),
    Column("after", Text),
    Column("hash", Text, nullable=False),
    Index(None, "account_id", "sequence"),
    Index(None, "target_id", "sequence"),
)

# One row, locked by whoever writes an audit entry: the chain's end, and the last event's number.
audit_head = Table(
    "audit_head",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("sequence", BigInteger, nullable=False),
    Column("hash", Text, nullable=False),
    Column("event_sequence", BigInteger, nullable=False),
)

# What somebody may want to be told of, in order; written in the transaction of what happened.
events = Table(
    "events",
    METADATA,
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("at_us", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("account_id", Text),
    Column("key_id", Text),
    Column("data", Text, nullable=False),
    Index(None, "account_id", "sequence"),
)

# What a repeated POST is answered with; `sealed` is a new secret, encrypted.
idempotency = Table(
    "idempotency",
    METADATA,
    Column("caller", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("target_id", Text, nullable=False),
    Column("sealed", LargeBinary),
    Column("created_us", BigInteger, nullable=False, index=True),
    PrimaryKeyConstraint("caller", "key"),
)


def to_us(seconds: float) -> int:
    """Seconds since the epoch as the microseconds that a column holds."""
    return round(seconds * 1_000_000)


def from_us(microseconds: int) -> float:
    """What a column holds as seconds since the epoch."""
    return microseconds / 1_000_000
