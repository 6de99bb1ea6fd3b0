"""The control plane: users, admin tokens, the life of a key and its secrets, audit, events, repeated requests."""

import re

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_LIVE = "deleted_us IS NULL"
_SORTS = ("created_us", "name", "expires_us", "used_day")
# Name, columns, and which rows stand in it.
_KEY_INDEXES: tuple[tuple[str, tuple[str, ...], str | None], ...] = (
    ("created_us_id", ("created_us", "id"), None),
    ("account_id_created_us_id", ("account_id", "created_us", "id"), None),
    ("account_id_name_id", ("account_id", "name", "id"), None),
    ("owner_id", ("owner_id",), None),
    ("live_created_us", ("created_us", "id"), _LIVE),
    ("live_name", ("name", "id"), _LIVE),
    ("live_expires_us", ("expires_us", "id", "status", "created_us", "used_day"), _LIVE),
    ("live_used_day", ("used_day", "id"), _LIVE),
    *((f"state_{sort}", ("status", "lapsed", sort, "id"), _LIVE) for sort in _SORTS),
    *((f"deleted_{sort}", (sort, "id"), "deleted_us IS NOT NULL") for sort in _SORTS),
    ("kind", ("type", "environment"), _LIVE),
    ("environment_name", ("environment", "name", "id"), _LIVE),
    ("not_before", ("not_before_us",), "not_before_us IS NOT NULL"),
)
_WORD = re.compile(r"[^\W_]+")
_KEYS_AT_ONCE = 1000


def upgrade() -> None:
    """Make the tables and columns. What is there stays as it is: nobody owns the keys, none is known as used."""
    _people()
    _keys()
    _audit()


