"""Keys in the console: made, shown once, changed, rotated, revoked."""

import html
import re

import httpx
import pytest

from admin.core.caller import Role
from admin.services.keys import NewKey
from tests.console.stand import Browsing, House

NEW = {"name": "live-dns-sync", "type": "sk", "environment": "live", "scopes": "read-only"}
_TOKEN = re.compile(r"\b[sp]k_(?:live|test)_[0-9A-Za-z]{50}\b")
_ONCE = re.compile(r'name="once" value="([^"]+)"')
_VERSION = re.compile(r'name="version" value="(\d+)"')


def words(answer: httpx.Response) -> str:
    """What a page says, without its markup."""
    text = re.sub(r"<(script|style)[\s\S]*?</\1>|<[^>]+>", " ", answer.text)
    return " ".join(html.unescape(text).split())


async def once(browser: Browsing, path: str) -> str:
    """The mark of the form at `path`."""
    found = _ONCE.search((await browser.get(path)).text)
    assert found is not None
    return found[1]


async def created(browser: Browsing, **more: object) -> httpx.Response:
    """The page that shows the secret of a new key."""
    fields = {**NEW, "once": await once(browser, "/keys/new"), **more}
    answer = await browser.send("/keys/new", fields)
    assert answer.status_code == 303, words(answer)
    return await browser.get(answer.headers["Location"])


async def followed(browser: Browsing, answer: httpx.Response) -> str:
    """What the page says that a form led to."""
    assert answer.status_code == 303, words(answer)
    return words(await browser.get(answer.headers["Location"]))


async def test_a_secret_is_shown_once(house: House) -> None:
    """The page with a new secret is kept nowhere, and neither reloading it nor coming back shows the secret again."""
    async with house.browsing(house.own.member) as browser:
        fields = {**NEW, "once": await once(browser, "/keys/new")}
        sent = await browser.send("/keys/new", fields)
        page = sent.headers["Location"]
        first, second = await browser.get(page), await browser.get(page)
        [token] = set(_TOKEN.findall(first.text))
        again = await browser.send("/keys/new", fields)
        third = await browser.get(again.headers["Location"])
        everything = [await browser.get("/keys"), second, third]

    assert sent.headers["Cache-Control"] == first.headers["Cache-Control"] == "no-store"
    assert token not in page
    assert second.status_code == third.status_code == 404
    assert all(token not in answer.text for answer in everything)


async def test_pressing_twice_makes_one_key(house: House) -> None:
    """An impatient reader has one key, and still sees its secret."""
    async with house.browsing(house.own.member) as browser:
        fields = {**NEW, "name": "live-twice", "once": await once(browser, "/keys/new")}
        first = await browser.send("/keys/new", fields)
        second = await browser.send("/keys/new", fields)
        shown = await browser.get(second.headers["Location"])
        listed = await browser.get("/keys?q=twice")

    assert first.headers["Location"] == second.headers["Location"]
    assert _TOKEN.search(shown.text)
    assert len(re.findall(r'<th scope="row" class="name">', listed.text)) == 1


async def test_nobody_else_can_fetch_the_secret(house: House) -> None:
    """Whoever learns the address of the page, even in the same account, is shown nothing, and takes nothing away."""
    colleague = await house.person(Role.MEMBER, house.own.id, name="Lin", email="lin@example.com")
    async with (
        house.browsing(house.own.member) as browser,
        house.browsing(colleague) as other,
    ):
        sent = await browser.send("/keys/new", {**NEW, "once": await once(browser, "/keys/new")})
        page = sent.headers["Location"]

        assert (await other.get(page)).status_code == 404
        assert _TOKEN.search((await browser.get(page)).text)


async def test_the_page_of_a_new_key_has_all_that_a_developer_needs(house: House) -> None:
    """Masked secret, pair, file and five snippets with the real endpoint, each with the very key."""
    async with house.browsing(house.own.member) as browser:
        page = await created(browser)
        [token] = set(_TOKEN.findall(page.text))
        hidden = dict(re.findall(r'name="(secret|api_key|api_secret)" value="([^"]+)"', page.text))
        file = await browser.send("/keys/made/env", hidden)

    said = words(page)
    for wanted in ("curl", "Python", "JavaScript", "Go", "Postman", "http://127.0.0.1:8080/pub/"):
        assert wanted in said
    assert hidden["secret"] == token
    assert f"API_TOKEN='{token}'" in file.text
    assert f"API_SECRET='{hidden['api_secret']}'" in file.text
    assert file.headers["Content-Disposition"] == 'attachment; filename="keywright.env"'
    assert file.headers["Cache-Control"] == "no-store"


