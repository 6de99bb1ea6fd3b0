"""What accounts want to be warned of, and what they were warned of."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables, and an index that finds secrets as they grow old."""
    op.create_table(
        "alert_choices",
        sa.Column("account_id", sa.Text, nullable=False),
        sa.Column("thresholds", sa.JSON(none_as_null=True)),
        sa.Column("switches", sa.JSON, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("updated_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("account_id", name="pk_alert_choices"),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name="fk_alert_choices_account_id_accounts"
        ),
    )
    op.create_table(
        "alert_states",
        sa.Column("account_id", sa.Text, nullable=False),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("rule", sa.Text, nullable=False),
        sa.Column("period", sa.Text, nullable=False),
        sa.Column("step", sa.BigInteger),
        sa.Column("seen_us", sa.BigInteger, nullable=False),
        sa.Column("told_us", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("severity", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("facts", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("key_id", "account_id", "rule", name="pk_alert_states"),
    )
    stands = sa.text("step IS NOT NULL")
    op.create_index(
        "ix_alert_states_standing",
        "alert_states",
        ["told_us", "key_id", "account_id", "rule"],
        sqlite_where=stands,
        postgresql_where=stands,
    )
    op.create_index("ix_alert_states_account", "alert_states", ["account_id", "told_us"])
    op.create_table(
        "alert_marks",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("place", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_alert_marks"),
    )
    op.create_table(
        "key_networks",
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("network", sa.Text, nullable=False),
        sa.Column("first_us", sa.BigInteger, nullable=False),
        sa.Column("last_us", sa.BigInteger, nullable=False),
        sa.Column("is_learned", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("key_id", "network", name="pk_key_networks"),
    )
    op.create_index("ix_secrets_created_us_id", "secrets", ["created_us", "id"])


def downgrade() -> None:
    """Take them away: what accounts have chosen, and what they were told, is lost."""
    op.drop_index("ix_secrets_created_us_id", "secrets")
    for table in ("key_networks", "alert_marks", "alert_states", "alert_choices"):
        op.drop_table(table)
