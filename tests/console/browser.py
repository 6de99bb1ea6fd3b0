"""A real Chromium, one for each test process, and what tests do with it."""

__all__ = ["Opened", "Opening", "chromium_path", "look_with_axe", "picture", "signed_in"]

import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from tests.console.stand import House, Person

_AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
# Where docs/console.md has its pictures; `make pictures` sets it, and without it none is made.
_PICTURES = os.environ.get("PICTURES")
_WAIT_MS = 20_000
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_OPTIONS = (
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--hide-scrollbars",
    # The same letters, whatever the machine's screen.
    "--font-render-hinting=none",
    "--force-color-profile=srgb",
)


class Opened(NamedTuple):
    """A window of somebody's: its page, and what went wrong in it so far."""

    page: Page
    context: BrowserContext
    complaints: list[str]


# `opening(house, who=None, **options)`: options are Playwright's for a context, such as `java_script_enabled`.
Opening = Callable[..., AbstractAsyncContextManager[Opened]]


def chromium_path() -> str:
    """The machine's own browser. Fails, with what to do, where there is none."""
    found = next((path for name in _NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.fail(
            "no Chromium: the console is tested in a real browser. Install the machine's own"
            " (Debian: apt-get install chromium), and see that it is in the PATH."
        )
    return found


@asynccontextmanager
async def started() -> AsyncIterator[Browser]:
    """The browser of this test process."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium_path(), args=list(_OPTIONS), timeout=60_000
        )
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def opened(
    browser: Browser,
    house: House,
    who: Person | None = None,
    **options: Any,  # noqa: ANN401 -- Playwright's
) -> AsyncIterator[Opened]:
    """A window of its own, signed in as `who`; what its pages complain about fails the test in the end."""
    settings = {
        "locale": "en-GB",
        "timezone_id": "UTC",
        # Colours then change at once, and can be measured.
        "reduced_motion": "reduce",
        **options,
    }
    context = await browser.new_context(base_url=house.url, **settings)
    context.set_default_timeout(_WAIT_MS)
    try:
        page = await context.new_page()
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(f"script: {error}"))
        page.on("console", lambda told: _note(complaints, told.type, told.text))
        if who is not None:
            await signed_in(page, house, who)
        yield Opened(page, context, complaints)
        assert complaints == []
    finally:
        await context.close()


async def signed_in(page: Page, house: House, who: Person) -> None:
    """Let the window be signed in as `who`, without the form."""
    await page.context.add_cookies([{"name": "keywright", "value": who.token, "url": house.url}])


async def look_with_axe(window: Opened) -> None:
    """Let each page that is opened from now on be looked at by axe-core. Fails, with what to do, without it."""
    if not _AXE.is_file():
        pytest.fail(
            "no axe-core: 'make test' gets it; by itself: cd tests/console && npm ci --ignore-scripts"
        )
    await window.context.add_init_script(path=_AXE)


async def picture(page: Page, name: str) -> None:
    """The page as docs/console.md shows it; nothing unless `make pictures` asks for it."""
    if _PICTURES is not None:
        path = Path(_PICTURES) / f"{name}.png"
        await page.screenshot(path=path, animations="disabled")


def _note(complaints: list[str], kind: str, text: str) -> None:
    # A page of ours that says no is no complaint; a policy that was broken is one.
    if kind == "error" and "the server responded with a status of" not in text:
        complaints.append(text)
