"""Alerts on both databases."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.admin.alerts.stand import Stand


@pytest.fixture
def stand(sql_engine: AsyncEngine) -> Stand:
    """Nobody has chosen anything yet."""
    return Stand(sql_engine)


@pytest.fixture
async def account(stand: Stand) -> str:
    """The id of somebody's account."""
    await stand.run(
        "INSERT INTO accounts (id, name, plan, status, api_access, version, created_us, updated_us)"
        " VALUES ('acc_1', 'Example GmbH', 'starter', 'active', 'approved', 1, 1, 1)"
    )
    return "acc_1"