async def test_a_form_that_cannot_be_is_shown_again_with_what_was_typed(house: House) -> None:
    """Nobody types a form twice because of one field; the field says what is wrong with it."""
    async with house.browsing(house.own.member) as browser:
        mark = await once(browser, "/keys/new")
        fields = {**NEW, "name": "live-odd", "allowed_ips": "300.1.2.3", "once": mark}
        answer = await browser.send("/keys/new", fields)

    assert answer.status_code == 422
    assert 'value="live-odd"' in answer.text
    assert "300.1.2.3" in answer.text


async def test_expiry_and_lists_are_kept(house: House) -> None:
    """What is chosen in the form is what the key has."""
    async with house.browsing(house.own.member) as browser:
        page = await created(
            browser,
            name="live-billing-report",
            scopes=["read-only", "read-write"],
            expiry="on",
            expires_on="2099-01-31",
            allowed_ips="192.0.2.7\n2001:db8::/32",
        )
        key_id = re.findall(r"/keys/(key_\w+)", page.text)[0]
        shown = words(await browser.get(f"/keys/{key_id}"))

    assert "Read-Only" in shown
    assert "Read/Write" in shown
    assert "192.0.2.7/32, 2001:db8::/32" in shown
    assert "2099-01-31 00:00 UTC" in shown


@pytest.mark.parametrize(
    ("query", "fits"),
    [
        ("q=invoices", True),
        ("q=nothing", False),
        ("type=pk", False),
        ("environment=test", True),
        ("state=revoked", False),
        ("sort=name&q=live", True),
    ],
)
async def test_keys_are_found(house: House, query: str, fits: bool) -> None:
    """Search and filters show the keys that fit, and say so when none does."""
    member = house.own.member
    for environment in ("live", "test"):
        new = NewKey(house.own.id, f"live-{environment}-invoices", environment=environment)
        _ = await house.services.keys.create(member.caller, new)
    async with house.browsing(member) as browser:
        answer = await browser.get(f"/keys?{query}")

    assert answer.status_code == 200
    assert ("test-invoices" in answer.text) is fits
    assert ("No key fits." in answer.text) is not fits


@pytest.mark.parametrize("query", ["state=odd", "sort=;drop", "cursor=AAAA", "unused_for=-1"])
async def test_an_odd_filter_is_told_not_guessed(house: House, query: str) -> None:
    """A filter that means nothing shows no keys at all, and says why."""
    async with house.browsing(house.own.member) as browser:
        answer = await browser.get(f"/keys?{query}")

    assert answer.status_code == 422
    assert 'role="alert"' in answer.text


async def test_all_keys_can_be_paged_through(house: House) -> None:
    """However many keys there are, each is reached by following 'More', once."""
    for number in range(30):
        new = NewKey(house.own.id, f"live-many-{number}")
        _ = await house.services.keys.create(house.own.member.caller, new)
    seen: list[str] = []
    async with house.browsing(house.own.member) as browser:
        path: str | None = "/keys?q=many"
        while path:
            page = (await browser.get(path)).text
            seen += re.findall(r'class="name"><a href="/keys/(\w+)"', page)
            found = re.search(r'href="([^"]+)" rel="next"', page)
            path = html.unescape(found[1]) if found else None

    assert len(seen) == len(set(seen)) == 30


