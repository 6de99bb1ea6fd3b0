"""The served admin API, once on SQLite and once on PostgreSQL."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.admin.api.stand import Api, serving


@pytest.fixture
async def api(sql_url: str, valkey_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    """The API with an admin, and nothing else in the database."""
    async with serving(tmp_path, sql_url, valkey_url) as served:
        yield served
