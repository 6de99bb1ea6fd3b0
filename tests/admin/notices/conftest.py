"""A receiver, and a node that sends to it."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.services.accounts import AccountView
from tests.admin.notices.stand import Receiver, Stand, receiving, sending
from tests.admin.world import OPERATOR, World


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A real HTTP server."""
    async with receiving() as opened:
        yield opened


@pytest.fixture
async def stand(sql_engine: AsyncEngine) -> AsyncIterator[Stand]:
    """A node on a real database, on either kind."""
    async with sending() as senders:
        yield Stand(sql_engine, senders)


@pytest.fixture
async def account(sql_engine: AsyncEngine) -> AccountView:
    """Somebody's account."""
    return await World(sql_engine).accounts.create(OPERATOR, "Ada")
