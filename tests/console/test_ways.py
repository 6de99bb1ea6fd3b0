"""The whole ways of people, in a real browser against a whole gateway: from nothing to a key and its end."""

import json
import re
import subprocess
from dataclasses import dataclass

import pytest
from playwright.async_api import Browser, FilePayload, expect
from playwright.async_api import Page as Tab

from tests.console.browser import picture
from tests.console.staging import (
    CustomerLink,
    Stage,
    go,
    press,
    says,
    staged,
    until_said,
    window,
)
from tests.console.stand import PASSWORD
from tests.fixtures_gateway import NewSite

RECEIPT = r"Enforced on (\d+) of \1 workers? in \d+ ms"


@pytest.fixture(scope="module")
def stage(new_module_site: NewSite) -> Stage:
    """One gateway for all ways: each has an account of its own."""
    return staged(new_module_site)


async def gets_in(tab: Tab, path: str, email: str) -> None:
    """Somebody chooses a password by the link they were sent, and signs in with it."""
    await tab.goto(path)
    for label in ("A password", "The password again"):
        await tab.get_by_label(label).fill(PASSWORD)
    await tab.locator("main button[type=submit]").first.click()
    await signs_in(tab, email)


async def signs_in(tab: Tab, email: str) -> None:
    """By the form."""
    await tab.get_by_label("E-mail address").fill(email)
    await tab.get_by_label("Password").fill(PASSWORD)
    await press(tab, "Sign in")
    await says(tab, "Welcome")


async def secret_on(tab: Tab, *, has_scripts: bool) -> str:
    """The new secret, as its reader takes it: by the copy button, or out of the page."""
    await says(tab, "This page is shown once")
    if not has_scripts:
        await tab.locator("noscript summary").first.click()
        return await tab.locator("noscript code").first.inner_text(timeout=30_000)
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
    link: CustomerLink
    has_scripts: bool

    async def asks_for_access(self) -> None:
        """From the invitation to the request."""
        tab = self.tab
        await gets_in(tab, self.link.path, self.link.email)
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


@pytest.mark.parametrize("has_scripts", [True, False], ids=["scripts", "no-scripts"])
async def test_the_customers_way(stage: Stage, browser: Browser, *, has_scripts: bool) -> None:
    """Request access, be approved, make a key, call with it, see the line, rotate, end the old, revoke: all of it
    works in the browser, with scripts and without, and counts at the proxy at once.
    """
    name = "Lin" if has_scripts else "Kim"
    async with (
        window(browser, stage, has_scripts=has_scripts, is_admin=True) as admin,
        window(browser, stage, has_scripts=has_scripts) as tab,
    ):
        customer = Customer(stage, tab, await stage.customer(name), has_scripts)
        await customer.asks_for_access()
        await admin.goto("/access-requests")
        await says(admin, "our DNS zones")
        await press(admin, f"Approve {name}")
        await says(admin, "API access is on")
        first = await customer.makes_a_key()
        await customer.sees_the_call()
        second = await customer.rotates(first)
        await customer.revokes(second)


async def test_a_key_is_made_with_the_keyboard_alone(stage: Stage, browser: Browser) -> None:
    """Who uses no pointer comes from the menu to a new secret by Tab, Space and Enter."""
    async with window(browser, stage, has_scripts=True, is_admin=True) as tab:
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


async def test_the_operators_way(stage: Stage, browser: Browser) -> None:
    """From the link that the start prints: a password, an account and its user, who is denied and then approved,
    keys that are brought in, used, and ended all at once, and the proof that all of it is written down.
    """
    async with (
        window(browser, stage, has_scripts=True) as tab,
        window(browser, stage, has_scripts=True) as customer,
    ):
        await sets_up(tab, stage)
        link = await makes_a_customer(tab)
        await gets_in(customer, link, "ines@initech.example")
        await decides(tab, customer)
        await brings_keys_in_and_ends_them(tab, stage)
        await looks_after_all(tab)


