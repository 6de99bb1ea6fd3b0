"""Every page in a real browser: nothing it may not load, nothing that somebody cannot read or reach."""

import uuid
from collections.abc import Collection

import pytest
from playwright.async_api import Error
from playwright.async_api import Page as Tab

from admin.console.page import Page
from admin.console.pages import PAGES
from admin.core.caller import PERMISSIONS, Role
from tests.console.browser import Opening, look_with_axe
from tests.console.stand import PASSWORD, House
from tests.console.test_pages_are_guarded import path_of

STATUSES = frozenset({200, 401, 404})
PHONE_WIDTH = 390
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# Only what is wrong comes out of the browser: all that is right is many times as much.
LOOK = """async (rules) => {
  const found = await axe.run(document, {runOnly: rules, resultTypes: ["violations"]});
  return found.violations.map((each) => `${each.id}: ${each.nodes.map((node) => node.target.join(" ")).join(", ")}`);
}"""
SHOWN = [
    page
    for page in PAGES
    if page.method == "GET" and "once}" not in page.path and not page.path.endswith(".svg")
]


def needs_operator(page: Page) -> bool:
    """Whether a member cannot see it."""
    lacks = page.permission is not None and page.permission not in PERMISSIONS[Role.MEMBER]
    return page.is_operators or lacks


async def violations(tab: Tab, where: str, *rules: str) -> list[str]:
    """What axe-core finds by these rules, each with the elements concerned."""
    return [f"{where}: {each}" for each in await tab.evaluate(LOOK, list(rules))]


async def is_shown(tab: Tab, path: str, statuses: Collection[int]) -> bool:
    """Go there; False for what is no page, such as a file to keep."""
    try:
        answer = await tab.goto(path)
    except Error as error:
        if "Download is starting" not in error.message:
            raise
        return False
    assert answer is not None
    assert answer.status in statuses, path
    return answer.headers["content-type"].startswith("text/html")


async def found(tab: Tab, path: str, statuses: Collection[int] = STATUSES) -> list[str]:
    """What keeps somebody from using the page: on a desktop, in the dark, or on a phone."""
    await tab.set_viewport_size({"width": 1280, "height": 800})
    await tab.emulate_media(color_scheme="light")
    if not await is_shown(tab, path, statuses):
        return []
    wrong = await violations(tab, path, *RULES)
    await tab.emulate_media(color_scheme="dark")
    wrong += await violations(tab, f"{path} in the dark", "color-contrast")
    await tab.set_viewport_size({"width": PHONE_WIDTH, "height": 844})
    wrong += await violations(tab, f"{path} on a phone", "target-size")
    width = await tab.evaluate("document.documentElement.scrollWidth")
    if width > PHONE_WIDTH:
        wrong.append(f"{path} is {width} pixels wide on a phone")
    return wrong


@pytest.mark.parametrize("third", range(3))
@pytest.mark.parametrize("is_operators", [False, True], ids=["customers", "operators"])
async def test_every_page_is_for_everybody(
    house: House, opening: Opening, third: int, *, is_operators: bool
) -> None:
    """Who cannot see, or not well, who uses a phone, or works in the dark can use every page (WCAG 2.2 AA)."""
    who = house.admin if is_operators else house.own.member
    pages = [page for page in SHOWN if needs_operator(page) is is_operators]
    async with opening(who) as window:
        await look_with_axe(window)
        wrong = [
            problem
            for page in pages[third::3]
            for problem in await found(window.page, path_of(page, house.own.ids))
        ]

    assert wrong == []


async def test_pages_before_signing_in_are_for_everybody(house: House, opening: Opening) -> None:
    """The forms to sign in, to set up, and to choose a password, and the pages that say no."""
    links = house.services.console.entry_links
    # Wider than a phone, and without a place to break it.
    long = await house.person(
        Role.MEMBER, house.own.id, email=f"{'w' * 60}@{uuid.uuid4().hex}.example"
    )
    invitation = await links.invite(house.admin.caller, long.user.id)
    set_up = await links.to_set_up()
    async with opening() as window:
        await look_with_axe(window)
        paths = (
            *("/sign-in", "/me", f"/invited/{invitation.token}", f"/set-up/{set_up}"),
            *("/set-up/none", "/nothing/here"),
        )
        wrong = [problem for path in paths for problem in await found(window.page, path)]

    assert wrong == []


async def test_first_admin_gets_in_without_scripts(house: House, opening: Opening) -> None:
    """By the link that is printed at the start a newcomer gets a password, and is in; test_ways has it with scripts."""
    token = await house.services.console.entry_links.to_set_up()
    async with opening(java_script_enabled=False) as window:
        tab = window.page
        await tab.goto(f"/set-up/{token}")
        await tab.get_by_label("Your name").fill("Ada Lovelace")
        await tab.get_by_label("Your e-mail address").fill("ada@example.com")
        await tab.get_by_label("A password").fill(PASSWORD)
        await tab.get_by_label("The password again").fill(PASSWORD)
        await tab.get_by_role("button", name="Set up").click()
        await tab.get_by_text("The console is set up").wait_for()
        await tab.get_by_role("button", name="Sign out").click()
        await tab.get_by_label("E-mail address").fill("ada@example.com")
        await tab.get_by_label("Password").fill(PASSWORD)
        await tab.get_by_role("button", name="Sign in").click()
        await tab.get_by_role("link", name="Ada Lovelace").click()

        await tab.get_by_role("heading", name="Your account").wait_for()


async def test_keyboard_alone_signs_in(house: House, opening: Opening) -> None:
    """Who uses no pointer comes past the menu to the content, and sees where they are."""
    async with opening(house.own.member) as window:
        tab = window.page
        await tab.goto("/me")
        await tab.keyboard.press("Tab")
        assert await tab.evaluate("document.activeElement.textContent") == "Skip to the content"
        outline = await tab.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none"
        await tab.keyboard.press("Enter")
        await tab.keyboard.press("Tab")

        assert await tab.evaluate("document.activeElement.closest('main') !== null")
