"""The served console, for every test of a page."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.console.stand import House, housed
from tests.fixtures_sql import Database


@pytest.fixture
def database() -> Database:
    """Pages are tested on one database; what they ask is tested on both (tests/admin)."""
    return "sqlite"


@pytest.fixture
async def house(sql_url: str, valkey_url: str, tmp_path: Path) -> AsyncIterator[House]:
    """The console with two accounts and an admin."""
    async with housed(tmp_path, sql_url, valkey_url) as served:
        yield served
