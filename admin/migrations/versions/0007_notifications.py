"""The inbox, and where notifications are sent."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_IS_PENDING = sa.text("state = 'pending'")
_IS_DUE = sa.text("due_us IS NOT NULL")
_HAS_EVENT = sa.text("event_sequence IS NOT NULL")


def upgrade() -> None:
    """Make the tables. Events that are there already are told to nobody: they are old news."""
    cursor = op.create_table(
        "notification_cursor",
        sa.Column("id", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_notification_cursor"),
    )
    told = op.get_bind().scalar(sa.text("SELECT max(event_sequence) FROM audit_head"))
    op.bulk_insert(cursor, [{"id": 1, "sequence": told or 0}])
    _inbox()
    _channels()
    _deliveries()


def _inbox() -> None:
    op.create_table(
        "inbox_notices",
        sa.Column("sequence", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("account_id", sa.Text),
        sa.Column("key_id", sa.Text),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("severity", sa.Integer, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_inbox_notices"),
    )
    op.create_index(
        "ix_inbox_notices_account_id_sequence", "inbox_notices", ["account_id", "sequence"]
    )
    op.create_index("ix_inbox_notices_at_us", "inbox_notices", ["at_us"])
    op.create_table(
        "inbox_marks",
        sa.Column("reader", sa.Text, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("reader", name="pk_inbox_marks"),
    )
    op.create_table(
        "inbox_reads",
        sa.Column("reader", sa.Text, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("reader", "sequence", name="pk_inbox_reads"),
    )


def _channels() -> None:
    op.create_table(
        "channels",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("account_id", sa.Text),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("url", sa.Text),
        sa.Column("recipients", sa.JSON, nullable=False),
        sa.Column("events", sa.JSON, nullable=False),
        sa.Column("severity", sa.Integer, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("sealed", sa.LargeBinary),
        sa.Column("pepper_id", sa.Text),
        sa.Column("old_sealed", sa.LargeBinary),
        sa.Column("old_ends_us", sa.BigInteger),
        sa.Column("failures", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("failing_since_us", sa.BigInteger),
        sa.Column("delivered_us", sa.BigInteger),
        sa.Column("rest_us", sa.BigInteger),
        sa.Column("due_us", sa.BigInteger),
        sa.Column("claimed_by", sa.Text),
        sa.Column("claimed_until_us", sa.BigInteger),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("updated_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_channels"),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name="fk_channels_account_id_accounts"
        ),
    )
    op.create_index("ix_channels_created_us_id", "channels", ["created_us", "id"])
    op.create_index(
        "ix_channels_account_id_created_us_id", "channels", ["account_id", "created_us", "id"]
    )
    op.create_index(
        "ix_channels_due", "channels", ["due_us"], sqlite_where=_IS_DUE, postgresql_where=_IS_DUE
    )


def _deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("channel_id", sa.Text, nullable=False),
        sa.Column("account_id", sa.Text),
        sa.Column("event_sequence", sa.BigInteger),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("severity", sa.Integer, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("give_up_us", sa.BigInteger, nullable=False),
        sa.Column("due_us", sa.BigInteger, nullable=False),
        sa.Column("finished_us", sa.BigInteger),
        sa.Column("status", sa.Integer),
        sa.Column("detail", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
    )
    op.create_index(
        "ix_deliveries_channel_id_created_us_id", "deliveries", ["channel_id", "created_us", "id"]
    )
    op.create_index("ix_deliveries_created_us", "deliveries", ["created_us"])
    op.create_index(
        "ix_deliveries_pending",
        "deliveries",
        ["channel_id", "due_us"],
        sqlite_where=_IS_PENDING,
        postgresql_where=_IS_PENDING,
    )
    op.create_index(
        "ix_deliveries_once",
        "deliveries",
        ["channel_id", "event_sequence"],
        unique=True,
        sqlite_where=_HAS_EVENT,
        postgresql_where=_HAS_EVENT,
    )
    op.create_table(
        "delivery_attempts",
        sa.Column("delivery_id", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("duration_us", sa.BigInteger, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("detail", sa.Text),
        sa.PrimaryKeyConstraint("delivery_id", "number", name="pk_delivery_attempts"),
    )


def downgrade() -> None:
    """Take them away, with every channel and the inbox."""
    for table in (
        "delivery_attempts",
        "deliveries",
        "channels",
        "inbox_reads",
        "inbox_marks",
        "inbox_notices",
        "notification_cursor",
    ):
        op.drop_table(table)
