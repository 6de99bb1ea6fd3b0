"""Passwords, second factors and sign-ins of the console."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_TABLES = (
    "console_passwords",
    "console_second_factors",
    "console_recovery_codes",
    "console_sign_ins",
    "console_links",
    "console_identities",
)


def upgrade() -> None:
    """Make the tables. Nobody has a password yet: a set-up link makes the first one who has."""
    _proofs()
    _sign_ins()
    op.create_table(
        "console_links",
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("expires_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_console_links"),
        _of_a_user("console_links"),
    )
    op.create_index("ix_console_links_user_id", "console_links", ["user_id"])
    op.create_table(
        "console_identities",
        sa.Column("issuer", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("issuer", "subject", name="pk_console_identities"),
        _of_a_user("console_identities"),
    )
    op.create_index("ix_console_identities_user_id", "console_identities", ["user_id"])


def downgrade() -> None:
    """Take them away: everybody is signed out, and nobody has a password any more."""
    for table in reversed(_TABLES):
        op.drop_table(table)


def _proofs() -> None:
    op.create_table(
        "console_passwords",
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("password_hash", sa.Text, nullable=False),
        sa.Column("changed_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_console_passwords"),
        _of_a_user("console_passwords"),
    )
    op.create_table(
        "console_second_factors",
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("confirmed_us", sa.BigInteger),
        sa.Column("used_step", sa.BigInteger, nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("user_id", name="pk_console_second_factors"),
        _of_a_user("console_second_factors"),
    )
    op.create_table(
        "console_recovery_codes",
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "digest", name="pk_console_recovery_codes"),
        _of_a_user("console_recovery_codes"),
    )


def _sign_ins() -> None:
    op.create_table(
        "console_sign_ins",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("method", sa.Text, nullable=False),
        sa.Column("rights", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("agent", sa.Text, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("seen_us", sa.BigInteger, nullable=False),
        sa.Column("proved_us", sa.BigInteger, nullable=False),
        sa.Column("expires_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_console_sign_ins"),
        sa.UniqueConstraint("digest", name="uq_console_sign_ins_digest"),
        _of_a_user("console_sign_ins"),
    )
    op.create_index(
        "ix_console_sign_ins_user_id_created_us", "console_sign_ins", ["user_id", "created_us"]
    )
    op.create_index("ix_console_sign_ins_expires_us", "console_sign_ins", ["expires_us"])


def _of_a_user(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=f"fk_{table}_user_id_users")
