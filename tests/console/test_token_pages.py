"""Admin tokens in the console: made, shown once, used, and revoked."""

import re

from admin.core.caller import Role
from tests.console.stand import PASSWORD, House
from tests.console.test_keys import followed, once, words

_SECRET = re.compile(r'data-secret="(kwadmin_\w+)"')


async def test_a_token_is_shown_once_and_works_until_it_is_revoked(house: House) -> None:
    """It opens the admin API with exactly what was ticked; pressed twice it is one; after its end it opens nothing."""
    async with house.browsing(house.admin) as browser, house.browsing() as program:
        fields = {
            "once": await once(browser, "/tokens"),
            "name": "deploy pipeline",
            "role": "member",
            "account": house.own.id,
            "permissions": ["keys:read", "keys:write"],
            "expires_in": "30d",
        }
        sent = await browser.send("/tokens", fields)
        again = await browser.send("/tokens", fields)
        shown = await browser.get(sent.headers["Location"])
        gone = await browser.get(sent.headers["Location"])
        [secret] = _SECRET.findall(shown.text)
        held = {"Authorization": f"Bearer {secret}"}
        me = (await program.get("/v1/me", **held)).json()
        listed = (await browser.get("/tokens")).text
        [revoke] = set(re.findall(r'href="(/tokens/tok_\w+/revoke)">Revoke<[^>]+> deploy', listed))
        asked = words(await browser.get(revoke))
        ended = await followed(browser, await browser.send(revoke))

        assert (await program.get("/v1/me", **held)).status_code == 401
    assert sent.headers["Location"] == again.headers["Location"]
    assert shown.headers["Cache-Control"] == "no-store"
    assert gone.status_code == 404
    assert secret not in listed
    assert (me["account"], me["permissions"]) == (house.own.id, ["keys:read", "keys:write"])
    assert "Revoke \u201cdeploy pipeline\u201d?" in asked
    assert "'deploy pipeline' is revoked" in ended


async def test_a_token_that_cannot_be_is_told(house: House) -> None:
    """A member's token without an account, and an admin's with one, are told of, and nothing is made."""
    async with house.browsing(house.admin) as browser:
        for fields in ({"role": "member"}, {"role": "admin", "account": house.own.id}):
            mark = await once(browser, "/tokens")
            answer = await browser.send("/tokens", {"once": mark, "name": "odd", **fields})

            assert answer.status_code == 422
            assert 'role="alert"' in answer.text
        assert ">odd<" not in (await browser.get("/tokens")).text


async def test_making_a_token_asks_who_it_is(house: House) -> None:
    """Whoever finds an open browser takes no token away with them."""
    grace = await house.person(Role.ADMIN, name="Hopper", password=PASSWORD)
    house.clock.advance(601)
    async with house.browsing(grace) as browser:
        fields = {"once": await once(browser, "/tokens"), "name": "mine", "role": "admin"}
        asked = await browser.send("/tokens", fields)
        made = await browser.send("/tokens", {**fields, "_password": PASSWORD})

    assert "Is it still you?" in asked.text
    assert made.headers["Location"].startswith("/tokens/made/")
