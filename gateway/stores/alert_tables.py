"""The tables of alerts: what accounts want to be told, what they were told, and how far was looked."""

__all__ = ["alert_choices", "alert_marks", "alert_states", "key_networks"]

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)

from gateway.stores.metadata import METADATA

_STANDS = "step IS NOT NULL"

# One row for an account that has chosen; thresholds of None are the default ones.
alert_choices = Table(
    "alert_choices",
    METADATA,
    Column("account_id", Text, ForeignKey("accounts.id"), primary_key=True),
    Column("thresholds", JSON(none_as_null=True)),
    Column("switches", JSON, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("updated_us", BigInteger, nullable=False),
)

# One ladder each (admin/core/alerts/ladder.py), with the alert that was told last. A key of '' is the account's own.
alert_states = Table(
    "alert_states",
    METADATA,
    Column("account_id", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("period", Text, nullable=False),
    Column("step", BigInteger),
    Column("seen_us", BigInteger, nullable=False),
    Column("told_us", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("facts", JSON, nullable=False),
    PrimaryKeyConstraint("key_id", "account_id", "rule"),
    Index(
        "ix_alert_states_standing",
        "told_us",
        "key_id",
        "account_id",
        "rule",
        postgresql_where=text(_STANDS),
        sqlite_where=text(_STANDS),
    ),
    Index("ix_alert_states_account", "account_id", "told_us"),
)

# How far each kind of looking has come; `place` is an id among equals.
alert_marks = Table(
    "alert_marks",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("place", Text, nullable=False),
)

# Where a key was used from: so many networks at most, the latest and the very first.
key_networks = Table(
    "key_networks",
    METADATA,
    Column("key_id", Text, nullable=False),
    Column("network", Text, nullable=False),
    Column("first_us", BigInteger, nullable=False),
    Column("last_us", BigInteger, nullable=False),
    Column("is_learned", Boolean, nullable=False),
    PrimaryKeyConstraint("key_id", "network"),
)
