"""Pages with something on them, as docs/console.md shows them; `make pictures` keeps what is seen here."""

import dataclasses
import math
import re

from playwright.async_api import Page as Tab
from playwright.async_api import expect

from admin.services.keys import NewKey
from gateway.core.record import UsageRecord
from gateway.stores.sql_engine import open_engine
from gateway.stores.sql_usage import SqlUsageStore
from tests.console.browser import Opening, picture
from tests.console.stand import House
from tests.contracts.test_usage_store import RECORD

HOUR = 3600.0
NAMES = ("live-billing-invoices", "live-shop-search", "staging-dns-sync", "live-mail-worker")
FILE = b"""account,name,api_key,scopes
Acme,billing robot,7f3c9a52-0d1e-4b86-9f27-1c2d3e4f5a6b,read-write
Acme,dashboard,dGhlIG9sZCBrZXkgb2Ygb3Vycw,read-only
Acme,ci,legacy.key-00000000000000000001,admin
"""
# What became of every so many requests.
OUTCOMES = (
    *((200, "served"),) * 17,
    (403, "insufficient_scope"),
    (429, "rate_limited"),
    (502, "upstream_unreachable"),
)


def a_day_of(house: House, key_id: str, secret_id: str) -> list[UsageRecord]:
    """Requests of a day with its rush and its night, the same in every run."""
    now = house.clock.now()
    records = []
    for hour in range(24):
        for number in range(12 + round(10 * math.sin(hour / 24 * 2 * math.pi))):
            status, outcome = OUTCOMES[(7 * hour + 3 * number) % len(OUTCOMES)]
            records.append(
                dataclasses.replace(
                    RECORD,
                    at=now - hour * HOUR - 60 - number * 130,
                    key_id=key_id,
                    account_id=house.own.id,
                    secret_id=secret_id,
                    route=("dns", "servers")[number % 5 == 0],
                    method=("GET", "POST")[status == 403],
                    path=("/v1/dns/zones", "/v1/servers")[number % 5 == 0],
                    status=status,
                    outcome=outcome,
                    duration_seconds=0.004 + 0.001 * (number % 9),
                    bytes_out=900 + 10 * number,
                    address=f"192.0.2.{7 + number % 3}",
                    request_id=f"r-{hour}-{number}",
                )
            )
    return records


async def furnished(house: House, sql_url: str) -> str:
    """More keys, and a day of requests with the first; returns its id."""
    created = [
        await house.services.keys.create(
            house.own.member.caller, NewKey(house.own.id, name, scopes=["read-only"])
        )
        for name in NAMES
    ]
    key = created[0].key
    engine = open_engine(sql_url)
    await SqlUsageStore(engine).write("w", 0, a_day_of(house, key.id, key.secrets[0].id))
    await engine.dispose()
    return key.id


async def seen(tab: Tab, path: str, words: str, name: str) -> None:
    """Go there; the page says these words, and is kept as a picture."""
    await tab.goto(path)
    await expect(tab.locator("main")).to_contain_text(re.compile(words))
    await picture(tab, name)


async def test_pages_of_a_customer(house: House, opening: Opening, sql_url: str) -> None:
    """With keys and a day of requests, every page of a customer shows them."""
    key = f"/keys/{await furnished(house, sql_url)}"
    async with opening(house.own.member, viewport={"width": 1200, "height": 760}) as window:
        tab = window.page
        await seen(tab, "/access", "The endpoint", "access")
        await seen(tab, "/keys", "live-billing-invoices", "keys")
        await seen(tab, "/keys/new", "What it may do", "new-key")
        await seen(tab, key, "May look at everything, and change nothing", "key")
        await seen(tab, f"{key}/usage?window=day", "Requests", "usage")
        await expect(tab.locator("#chart-requests svg")).to_be_visible()
        await seen(tab, f"{key}/requests", "Served", "requests")
        await seen(tab, f"{key}/limits", "refilled evenly|is refused before", "limits")
        await seen(tab, f"{key}/explain?path=/pub/x&method=DELETE", "It would be", "explain")
        await seen(tab, f"{key}/rotate", "second secret|both|overlap", "rotate")
        await seen(tab, f"{key}/revoke", "That stops", "revoke")
        await seen(tab, "/quota", "Requests: 2", "quota")
        await seen(tab, "/inbox", "Inbox|inbox", "inbox")
        await seen(tab, "/me", "Second factor|second factor", "me")
        await seen(tab, "/alerts", "What to tell", "alerts")
        await seen(tab, "/channels", "hook", "notifications")


async def test_the_page_where_one_signs_in(opening: Opening) -> None:
    """Whoever is not signed in is asked to."""
    async with opening(viewport={"width": 1200, "height": 760}) as window:
        await seen(window.page, "/sign-in", "Sign in", "sign-in")


async def test_the_page_that_shows_a_secret(house: House, opening: Opening) -> None:
    """Masked until somebody wants to see it, with the first call ready to be pasted."""
    async with opening(house.own.member, viewport={"width": 1200, "height": 760}) as window:
        await seen(window.page, f"/keys/made/{house.own.ids['once']}", "shown once", "new-secret")
        await expect(window.page.locator("#secret")).to_contain_text("•")
        await expect(window.page.get_by_text("sk_live_").nth(1)).to_be_hidden()


async def test_pages_of_an_operator(house: House, opening: Opening, sql_url: str) -> None:
    """With accounts, keys and requests, every page of an operator shows them; in the dark, too."""
    _ = await furnished(house, sql_url)
    settings = {"viewport": {"width": 1200, "height": 760}, "color_scheme": "dark"}
    async with opening(house.admin, **settings) as window:
        tab = window.page
        await seen(tab, "/accounts", "Acme", "accounts")
        await seen(tab, f"/accounts/{house.own.id}", "API access", "account")
        await seen(tab, "/users", "member@", "users")
        await seen(tab, "/access-requests", "Requests for|requests for|Nobody", "access-requests")
        await seen(tab, "/usage?window=day", "Requests", "usage-of-all")
        await seen(tab, "/audit", "key: create", "audit")
        await seen(tab, "/gateway", "ready", "gateway")
        await seen(tab, "/gateway/config", "Nothing: the file says", "configuration")
        await seen(tab, "/tokens", "Acme reader", "tokens")
        await tab.goto("/keys/import")
        await tab.get_by_label("File").set_input_files(
            {"name": "keys.csv", "mimeType": "text/csv", "buffer": FILE}
        )
        await tab.get_by_role("button", name="Look the file through").click()
        await expect(tab.locator("main")).to_contain_text("There is no scope 'admin'.")
        await picture(tab, "import")


async def test_a_phone_has_the_whole_width_for_the_keys(
    house: House, opening: Opening, sql_url: str
) -> None:
    """On a phone the table scrolls by itself, and the page does not."""
    _ = await furnished(house, sql_url)
    async with opening(house.own.member, viewport={"width": 390, "height": 760}) as window:
        await seen(window.page, "/keys", "live-billing-invoices", "keys-on-a-phone")

        assert await window.page.evaluate("document.documentElement.scrollWidth") <= 390