async def test_the_life_of_a_key(house: House) -> None:
    """Rename, disable, enable, revoke and delete do what they say, and say what they did."""
    key = f"/keys/{house.own.ids['key_id']}"
    async with house.browsing(house.own.member) as browser:
        renamed = await followed(
            browser, await browser.send(f"{key}/rename", {"name": "live-dns-mirror"})
        )
        disabled = await followed(browser, await browser.send(f"{key}/disable"))
        enabled = await followed(browser, await browser.send(f"{key}/enable"))
        asked = words(await browser.get(f"{key}/revoke"))
        revoked = await followed(browser, await browser.send(f"{key}/revoke"))
        deleted = await followed(browser, await browser.send(f"{key}/delete"))
        listed = words(await browser.get("/keys"))

    assert "The key is called 'live-dns-mirror' now." in renamed
    assert "'live-dns-mirror' is disabled." in disabled
    assert "'live-dns-mirror' is enabled." in enabled
    assert "Nobody has used it yet." in asked
    assert re.search(r"is revoked\. (Enforced on|No worker is running)", revoked)
    assert "revoked and deleted" in deleted
    assert "live-dns-mirror" not in listed


async def test_a_row_of_the_table_is_renamed_in_its_place(house: House) -> None:
    """The form of a row changes the key of that row, and leads back to the very list that was looked at."""
    key = house.own.ids["key_id"]
    async with house.browsing(house.own.member) as browser:
        page = (await browser.get("/keys?sort=name")).text
        rows = re.findall(
            r'<form method="post" action="(/keys/key_\w+/rename)">([\s\S]*?)</form>', page
        )
        fields = dict(
            re.findall(r'name="(back|name)" value="([^"]*)"', dict(rows)[f"/keys/{key}/rename"])
        )
        fields = {**fields, "name": "live-dns-mirror"}
        sent = await browser.send(f"/keys/{key}/rename", fields)
        listed = words(await browser.get(sent.headers["Location"]))

    assert len(rows) == 2
    assert sent.headers["Location"] == "/keys?sort=name"
    assert "live-dns-mirror" in listed
    assert "Acme-spare" in listed


async def test_a_change_is_refused_when_somebody_was_faster(house: House) -> None:
    """Of two readers who change the same key, the second is told, and undoes nothing."""
    key = f"/keys/{house.own.ids['key_id']}"
    async with house.browsing(house.own.member) as browser:
        found = _VERSION.search((await browser.get(f"{key}/change")).text)
        assert found is not None
        stale = {"version": found[1], "name": "live-mine", "scopes": "read-only"}
        _ = await browser.send(f"{key}/rename", {"name": "live-theirs"})
        answer = await browser.send(f"{key}/change", stale)
        shown = words(await browser.get(key))

    assert answer.status_code in {409, 422}
    assert "was changed meanwhile" in words(answer)
    assert "live-theirs" in shown


async def test_a_rotation_shows_who_still_calls_and_ends_early(house: House) -> None:
    """A new secret once, the old one beside it with who uses it, and a button that ends it."""
    key = f"/keys/{house.own.ids['key_id']}"
    old = house.own.ids["secret_id"]
    async with house.browsing(house.own.member) as browser:
        mark = await once(browser, f"{key}/rotate")
        sent = await browser.send(f"{key}/rotate", {"once": mark, "overlap": "24h"})
        shown = await browser.get(sent.headers["Location"])
        rotation = words(await browser.get(f"{key}/rotation"))
        ended = await followed(browser, await browser.send(f"{key}/secrets/{old}/end"))

    assert _TOKEN.search(shown.text)
    assert "Who still calls with" in rotation
    assert "Nobody has used it since." in rotation
    assert "The old secret has ended." in ended
    assert "No old secret of this key goes on." in ended


async def test_a_viewer_is_offered_nothing_to_change(house: House) -> None:
    """Who may only look sees no button that would be refused."""
    viewer = await house.person(Role.VIEWER, house.own.id, name="Lin", email="lin@example.com")
    async with house.browsing(viewer) as browser:
        for path in ("/keys", f"/keys/{house.own.ids['key_id']}"):
            page = (await browser.get(path)).text

            assert ">Revoke<" not in page
            assert "New key" not in page
            assert ">Rename<" not in page


async def test_advice_on_a_name_comes_while_typing(house: House) -> None:
    """The form's script gets the same advice that the key would be shown with."""
    async with house.browsing(house.own.member) as browser:
        vague = await browser.get("/keys/new/advice?name=test&environment=live")
        clear = await browser.get("/keys/new/advice?name=live-billing-invoices&environment=live")

    assert "does not say what the key is for" in vague.json()["advice"]
    assert clear.json() == {"advice": None}
