"""Links that let somebody in: to set up, and to choose a password."""

from admin.core.caller import Role
from admin.services.entry_links import INVITATION_SECONDS, SET_UP_SECONDS
from tests.console.stand import PASSWORD, House

ADA = {"name": "Ada", "email": "ada@example.com", "password": PASSWORD, "again": PASSWORD}


async def test_set_up_link_works_once_and_while_nobody_can_sign_in(house: House) -> None:
    """The first admin comes by the printed link; after that neither it nor another printed earlier lets anybody in."""
    links = house.services.console.entry_links
    first, second = await links.to_set_up(), await links.to_set_up()
    async with house.browsing() as browser:
        page = f"/set-up/{first}"
        different = await browser.send(page, {**ADA, "again": "x"}, page=page)
        assert different.status_code == 422
        done = await browser.send(page, ADA, page=page)
        assert done.status_code == 303
        assert (await browser.get("/users")).status_code == 200

        assert await links.to_set_up() is None
        for token in (first, second, "", "x" * 43):
            assert (await browser.get(f"/set-up/{token or 'none'}")).status_code == 404


async def test_set_up_link_ends_after_an_hour(house: House) -> None:
    """A link in an old log lets nobody in."""
    token = await house.services.console.entry_links.to_set_up()
    house.clock.advance(SET_UP_SECONDS + 1)
    async with house.browsing() as browser:
        answer = await browser.send(f"/set-up/{token}", ADA, page="/sign-in")

    assert answer.status_code == 404
    assert not await house.services.console.passwords.proofs("ada@example.com")


async def test_set_up_takes_over_an_admin_without_password(house: House) -> None:
    """An admin that a command made gets their password by the link; a member's address does not make an admin."""
    links = house.services.console.entry_links
    token = await links.to_set_up()
    async with house.browsing() as browser:
        page = f"/set-up/{token}"
        refused = await browser.send(page, {**ADA, "email": house.own.member.email}, page=page)
        assert refused.status_code == 422
        done = await browser.send(page, {**ADA, "email": house.admin.email}, page=page)

        assert done.status_code == 303
        assert house.admin.user.name in (await browser.get("/me")).text


async def test_invitation_works_once_and_ends_the_one_before(house: House) -> None:
    """Who an admin has invited chooses a password by the last link, once."""
    links = house.services.console.entry_links
    member = house.own.member
    async with house.browsing(house.admin) as admin:
        shown = await admin.send(f"/users/{member.user.id}/invite")
        assert shown.headers["Cache-Control"] == "no-store"
    first = shown.text.partition("/invited/")[2].partition("<")[0]
    second = (await links.invite(house.admin.caller, member.user.id)).token
    fields = {"password": PASSWORD, "again": PASSWORD}
    async with house.browsing() as browser:
        assert (await browser.get(f"/invited/{first}")).status_code == 404
        page = f"/invited/{second}"
        weak = await browser.send(page, {"password": "x", "again": "x"}, page=page)
        assert weak.status_code == 422
        assert (await browser.send(page, fields, page=page)).status_code == 303
        assert (await browser.get(page)).status_code == 404
        assert (await browser.sign_in(member.email)).status_code == 303
    # Wherever they were signed in before is over: the link may have been made because of that.
    async with house.browsing(member) as before:
        assert (await before.get("/me")).status_code == 401


async def test_invitation_ends_after_three_days_and_with_its_user(house: House) -> None:
    """A link that lies about in a mailbox is of no use later."""
    links = house.services.console.entry_links
    token = (await links.invite(house.admin.caller, house.own.member.user.id)).token
    house.clock.advance(INVITATION_SECONDS + 1)

    assert await links.invited(token) is None


async def test_housekeeping_takes_out_what_is_over(house: House) -> None:
    """Old links and sign-ins do not pile up."""
    await house.services.console.entry_links.to_set_up()
    lin = await house.person(Role.MEMBER, house.own.id, name="Lin")
    house.clock.advance(13 * 3600)
    await house.services.housekeeping.once()

    assert await house.services.console.sign_ins.recognise(lin.token) is None
