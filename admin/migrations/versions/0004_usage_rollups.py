"""Usage by day, and its roll-ups.

Records get an id in the order in which they come in, in PostgreSQL a partition for each day. What is in SQL already is
told by a number for each worker, no longer by a unique key that every record had to be looked up in.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_DAY_US = 86_400_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_KEPT = (
    "at_us, key_id, account_id, secret_id, route, method, path, status, outcome, bytes_in, bytes_out,"
    " duration_us, address, request_id"
)


def upgrade() -> None:
    """Make the tables and bring all records over; their sums, too, but without latencies."""
    _make_tables()
    op.execute(
        "INSERT INTO usage_positions (worker, next_sequence, at_us)"
        " SELECT worker, max(sequence) + 1, max(at_us) FROM usage_records GROUP BY worker"
    )
    for step in (60, 3600, 86_400):
        _sum_up(step, "coalesce(key_id, '')", "coalesce(account_id, '')", "key_id IS NOT NULL")
        _sum_up(step, "''", "account_id", "account_id IS NOT NULL")
        _sum_up(step, "''", "''", "1 = 1")
    op.rename_table("usage_records", "usage_records_before")
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    if is_postgresql:
        op.execute("ALTER TABLE usage_records_before DROP CONSTRAINT pk_usage_records")
    op.drop_index("ix_usage_records_key_id_at_us", "usage_records_before")
    _make_records()
    if is_postgresql:
        _divide("usage_records_before")
    op.execute(
        f"INSERT INTO usage_records ({_KEPT})"  # noqa: S608 -- names of our own
        f" SELECT {_KEPT} FROM usage_records_before ORDER BY at_us"
    )
    op.drop_table("usage_records_before")


def downgrade() -> None:
    """Back to records alone, numbered anew: a worker whose records were here is not told from another any more."""
    op.rename_table("usage_records", "usage_records_after")
    op.drop_index("ix_usage_records_key_id_at_us", "usage_records_after")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE usage_records_after DROP CONSTRAINT pk_usage_records")
    op.create_table(
        "usage_records",
        sa.Column("worker", sa.Text, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        *_columns(),
        sa.PrimaryKeyConstraint("worker", "sequence", name="pk_usage_records"),
    )
    op.create_index("ix_usage_records_key_id_at_us", "usage_records", ["key_id", "at_us"])
    op.execute(
        f"INSERT INTO usage_records (worker, sequence, {_KEPT})"  # noqa: S608 -- names of our own
        f" SELECT 'before', id, {_KEPT} FROM usage_records_after"
    )
    for table in ("usage_records_after", "usage_positions", "usage_rollups"):
        op.drop_table(table)


def _make_tables() -> None:
    op.create_table(
        "usage_rollups",
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("account_id", sa.Text, nullable=False),
        sa.Column("step_seconds", sa.Integer, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("route", sa.Text, nullable=False),
        sa.Column("status_class", sa.Integer, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("requests", sa.BigInteger, nullable=False),
        sa.Column("bytes_in", sa.BigInteger, nullable=False),
        sa.Column("bytes_out", sa.BigInteger, nullable=False),
        sa.Column("duration_us", sa.BigInteger, nullable=False),
        sa.Column("sketch", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint(
            "key_id",
            "account_id",
            "step_seconds",
            "at",
            "route",
            "status_class",
            "outcome",
            name="pk_usage_rollups",
        ),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_usage_rollups_step_seconds_at", "usage_rollups", ["step_seconds", "at"])
    op.create_table(
        "usage_positions",
        sa.Column("worker", sa.Text, nullable=False),
        sa.Column("next_sequence", sa.BigInteger, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("worker", name="pk_usage_positions"),
    )


def _sum_up(step: int, key_id: str, account_id: str, condition: str) -> None:
    # Whole numbers of either database divide downwards for what came after 1970.
    begin = f"at_us / {step * 1_000_000} * {step}"
    empty = "''" if op.get_bind().dialect.name == "postgresql" else "x''"
    op.execute(
        "INSERT INTO usage_rollups (key_id, account_id, step_seconds, at, route, status_class, outcome,"  # noqa: S608 -- our own
        " requests, bytes_in, bytes_out, duration_us, sketch)"
        f" SELECT {key_id}, {account_id}, {step}, {begin}, coalesce(route, ''), status / 100, outcome,"
        f" count(*), sum(bytes_in), sum(bytes_out), sum(duration_us), {empty}"
        f" FROM usage_records WHERE {condition} GROUP BY 1, 2, 4, 5, 6, 7"
    )


def _make_records() -> None:
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    keys = () if is_postgresql else (sa.PrimaryKeyConstraint("id", name="pk_usage_records"),)
    op.create_table(
        "usage_records",
        sa.Column("id", number, sa.Identity(), nullable=False, autoincrement=True),
        *_columns(),
        *keys,
        postgresql_partition_by="RANGE (at_us)",
        sqlite_autoincrement=True,
    )
    if is_postgresql:
        op.execute(
            "ALTER TABLE usage_records ADD CONSTRAINT pk_usage_records PRIMARY KEY (id, at_us)"
        )
    op.create_index("ix_usage_records_key_id_at_us", "usage_records", ["key_id", "at_us"])


def _columns() -> tuple[sa.Column[Any], ...]:
    return (
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
    )


def _divide(table: str) -> None:
    days = op.get_bind().execute(sa.text(f"SELECT DISTINCT at_us / {_DAY_US} FROM {table}"))  # noqa: S608
    for (day,) in days.all():
        op.execute(
            f"CREATE TABLE usage_records_{_EPOCH + timedelta(days=day):%Y%m%d} PARTITION OF usage_records"
            f" FOR VALUES FROM ({day * _DAY_US}) TO ({(day + 1) * _DAY_US})"
        )
