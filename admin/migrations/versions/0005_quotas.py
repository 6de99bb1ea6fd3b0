"""Quotas of accounts, and raises of them."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "quota_months",
        sa.Column("account_id", sa.Text, nullable=False),
        sa.Column("month", sa.Text, nullable=False),
        sa.Column("set_aside", sa.BigInteger, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("unsettled_us", sa.BigInteger),
        sa.Column("direct_us", sa.BigInteger),
        sa.Column("updated_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "month", name="pk_quota_months"),
    )
    op.create_index("ix_quota_months_month_unsettled_us", "quota_months", ["month", "unsettled_us"])
    op.create_table(
        "quota_raises",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("account_id", sa.Text, nullable=False),
        sa.Column("requests", sa.BigInteger, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("until_us", sa.BigInteger, nullable=False),
        sa.Column("ended_us", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_quota_raises"),
    )
    op.create_index(
        "ix_quota_raises_account_id_until_us", "quota_raises", ["account_id", "until_us"]
    )
    op.create_table(
        "quota_nodes",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("shipped_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_quota_nodes"),
    )


def downgrade() -> None:
    """Take them away."""
    op.drop_table("quota_nodes")
    op.drop_table("quota_raises")
    op.drop_table("quota_months")
