"""What the tests of keys share."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.admin.keys.stand import KeyStand


@pytest.fixture
def stand(sql_engine: AsyncEngine) -> KeyStand:
    """The services on a real database."""
    return KeyStand(sql_engine)