def _people() -> None:
    op.add_column("accounts", sa.Column("api_access_reason", sa.Text))
    op.add_column("accounts", sa.Column("api_access_us", sa.BigInteger))
    op.create_index("ix_accounts_created_us_id", "accounts", ["created_us", "id"])
    op.create_table(
        "users",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("account_id", sa.Text),
        sa.Column("scopes", sa.JSON(none_as_null=True)),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("updated_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("email", name="uq_users_email"),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name="fk_users_account_id_accounts"
        ),
    )
    is_disabled = sa.text("status != 'active'")
    op.create_index(
        "ix_users_disabled", "users", ["id"], sqlite_where=is_disabled, postgresql_where=is_disabled
    )
    op.create_index("ix_users_created_us_id", "users", ["created_us", "id"])
    op.create_index(
        "ix_users_account_id_created_us_id", "users", ["account_id", "created_us", "id"]
    )
    op.create_table(
        "admin_tokens",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("account_id", sa.Text),
        sa.Column("permissions", sa.JSON(none_as_null=True)),
        sa.Column("token_hash", sa.Text, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("expires_us", sa.BigInteger),
        sa.Column("revoked_us", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_admin_tokens"),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name="fk_admin_tokens_account_id_accounts"
        ),
    )
    op.create_index("ix_admin_tokens_created_us_id", "admin_tokens", ["created_us", "id"])


def _keys() -> None:
    # In words of its own: with SQLite, Alembic adds no column that refers to another table.
    op.execute(
        "ALTER TABLE keys ADD COLUMN owner_id TEXT"
        " CONSTRAINT fk_keys_owner_id_users REFERENCES users (id)"
    )
    op.add_column("keys", sa.Column("used_day", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("keys", sa.Column("deleted_us", sa.BigInteger))
    op.drop_index("ix_keys_account_id", "keys")
    op.add_column("keys", sa.Column("words", sa.Text, nullable=False, server_default=""))
    op.add_column(
        "keys", sa.Column("lapsed", sa.Boolean, nullable=False, server_default=sa.false())
    )
    op.create_table(
        "key_words",
        sa.Column("word", sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")),
        sa.Column("name", sa.Text),
        sa.Column("key_id", sa.Text),
        sa.PrimaryKeyConstraint("word", "name", "key_id", name="pk_key_words"),
        sqlite_with_rowid=False,
    )
    _find_words()
    for name, columns, only in _KEY_INDEXES:
        where = None if only is None else sa.text(only)
        op.create_index(
            f"ix_keys_{name}", "keys", list(columns), sqlite_where=where, postgresql_where=where
        )
    op.add_column("secrets", sa.Column("replaced_us", sa.BigInteger))
    op.add_column(
        "secrets",
        sa.Column("until_unused", sa.Boolean, nullable=False, server_default=sa.false()),
    )
    goes_on = sa.text("until_unused")
    op.create_index(
        "ix_secrets_until_unused", "secrets", ["id"], sqlite_where=goes_on, postgresql_where=goes_on
    )
    op.create_table(
        "secret_uses",
        sa.Column("secret_id", sa.Text, nullable=False),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("route", sa.Text),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("secret_id", name="pk_secret_uses"),
    )
    op.create_index("ix_secret_uses_key_id", "secret_uses", ["key_id"])
    op.create_table(
        "imported_digests",
        sa.Column("pepper_id", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("secret_id", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("pepper_id", "digest", name="pk_imported_digests"),
        sa.ForeignKeyConstraint(
            ["secret_id"], ["secrets.id"], name="fk_imported_digests_secret_id_secrets"
        ),
    )
    op.create_index("ix_imported_digests_secret_id", "imported_digests", ["secret_id"])


def _find_words() -> None:
    """Make the keys that are there searchable."""
    keys = sa.table("keys", sa.column("id"), sa.column("name"), sa.column("words"))
    key_words = sa.table("key_words", sa.column("word"), sa.column("name"), sa.column("key_id"))
    connection = op.get_bind()
    change = (
        sa.update(keys)
        .where(keys.c.id == sa.bindparam("key_id"))
        .values(words=sa.bindparam("its_words"))
    )
    last = ""
    chosen = sa.select(keys.c.id, keys.c.name).order_by(keys.c.id).limit(_KEYS_AT_ONCE)
    while rows := connection.execute(chosen.where(keys.c.id > last)).all():
        found = {row.id: dict.fromkeys(_WORD.findall(row.name.casefold())) for row in rows}
        connection.execute(
            change,
            [{"key_id": id_, "its_words": "".join(f" {w}" for w in found[id_])} for id_ in found],
        )
        made = [
            {"word": word, "name": row.name, "key_id": row.id}
            for row in rows
            for word in found[row.id]
        ]
        if made:
            connection.execute(sa.insert(key_words), made)
        last = rows[-1].id
    op.execute(
        "INSERT INTO key_words (word, name, key_id) SELECT '=' || id, '', key_id FROM secrets"
    )


def _audit() -> None:
    op.create_table(
        "audit_entries",
        sa.Column("sequence", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("actor_kind", sa.Text, nullable=False),
        sa.Column("actor_id", sa.Text, nullable=False),
        sa.Column("actor_name", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("target_kind", sa.Text, nullable=False),
        sa.Column("target_id", sa.Text, nullable=False),
        sa.Column("account_id", sa.Text),
        sa.Column("before", sa.Text),
        sa.Column("after", sa.Text),
        sa.Column("hash", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_audit_entries"),
    )
    op.create_index(
        "ix_audit_entries_account_id_sequence", "audit_entries", ["account_id", "sequence"]
    )
    op.create_index(
        "ix_audit_entries_target_id_sequence", "audit_entries", ["target_id", "sequence"]
    )
    head = op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.Column("event_sequence", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_head"),
    )
    op.bulk_insert(head, [{"id": 1, "sequence": 0, "hash": "", "event_sequence": 0}])
    op.create_table(
        "events",
        sa.Column("sequence", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("account_id", sa.Text),
        sa.Column("key_id", sa.Text),
        sa.Column("data", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_events"),
    )
    op.create_index("ix_events_account_id_sequence", "events", ["account_id", "sequence"])
    op.create_table(
        "idempotency",
        sa.Column("caller", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("target_id", sa.Text, nullable=False),
        sa.Column("sealed", sa.LargeBinary),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("caller", "key", name="pk_idempotency"),
    )
    op.create_index("ix_idempotency_created_us", "idempotency", ["created_us"])


def downgrade() -> None:
    """Back to keys without owners and rotations; users, tokens, audit and imported values are lost."""
    for table in (
        "idempotency",
        "events",
        "audit_head",
        "audit_entries",
        "imported_digests",
        "secret_uses",
    ):
        op.drop_table(table)
    for name, _, _ in _KEY_INDEXES:
        op.drop_index(f"ix_keys_{name}", "keys")
    op.drop_table("key_words")
    op.create_index("ix_keys_account_id", "keys", ["account_id"])
    # No batch, which copies the table and drops it: with SQLite, the rows that refer to it stand in the way.
    op.drop_index("ix_secrets_until_unused", "secrets")
    op.drop_column("secrets", "until_unused")
    op.drop_column("secrets", "replaced_us")
    op.drop_column("keys", "lapsed")
    op.drop_column("keys", "words")
    op.drop_column("keys", "deleted_us")
    op.drop_column("keys", "used_day")
    op.drop_column("keys", "owner_id")
    op.drop_table("admin_tokens")
    op.drop_table("users")
    op.drop_index("ix_accounts_created_us_id", "accounts")
    op.drop_column("accounts", "api_access_us")
    op.drop_column("accounts", "api_access_reason")
