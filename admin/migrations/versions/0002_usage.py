"""Usage: one row for each finished request, and counts of refusals without a key."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables; accounts and keys are not touched."""
    op.create_table(
        "usage_records",
        sa.Column("worker", sa.Text, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("key_id", sa.Text),
        sa.Column("account_id", sa.Text),
        sa.Column("secret_id", sa.Text),
        sa.Column("route", sa.Text),
        sa.Column("method", sa.Text, nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("bytes_in", sa.BigInteger, nullable=False),
        sa.Column("bytes_out", sa.BigInteger, nullable=False),
        sa.Column("duration_us", sa.BigInteger, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("worker", "sequence", name="pk_usage_records"),
    )
    op.create_index("ix_usage_records_key_id_at_us", "usage_records", ["key_id", "at_us"])
    op.create_table(
        "refused_requests",
        sa.Column("minute", sa.BigInteger, nullable=False),
        sa.Column("worker", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("minute", "worker", "outcome", name="pk_refused_requests"),
    )


def downgrade() -> None:
    """Back to a database without usage; what was recorded is lost."""
    op.drop_table("refused_requests")
    op.drop_table("usage_records")
