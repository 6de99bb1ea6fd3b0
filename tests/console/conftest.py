"""The served console, for every test of a page; a browser that is shared, and windows that are not."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.console.browser import Opening, opened, started
from tests.console.stand import House, housed
from tests.fixtures_sql import Database


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All on one loop: a browser cannot be handed from one to another."""
    for item in items:
        if Path(__file__).parent in item.path.parents and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture
def database() -> Database:
    """Pages are tested on one database; what they ask is tested on both (tests/admin)."""
    return "sqlite"


@pytest_asyncio.fixture(loop_scope="session")
async def house(sql_url: str, valkey_url: str, tmp_path: Path) -> AsyncIterator[House]:
    """The console with two accounts and an admin."""
    async with housed(tmp_path, sql_url, valkey_url) as served:
        yield served


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Chromium, started when the first test wants it."""
    async with started() as running:
        yield running


@pytest.fixture
def opening(browser: Browser, house: House) -> Opening:
    """Opens a window: `async with opening(who) as window`, with Playwright's options for a context."""
    return partial(opened, browser, house)
