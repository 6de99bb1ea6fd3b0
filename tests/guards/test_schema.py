"""The gateway's idea of the schema and the revisions that make it are one."""

from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

import admin
from admin.migrations.metadata import METADATA
from gateway.stores.schema import REVISIONS


def test_gateway_knows_every_revision_in_order() -> None:
    """A gateway never takes an older database for a newer one, or a present one for an older."""
    config = Config()
    scripts = Path(str(admin.__file__)).parent / "migrations"
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    made = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]

    assert tuple(reversed(made)) == REVISIONS


def differences(connection: Connection) -> list[object]:
    """What Alembic would still change."""
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(context, METADATA))


async def test_revisions_make_the_tables_that_are_used(sql_engine: AsyncEngine) -> None:
    """Every column that the code names is there after a migration, on either database."""
    async with sql_engine.connect() as connection:
        assert await connection.run_sync(differences) == []
