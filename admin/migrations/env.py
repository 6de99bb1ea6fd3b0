"""Run by Alembic for each migration; `admin.stores.migrate` opens the connection and its transaction."""

from alembic import context

from gateway.stores.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    # SQLite can take back DDL too, now that its transaction is begun by us and not by the driver.
    transactional_ddl=True,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
