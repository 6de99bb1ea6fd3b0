"""A whole gateway that `keywright serve` runs, the people who come to its console, and what they do at a browser."""

__all__ = ["CustomerLink", "Stage", "go", "press", "says", "staged", "until_said", "window"]

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from typing import NamedTuple

from playwright.async_api import Browser, expect
from playwright.async_api import Page as Tab

from admin.core.caller import Role
from admin.services.catalogue import Services
from admin.services.sign_ins import user_caller
from admin.services.users import NewUser
from tests.fixtures_gateway import CLI, OPERATOR, Gateway, NewSite, Site, free_port

_LONG_MS = 30_000
_PRINTED = re.compile(r"http://127\.0\.0\.1:\d+(/set-up/\S+)")


class CustomerLink(NamedTuple):
    """A customer of an account of their own: how they are called there, and where they choose a password."""

    account: str
    email: str
    path: str


class Stage(NamedTuple):
    """What was started once, for several ways; `admin_cookie` is the sign-in of an admin without a password."""

    site: Site
    gateway: Gateway
    admin_cookie: str

    @property
    def printed_path(self) -> str:
        """What the start has printed: where the first admin gets in."""
        found = _PRINTED.search(self.gateway.log_text)
        assert found is not None, self.gateway.log_text
        return found[1]

    async def customer(self, name: str) -> CustomerLink:
        """Somebody new, of a new account."""
        email = f"{name.lower()}@example.com"

        async def make(services: Services) -> CustomerLink:
            account = (await services.accounts.create(OPERATOR, f"{name} & Co")).id
            user = await services.users.create(OPERATOR, NewUser(email, name, Role.MEMBER, account))
            invited = await services.console.entry_links.invite(OPERATOR, user.id)
            return CustomerLink(account, email, f"/invited/{invited.token}")

        return await asyncio.to_thread(self.site.operator.act, make)

    async def status(self, token: str) -> int:
        """What the proxy says to this key."""
        return (await asyncio.to_thread(self.gateway.ask, "GET", "/pub/x", token)).status


def staged(new_site: NewSite) -> Stage:
    """`keywright serve` of somebody who wants every account to request access."""
    site = new_site(
        listen={"host": "127.0.0.1", "port": free_port()},
        admin={"host": "127.0.0.1", "port": free_port()},
        accounts={"default_plan": "starter", "default_api_access": "disabled"},
        keys={"accept_imported": True},
    )
    gateway = site.start(command=(*CLI, "serve"))

    async def admin(services: Services) -> str:
        new = NewUser("hopper@example.com", "Hopper", Role.ADMIN)
        user = await services.users.create(OPERATOR, new)
        caller = user_caller(user, "127.0.0.1", "tests")
        return (await services.console.sign_ins.begin(caller, user, "password", "tests")).token

    return Stage(site, gateway, site.operator.act(admin))


@contextlib.asynccontextmanager
async def window(
    browser: Browser, stage: Stage, *, has_scripts: bool, is_admin: bool = False
) -> AsyncIterator[Tab]:
    """Somebody's own window; that of an admin is signed in."""
    context = await browser.new_context(
        base_url=stage.gateway.admin_url,
        java_script_enabled=has_scripts,
        locale="en-GB",
        timezone_id="UTC",
        reduced_motion="reduce",
        permissions=["clipboard-read", "clipboard-write"],
    )
    context.set_default_timeout(_LONG_MS)
    if is_admin:
        cookie = stage.admin_cookie
        await context.add_cookies(
            [{"name": "keywright", "value": cookie, "url": stage.gateway.admin_url}]
        )
    try:
        yield await context.new_page()
    finally:
        await context.close()


async def press(tab: Tab, name: str | re.Pattern[str]) -> None:
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
