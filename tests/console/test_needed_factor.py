"""A second factor that a role needs: nothing else is done before it is there."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from playwright.async_api import Browser

from admin.console.pages import PAGES
from admin.core.caller import Role
from admin.services.sign_ins import user_caller
from tests.console.browser import look_with_axe, opened
from tests.console.stand import PASSWORD, House, Person, housed
from tests.console.test_in_a_browser import found
from tests.console.test_pages_are_guarded import path_of
from tests.console.test_second_factor import added, with_code

NEEDED = "One thing before you go on"


@pytest_asyncio.fixture(loop_scope="session")
async def strict(sql_url: str, valkey_url: str, tmp_path: Path) -> AsyncIterator[House]:
    """A console whose admins need a second factor."""
    console = {"second_factor_required_for": ["admin"]}
    async with housed(tmp_path, sql_url, valkey_url, console=console) as house:
        yield house


async def test_nothing_is_done_without_it(strict: House) -> None:
    """Every page and form but those by which it is added says what is missing, and shows and does nothing."""
    async with strict.browsing(strict.admin) as browser:
        for page in PAGES:
            if page.is_open_without_factor:
                continue
            path = path_of(page, strict.own.ids)
            if page.method == "GET":
                answer = await browser.get(path)
            elif page.takes_file:
                answer = await browser.upload(path, b"x")
            else:
                answer = await browser.send(path)

            assert answer.status_code == 403, page.path
            assert NEEDED in answer.text
            assert "Accounts" not in answer.text


async def test_it_is_added_on_the_way_in(strict: House) -> None:
    """Who signs in by password adds it and goes on; from then on a code is asked for, and nothing more is said."""
    grace = await strict.person(Role.ADMIN, name="Hopper", password=PASSWORD)
    async with strict.browsing() as browser, strict.browsing() as later:
        await browser.sign_in(grace.email)
        refused = await browser.get("/accounts")
        app, _ = await added(strict, browser)
        let_in = await browser.get("/accounts")
        status = await with_code(later, grace, app.code)
        again = await later.get("/accounts")

    assert NEEDED in refused.text
    assert let_in.status_code == again.status_code == 200
    assert status == 303


async def test_one_that_is_taken_away_is_missed_at_once(strict: House) -> None:
    """An admin who removes theirs does nothing before they have another."""
    async with strict.browsing(strict.admin) as browser:
        await added(strict, browser)
        removed = await browser.send("/me/second-factor/remove", page="/me")
        after = await browser.get("/accounts")

    assert removed.status_code == 303
    assert NEEDED in after.text


async def test_others_are_not_concerned(strict: House) -> None:
    """A role that is not named, and who comes by single sign-on, go on as before."""
    begun = await strict.services.console.sign_ins.begin(
        user_caller(strict.admin.user, "127.0.0.1", "tests"),
        strict.admin.user,
        "Example Login",
        "tests",
    )
    for who in (strict.own.member, Person(strict.admin.user, begun.token)):
        async with strict.browsing(who) as browser:
            assert (await browser.get("/keys")).status_code == 200


async def test_the_page_is_for_everybody(strict: House, browser: Browser) -> None:
    """In a browser one gets from what is missing to the code to scan, and everybody can read what stands there."""
    async with opened(browser, strict, strict.admin) as window:
        await look_with_axe(window)
        assert await found(window.page, "/accounts", {403}) == []
        await window.page.get_by_role("button", name="Add a second factor").click()
        await window.page.get_by_role("heading", name="Add a second factor").wait_for()
