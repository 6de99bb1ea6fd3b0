"""The tables of the source of truth, as the present release reads and writes them.

How an older database gets to this shape is told by the revisions in `admin/migrations`. Times are
microseconds since the epoch, UTC, as 64-bit integers, and are named `*_us`: SQLite and PostgreSQL
then keep the same value, and no time zone can creep in.
"""

__all__ = [
    "METADATA",
    "accounts",
    "from_us",
    "keys",
    "refused_requests",
    "secrets",
    "to_us",
    "usage_records",
]

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
)

# Named constraints, so that a later revision can drop one by name on either database.
METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

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
)

keys = Table(
    "keys",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("account_id", Text, ForeignKey("accounts.id"), nullable=False, index=True),
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
)

# No foreign keys: what happened stays told when its key or account is gone.
usage_records = Table(
    "usage_records",
    METADATA,
    Column("worker", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False),
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
    PrimaryKeyConstraint("worker", "sequence"),
    Index(None, "key_id", "at_us"),
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


def to_us(seconds: float) -> int:
    """Seconds since the epoch as the microseconds that a column holds."""
    return round(seconds * 1_000_000)


def from_us(microseconds: int) -> float:
    """What a column holds as seconds since the epoch."""
    return microseconds / 1_000_000
