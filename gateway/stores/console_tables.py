"""The tables of the console: how people prove who they are, and where they are signed in."""

__all__ = [
    "console_identities",
    "console_links",
    "console_passwords",
    "console_recovery_codes",
    "console_second_factors",
    "console_sign_ins",
]

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)

from gateway.stores.metadata import METADATA

console_passwords = Table(
    "console_passwords",
    METADATA,
    Column("user_id", Text, ForeignKey("users.id"), primary_key=True),
    Column("password_hash", Text, nullable=False),
    Column("changed_us", BigInteger, nullable=False),
)

# The secret is encrypted; it counts once a code of it has been shown (`confirmed_us`). No code of the
# step `used_step` or an earlier one is good any more (RFC 6238 §5.2).
console_second_factors = Table(
    "console_second_factors",
    METADATA,
    Column("user_id", Text, ForeignKey("users.id"), primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("confirmed_us", BigInteger),
    Column("used_step", BigInteger, nullable=False, server_default="0"),
)

# SHA-256 of what is random enough not to be guessed; a used one is deleted.
console_recovery_codes = Table(
    "console_recovery_codes",
    METADATA,
    Column("user_id", Text, ForeignKey("users.id"), nullable=False),
    Column("digest", Text, nullable=False),
    PrimaryKeyConstraint("user_id", "digest"),
)

# `digest` is SHA-256 of the cookie. `proved_us`: when they last showed who they are.
console_sign_ins = Table(
    "console_sign_ins",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("user_id", Text, ForeignKey("users.id"), nullable=False),
    Column("method", Text, nullable=False),
    Column("rights", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("seen_us", BigInteger, nullable=False),
    Column("proved_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger, nullable=False),
    UniqueConstraint("digest"),
    Index(None, "user_id", "created_us"),
    Index(None, "expires_us"),
)

# Links that work once: to set up the console (nobody's yet), or to choose a password.
console_links = Table(
    "console_links",
    METADATA,
    Column("digest", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("user_id", Text, ForeignKey("users.id")),
    Column("created_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger, nullable=False),
    Index(None, "user_id"),
)

# Who somebody is to a provider of OpenID Connect.
console_identities = Table(
    "console_identities",
    METADATA,
    Column("issuer", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("user_id", Text, ForeignKey("users.id"), nullable=False),
    Column("created_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("issuer", "subject"),
    Index(None, "user_id"),
)
