"""Run by Alembic for each migration; `admin.stores.migrate` opens the connection, and one transaction around all."""

from alembic import context

from admin.migrations.metadata import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
)
with context.begin_transaction():
    context.run_migrations()
