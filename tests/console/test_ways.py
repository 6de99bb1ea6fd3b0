"""The whole ways of people, in a real browser against a whole gateway: from nothing to a key and its end."""

import asyncio
import contextlib
import re
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from playwright.async_api import Browser, expect
from playwright.async_api import Page as Tab

from admin.core.caller import Role
from admin.services.catalogue import Services
from admin.services.users import NewUser
from tests.console.browser import picture
from tests.console.stand import PASSWORD
from tests.fixtures_gateway import OPERATOR, Gateway, NewSite, Site, free_port

_LONG_MS = 30_000
RECEIPT = r"Enforced on (\d+) of \1 workers? in \d+ ms"


@dataclass(frozen=True)
class Stage:
    """A whole gateway, the links by which an admin and a customer get in, and the customer's account."""

    site: Site
    gateway: Gateway
    set_up: str
    invitation: str

    async def status(self, token: str) -> int:
        """What the proxy says to this key."""
        return (await asyncio.to_thread(self.gateway.ask, "GET", "/pub/x", token)).status


async def staged(new_site: NewSite) -> Stage:
    """The gateway of somebody who wants every account to request access."""
    site = new_site(
        listen={"host": "127.0.0.1", "port": free_port()},
        accounts={"default_plan": "starter", "default_api_access": "disabled"},
    )
    gateway = await asyncio.to_thread(site.start, whole=True)
    account = site.operator.account

    async def links(services: Services) -> tuple[str, str]:
        new = NewUser("lin@example.com", "Lin", Role.MEMBER, account)
        user = await services.users.create(OPERATOR, new)
        entry = services.console.entry_links
        invited = await entry.invite(OPERATOR, user.id)
        return str(await entry.to_set_up()), invited.token

    set_up, invitation = await asyncio.to_thread(site.operator.act, links)
    return Stage(site, gateway, set_up, invitation)


@contextlib.asynccontextmanager
async def window(browser: Browser, stage: Stage, *, has_scripts: bool) -> AsyncIterator[Tab]:
    """Somebody's own window."""
    context = await browser.new_context(
        base_url=stage.gateway.admin_url,
        java_script_enabled=has_scripts,
        locale="en-GB",
        timezone_id="UTC",
        reduced_motion="reduce",
        permissions=["clipboard-read", "clipboard-write"],
    )
    context.set_default_timeout(_LONG_MS)
    try:
        yield await context.new_page()
    finally:
        await context.close()


async def press(tab: Tab, name: str) -> None:
    """Press the button of this name."""
    await tab.get_by_role("button", name=name).first.click()


async def go(tab: Tab, name: str) -> None:
    """Follow the link of this name."""
    await tab.get_by_role("link", name=name, exact=True).first.click()


async def says(tab: Tab, words: str | re.Pattern[str]) -> None:
    """Wait until the page says so."""
    await expect(tab.locator("main")).to_contain_text(words, timeout=_LONG_MS)


async def until_said(tab: Tab, words: str | re.Pattern[str]) -> None:
    """Load the page again until it says so: usage is written a moment after the answer."""
    async with asyncio.timeout(_LONG_MS / 1000):
        while True:
            told = await tab.locator("main").inner_text()
            if re.search(words, told):
                return
            await tab.reload()


async def operator_sets_up(tab: Tab, stage: Stage) -> None:
    """The first admin gets in by the printed link."""
    await tab.goto(f"/set-up/{stage.set_up}")
    await tab.get_by_label("Your name").fill("Grace")
    await tab.get_by_label("Your e-mail address").fill("grace@example.com")
    await tab.get_by_label("A password").fill(PASSWORD)
    await tab.get_by_label("The password again").fill(PASSWORD)
    await press(tab, "Set up")
    await says(tab, "The console is set up")


async def customer_gets_in(tab: Tab, stage: Stage) -> None:
    """A customer chooses a password by the link they were sent."""
    await tab.goto(f"/invited/{stage.invitation}")
    for label in ("A password", "The password again"):
        await tab.get_by_label(label).fill(PASSWORD)
    await tab.locator("main button[type=submit]").first.click()
    await tab.get_by_label("E-mail address").fill("lin@example.com")
    await tab.get_by_label("Password").fill(PASSWORD)
    await press(tab, "Sign in")
    await says(tab, "Lin")


async def secret_on(tab: Tab, *, has_scripts: bool) -> str:
    """The new secret, as its reader takes it: by the copy button, or out of the page."""
    await says(tab, "This page is shown once")
    if not has_scripts:
        await tab.locator("noscript summary").first.click()
        return await tab.locator("noscript code").first.inner_text(timeout=_LONG_MS)
    await expect(tab.locator("#secret")).to_contain_text("•")
    await tab.get_by_role("button", name="Copy the key").click()
    await expect(tab.get_by_role("button", name="Copied")).to_be_visible()
    return str(await tab.evaluate("navigator.clipboard.readText()"))


