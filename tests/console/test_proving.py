"""Before something dangerous: showing again who one is."""

import pytest

from admin.console.pages import PAGES
from admin.core.caller import Role
from tests.console.stand import PASSWORD, House, Person
from tests.console.test_pages_are_guarded import path_of

LATER = 601.0


@pytest.fixture
async def grace(house: House) -> Person:
    """An admin with a password, who signed in a while ago."""
    made = await house.person(Role.ADMIN, name="Hopper", password=PASSWORD)
    house.clock.advance(LATER)
    return made


async def test_every_dangerous_page_asks_first(house: House, grace: Person) -> None:
    """No page that needs it does or shows anything before the password is given again."""
    async with house.browsing(grace) as browser:
        for page in (page for page in PAGES if page.needs_reauthentication):
            path = path_of(page, house.own.ids)
            answer = await (browser.get(path) if page.method == "GET" else browser.send(path))

            assert "Is it still you?" in answer.text, page.path


async def test_form_is_done_once_the_password_is_right(house: House, grace: Person) -> None:
    """What was sent is not lost by being asked, and the next one is not asked for again."""
    path = f"/users/{house.own.member.user.id}/invite"
    async with house.browsing(grace) as browser:
        asked = await browser.send(path, {"kept": "yes"})
        assert 'name="kept" value="yes"' in asked.text
        wrong = await browser.send(path, {"kept": "yes", "_password": "wrong horse battery"})
        assert wrong.status_code == 403
        assert "/invited/" not in wrong.text
        before = browser.cookie
        done = await browser.send(path, {"kept": "yes", "_password": PASSWORD})

        assert "/invited/" in done.text
        assert browser.cookie != before
        assert "/invited/" in (await browser.send(path)).text


async def test_page_is_shown_once_the_password_is_right(house: House, grace: Person) -> None:
    """A page that asks leads on to itself."""
    async with house.browsing(grace) as browser:
        answer = await browser.send(
            "/sign-in/again", {"next": "/me/second-factor", "_password": PASSWORD}
        )

        assert answer.headers["Location"] == "/me/second-factor"
        assert "Is it still you?" not in (await browser.get("/me/second-factor")).text
