"""Every page and every form, out of the tables that serve them: who may, and what goes with every answer."""

import re
from collections.abc import Mapping

import httpx
import pytest

from admin.console.page import Page
from admin.console.pages import OPEN_PAGES, PAGES
from admin.core.caller import PERMISSIONS, Role
from tests.console.stand import House

# What a form must hold to be looked at at all, by its path: so that it is the id that is refused, and not the form.
FIELDS: Mapping[str, Mapping[str, str]] = {
    "/keys/{key_id}/rename": {"name": "live-dns-sync"},
    "/channels/{channel_id}/switch": {"status": "paused"},
    "/channels/{channel_id}/rotate": {"once": "0123456789abcdef"},
    "/keys/{key_id}/rotate": {"once": "0123456789abcdef"},
    "/keys/{key_id}/regenerate": {"once": "0123456789abcdef"},
}


def path_of(page: Page, ids: Mapping[str, str]) -> str:
    """The page's path with these ids in it; a new placeholder needs a line in tests/console/stand.py."""
    return re.sub(r"\{(\w+)\}", lambda found: ids[found[1]], page.path)


def check_headers(answer: httpx.Response) -> None:
    """Fail unless the answer says to a browser what every answer must."""
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    for source in ("unsafe-inline", "unsafe-eval", "http:", "https:", "*"):
        assert source not in policy
    for rule in ("frame-ancestors 'none'", "base-uri 'none'", "object-src 'none'"):
        assert rule in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert "Access-Control-Allow-Origin" not in answer.headers


async def test_nobody_sees_a_page_without_signing_in(house: House) -> None:
    """Every page answers a stranger with the sign-in form, and every form changes nothing."""
    async with house.browsing() as browser:
        for page in PAGES:
            path = path_of(page, house.own.ids)
            if page.method == "GET":
                answer = await browser.get(path)
            else:
                answer = await browser.send(path, page="/sign-in")

            assert answer.status_code == 401, page.path
            assert "Sign in" in answer.text
            # The form leads back to the path that was asked for.
            words = set(re.findall(r"\w+", answer.text)) - set(re.findall(r"\w+", path))
            assert house.own.words.isdisjoint(words)
            check_headers(answer)
            assert answer.headers["Cache-Control"] == "no-store"


async def test_a_member_reaches_nothing_of_another_account(house: House) -> None:
    """With the ids of another account, every page and form with an id says that there is nothing."""
    async with house.browsing(house.own.member) as browser:
        for page in (page for page in PAGES if "{" in page.path):
            path = path_of(page, house.other.ids)
            if page.method == "GET":
                answer = await browser.get(path)
            else:
                answer = await browser.send(path, FIELDS.get(page.path))

            assert answer.status_code in {403, 404}, f"{page.method} {page.path}"
            # An id that was asked for may be repeated; whose it is, and what it is called, may not.
            told = [word for word in house.other.words if word not in path and word in answer.text]
            assert not told, page.path


async def test_a_member_reads_nothing_of_another_account(house: House) -> None:
    """On every page that a member can open, no word of another account can be found."""
    async with house.browsing(house.own.member) as browser:
        for page in (page for page in PAGES if page.method == "GET"):
            answer = await browser.get(path_of(page, house.own.ids))

            assert answer.status_code in {200, 303, 403, 404}, page.path
            assert not [word for word in house.other.words if word in answer.text], page.path
            check_headers(answer)


@pytest.mark.parametrize("role", [Role.MEMBER, Role.VIEWER])
async def test_a_page_needs_its_permission(house: House, role: Role) -> None:
    """Whoever lacks a page's permission, or sees one account only where all are shown, is told so."""
    who = await house.person(role, house.own.id, name="Lin")
    async with house.browsing(who) as browser:
        for page in PAGES:
            lacks = page.permission is not None and page.permission not in PERMISSIONS[role]
            if not (lacks or page.is_operators):
                continue
            path = path_of(page, house.own.ids)
            answer = await (browser.get(path) if page.method == "GET" else browser.send(path))

            assert answer.status_code == 403, f"{page.method} {page.path}"


def test_paths_do_not_collide() -> None:
    """No page hides another."""
    every = [(page.method, page.path) for page in PAGES]
    every += [(page.method, page.path) for page in OPEN_PAGES]

    assert len(set(every)) == len(every)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
async def test_other_methods_are_refused_everywhere(house: House, method: str) -> None:
    """No page does anything by a method that no page of ours uses."""
    async with house.browsing(house.admin) as browser:
        for path in ("/", "/sign-in", "/nothing/here"):
            answer = await browser.client.request(method, path)

            assert answer.status_code in {404, 405}
            check_headers(answer)


async def test_an_admin_can_open_every_page(house: House) -> None:
    """No page fails for whoever may see all of them, with the ids of any account."""
    async with house.browsing(house.admin) as browser:
        for page in (page for page in PAGES if page.method == "GET"):
            answer = await browser.get(path_of(page, house.other.ids))

            # The secret of a new key is for whoever has made it, as is long work; no second factor waits to be scanned.
            is_elsewhere = page.path.endswith(("once}", "work_id}", "/code.svg"))
            expected = {404} if is_elsewhere else {200, 302, 303}
            assert answer.status_code in expected, page.path
            check_headers(answer)