def run_curl(snippet: str) -> str:
    """What the pasted command prints."""
    done = subprocess.run(
        ["sh", "-c", snippet], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@dataclass(frozen=True)
class Customer:
    """A customer at their browser, and what they go through; each step fails where the page or the proxy does."""

    stage: Stage
    tab: Tab
    has_scripts: bool

    async def asks_for_access(self) -> None:
        """From the invitation to the request."""
        tab = self.tab
        await customer_gets_in(tab, self.stage)
        await go(tab, "API access")
        await says(tab, "API Access is currently disabled on your account.")
        await picture(tab, "access")
        await tab.get_by_label("What do you want it for?").fill("our DNS zones")
        await press(tab, "Request API Access")
        await says(tab, "Requested")

    async def makes_a_key(self) -> str:
        """Its secret, which a call with the page's own snippet has proved, and which the page does not show again."""
        tab = self.tab
        await tab.reload()
        await says(tab, "The endpoint")
        await go(tab, "Create the first key")
        await tab.get_by_label("Name", exact=True).fill("live-dns-sync")
        await tab.get_by_label("Read-Only").check()
        await press(tab, "Create the key")
        secret = await secret_on(tab, has_scripts=self.has_scripts)
        await tab.locator("summary", has_text="curl").click()
        answer = run_curl(await tab.locator("#snippet-curl").inner_text())
        assert "200" in answer.splitlines()[0]
        await tab.reload()
        await says(tab, "This secret is not shown again")
        return secret

    async def sees_the_call(self) -> None:
        """The line in the log of the key."""
        tab = self.tab
        await go(tab, "Go to the keys")
        await go(tab, "live-dns-sync")
        await go(tab, "Requests")
        await until_said(tab, r"GET /pub/\s[\s\S]*Served")

    async def rotates(self, old: str) -> str:
        """The new secret; both work until the old one, of which the page tells who uses it, is ended."""
        tab, stage = self.tab, self.stage
        await go(tab, "Overview")
        await go(tab, "Rotate")
        await press(tab, "Make the new secret")
        new = await secret_on(tab, has_scripts=self.has_scripts)
        assert new != old
        assert [await stage.status(one) for one in (old, new)] == [200, 200]
        await go(tab, "I have it: go to the key")
        await go(tab, "Who still uses it?")
        await until_said(tab, r"127\.0\.0\.1")
        await press(tab, "End the old secret now")
        await says(tab, re.compile(rf"The old secret has ended\. {RECEIPT}"))
        assert [await stage.status(one) for one in (old, new)] == [401, 200]
        return new

    async def revokes(self, secret: str) -> None:
        """With a page that says what stops, and a receipt that says that it has."""
        tab = self.tab
        await go(tab, "Overview")
        await go(tab, "Revoke")
        await says(tab, "That stops.")
        await press(tab, "Revoke the key")
        await says(tab, re.compile(rf"is revoked\. {RECEIPT}"))
        assert await self.stage.status(secret) == 401


async def operator_approves(tab: Tab, stage: Stage) -> None:
    """The operator's way: set up, find who waits, and why, and let them in."""
    await operator_sets_up(tab, stage)
    await tab.goto("/")
    await go(tab, "Requests for access")
    await says(tab, "our DNS zones")
    await press(tab, "Approve")
    await says(tab, "API access is on")


@pytest.mark.parametrize("has_scripts", [True, False], ids=["scripts", "no-scripts"])
async def test_the_customers_way(new_site: NewSite, browser: Browser, *, has_scripts: bool) -> None:
    """Request access, be approved, make a key, call with it, see the line, rotate, end the old, revoke: all of it
    works in the browser, with scripts and without, and counts at the proxy at once.
    """
    stage = await staged(new_site)
    async with (
        window(browser, stage, has_scripts=has_scripts) as admin,
        window(browser, stage, has_scripts=has_scripts) as tab,
    ):
        customer = Customer(stage, tab, has_scripts)
        await customer.asks_for_access()
        await operator_approves(admin, stage)
        first = await customer.makes_a_key()
        await customer.sees_the_call()
        second = await customer.rotates(first)
        await customer.revokes(second)


async def test_a_key_is_made_with_the_keyboard_alone(new_site: NewSite, browser: Browser) -> None:
    """Who uses no pointer comes from the menu to a new secret by Tab, Space and Enter."""
    stage = await staged(new_site)
    async with window(browser, stage, has_scripts=True) as tab:
        await operator_sets_up(tab, stage)
        await tab.goto(f"/keys/new?account={stage.site.operator.account}")
        await reach(tab, "name")
        await tab.keyboard.type("live-billing-invoices")
        await reach(tab, "scopes")
        await tab.keyboard.press("Space")
        await tab.keyboard.press("Enter")
        await says(tab, "This page is shown once")

        for _ in range(30):
            await tab.keyboard.press("Tab")
            if await tab.evaluate("document.activeElement.dataset.reveal") == "secret":
                break
        await tab.keyboard.press("Enter")
        await expect(tab.locator("#secret")).to_contain_text(re.compile(r"^sk_live_\w{50}$"))


async def reach(tab: Tab, name: str) -> None:
    """Press Tab until the field of this name has the focus, and can be seen to have it."""
    for _ in range(60):
        await tab.keyboard.press("Tab")
        if await tab.evaluate("document.activeElement.name") == name:
            outline = await tab.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none"
            return
    pytest.fail(f"no way leads to {name} by Tab")