async def sets_up(tab: Tab, stage: Stage) -> None:
    """The first admin gets in by the printed link, once, and comes back with the password."""
    await tab.goto(stage.printed_path)
    await tab.get_by_label("Your name").fill("Grace")
    await tab.get_by_label("Your e-mail address").fill("grace@example.com")
    await tab.get_by_label("A password").fill(PASSWORD)
    await tab.get_by_label("The password again").fill(PASSWORD)
    await press(tab, "Set up")
    await says(tab, "The console is set up, and you are its first admin.")
    await press(tab, "Sign out")
    await tab.goto(stage.printed_path)
    await says(tab, "This link works no longer")
    await tab.goto("/sign-in")
    await signs_in(tab, "grace@example.com")


async def makes_a_customer(tab: Tab) -> str:
    """An account, a user in it, and the path of the link by which they get in."""
    await go(tab, "Accounts")
    await tab.get_by_label("Name").fill("Initech")
    await press(tab, "Create the account")
    await says(tab, "The account 'Initech' is there.")
    account = tab.url.rpartition("/")[2]
    await go(tab, "Users")
    await go(tab, "New user")
    await tab.get_by_label("E-mail").fill("ines@initech.example")
    await tab.get_by_label("Name", exact=True).fill("Ines")
    await tab.get_by_label("Account", exact=True).select_option(label=f"Initech ({account})")
    await press(tab, "Create the user")
    await says(tab, "Ines is a user.")
    await press(tab, "Make a link")
    await says(tab, "It works once")
    return "/" + (await tab.locator("#link").inner_text()).split("/", 3)[3]


async def decides(tab: Tab, customer: Tab) -> None:
    """Denied with a reason, which the customer reads; asked again, and approved."""
    for note in ("to try it", "to print TPS reports"):
        await customer.goto("/access")
        await customer.get_by_label("What do you want it for?").fill(note)
        await press(customer, "Request API Access")
        await says(customer, "Requested")
        await tab.goto("/access-requests")
        await says(tab, note)
        if note == "to try it":
            await tab.get_by_label("Reason").first.fill("say more")
            await press(tab, "Deny Initech")
            await says(tab, "API access is denied to 'Initech'")
            await customer.reload()
            await says(customer, "say more")
    await press(tab, "Approve Initech")
    await says(tab, "API access is on for 'Initech'")
    await customer.reload()
    await says(customer, "The endpoint")


async def brings_keys_in_and_ends_them(tab: Tab, stage: Stage) -> None:
    """Keys from elsewhere by a file, which work at once; those of all accounts; the old ones are all disabled."""
    values = [f"from-elsewhere-{n:020}" for n in range(3)]
    lines = [
        json.dumps(
            {
                "account": "Initech",
                "name": f"old-printer-{n}",
                "value": value,
                "scopes": ["read-only"],
                "created_at": "2019-01-01T00:00:00Z",
            }
        )
        for n, value in enumerate(values)
    ]
    await go(tab, "Keys")
    await go(tab, "Import")
    body = "\n".join([*lines, "{damaged"]).encode()
    file: FilePayload = {"name": "keys.jsonl", "mimeType": "application/jsonl", "buffer": body}
    await tab.get_by_label("File").set_input_files(file)
    await press(tab, "Look the file through")
    await says(tab, re.compile(r"Would be created\s*3"))
    await says(tab, "Refused lines")
    await press(tab, "Import 3 keys")
    await says(tab, "3 keys are imported")
    assert [await stage.status(value) for value in values] == [200] * 3
    await go(tab, "Go to the keys")
    await says(tab, "old-printer-2")
    await go(tab, "Unused and old")
    await go(tab, "Older than a year")
    await says(tab, "old-printer-0")
    await go(tab, "Disable all of them")
    await press(tab, "Disable all of them")
    await says(tab, re.compile(rf"3 of 3 keys are disabled[\s\S]*{RECEIPT}"))
    assert [await stage.status(value) for value in values] == [401] * 3


async def looks_after_all(tab: Tab) -> None:
    """How the gateway is, how it is configured, and who did what: the log proves itself."""
    await go(tab, "Gateway")
    await says(tab, re.compile(r"control plane\s*Ready"))
    await go(tab, "Configuration")
    await says(tab, "Nothing: the file says what is in force.")
    await go(tab, "Audit log")
    await says(tab, re.compile(r"grace@example\.com[\s\S]*access: approve"))
    await go(tab, "Is it whole?")
    await says(tab, "The log is whole")
