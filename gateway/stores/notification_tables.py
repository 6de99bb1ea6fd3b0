"""The tables of notifications: the inbox, channels, what is sent to them, and how far events were looked at."""

__all__ = [
    "channels",
    "deliveries",
    "delivery_attempts",
    "inbox_marks",
    "inbox_notices",
    "inbox_reads",
    "notification_cursor",
]

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)

from gateway.stores.metadata import METADATA


def _only(condition: str) -> dict[str, Any]:
    """An index over part of the rows."""
    return {"postgresql_where": text(condition), "sqlite_where": text(condition)}


# One row, locked by whoever turns events into notices and deliveries: the last one that was looked at.
notification_cursor = Table(
    "notification_cursor",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("sequence", BigInteger, nullable=False),
)

# Under the number of its event; an account of None is the operator's own.
inbox_notices = Table(
    "inbox_notices",
    METADATA,
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("at_us", BigInteger, nullable=False),
    Column("account_id", Text),
    Column("key_id", Text),
    Column("kind", Text, nullable=False),
    # 0 for info, 1 for warning, 2 for critical: so that "at least" is a comparison.
    Column("severity", Integer, nullable=False),
    Column("title", Text, nullable=False),
    Column("text", Text, nullable=False),
    Index(None, "account_id", "sequence"),
    Index(None, "at_us"),
)

# What each reader has read: all up to a mark, and single ones behind it.
inbox_marks = Table(
    "inbox_marks",
    METADATA,
    Column("reader", Text, primary_key=True),
    Column("sequence", BigInteger, nullable=False),
)
inbox_reads = Table(
    "inbox_reads",
    METADATA,
    Column("reader", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    PrimaryKeyConstraint("reader", "sequence"),
)

# Where notifications go. Two secrets while a new one is introduced; a chat service's whole URL is one.
channels = Table(
    "channels",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("account_id", Text, ForeignKey("accounts.id")),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("url", Text),
    Column("recipients", JSON, nullable=False),
    Column("events", JSON, nullable=False),
    Column("severity", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("reason", Text),
    Column("sealed", LargeBinary),
    Column("pepper_id", Text),
    Column("old_sealed", LargeBinary),
    Column("old_ends_us", BigInteger),
    # How it went lately.
    Column("failures", BigInteger, nullable=False, server_default="0"),
    Column("failing_since_us", BigInteger),
    Column("delivered_us", BigInteger),
    # Until then nothing is sent to it: it failed a moment ago, or asked for it.
    Column("rest_us", BigInteger),
    # When something is to be sent to it, None for nothing; and who is about it, until when at the latest.
    Column("due_us", BigInteger),
    Column("claimed_by", Text),
    Column("claimed_until_us", BigInteger),
    Column("version", BigInteger, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("updated_us", BigInteger, nullable=False),
    Index(None, "created_us", "id"),
    Index(None, "account_id", "created_us", "id"),
    Index("ix_channels_due", "due_us", **_only("due_us IS NOT NULL")),
)

# One event for one channel; `body` is what is sent, the same each time. No foreign key: the log of a
# channel that is gone is cleared away later.
deliveries = Table(
    "deliveries",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("channel_id", Text, nullable=False),
    Column("account_id", Text),
    # None for a trial of the channel.
    Column("event_sequence", BigInteger),
    Column("kind", Text, nullable=False),
    Column("severity", Integer, nullable=False),
    Column("title", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    # Those since it was last sent anew, which decide how long to wait.
    Column("tries", Integer, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("give_up_us", BigInteger, nullable=False),
    Column("due_us", BigInteger, nullable=False),
    Column("finished_us", BigInteger),
    Column("status", Integer),
    Column("detail", Text),
    Index(None, "channel_id", "created_us", "id"),
    Index(None, "created_us"),
    Index("ix_deliveries_pending", "channel_id", "due_us", **_only("state = 'pending'")),
    Index(
        "ix_deliveries_once",
        "channel_id",
        "event_sequence",
        unique=True,
        **_only("event_sequence IS NOT NULL"),
    ),
)

delivery_attempts = Table(
    "delivery_attempts",
    METADATA,
    Column("delivery_id", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("duration_us", BigInteger, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("status", Integer),
    Column("detail", Text),
    PrimaryKeyConstraint("delivery_id", "number"),
)
