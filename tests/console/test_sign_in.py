"""Signing in by password, and what a sign-in is worth afterwards."""

import pytest

from admin.core.caller import Role
from admin.services.attempts import PER_ADDRESS
from admin.services.users import UserChange
from tests.console.stand import ADMIN, PASSWORD, House, Person

WRONG = "wrong horse battery staple"


@pytest.fixture
async def member(house: House) -> Person:
    """A member with a password."""
    return await house.person(Role.MEMBER, house.own.id, name="Lin", password=PASSWORD)


async def test_right_password_leads_where_the_reader_wanted_to_go(
    house: House, member: Person
) -> None:
    """Who signs in on the way to a page gets to that page."""
    async with house.browsing() as browser:
        answer = await browser.sign_in(member.email.upper(), next="/me?x=1")

        assert (answer.status_code, answer.headers["Location"]) == (303, "/me?x=1")
        assert (await browser.get("/me")).status_code == 200


async def test_a_refused_page_offers_to_sign_in_and_leads_back(house: House) -> None:
    """A link to a page still works for somebody who has to sign in first."""
    async with house.browsing() as browser:
        answer = await browser.get("/me?tab=2")

        assert answer.status_code == 401
        assert 'name="next" value="/me?tab=2"' in answer.text


async def test_wrong_password_and_unknown_address_read_the_same(
    house: House, member: Person
) -> None:
    """Nobody finds out by signing in who exists (V10)."""
    async with house.browsing() as browser:
        wrong = await browser.sign_in(member.email, WRONG)
        unknown = await browser.sign_in("nobody@example.com", WRONG)
        without = await browser.sign_in(house.own.member.email, PASSWORD)

    assert wrong.status_code == unknown.status_code == without.status_code == 401
    texts = [
        answer.text.replace(email, "").replace("autofocus", "")
        for answer, email in (
            (wrong, member.email),
            (unknown, "nobody@example.com"),
            (without, house.own.member.email),
        )
    ]
    # The request id and the form's token differ with each answer.
    assert len({len(text) for text in texts}) == 1
    assert browser.cookie == ""


async def test_no_sign_in_leads_to_another_host(house: House, member: Person) -> None:
    """What stands behind `next` never takes somebody who signs in to another site (V17)."""
    async with house.browsing() as browser:
        shown = await browser.get("/sign-in?next=//evil.example")
        answer = await browser.sign_in(member.email, next="//evil.example")

    assert "evil.example" not in shown.text
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")


async def test_cookie_from_before_is_worth_nothing(house: House, member: Person) -> None:
    """Who was made to use a cookie that somebody else knows is not signed in with that cookie (V05)."""
    planted = "A" * 43
    async with house.browsing() as browser:
        browser.client.cookies.set("keywright", planted, domain="127.0.0.1")
        await browser.sign_in(member.email)

        fresh = browser.client.cookies.jar
        tokens = {each.value or "" for each in fresh if each.name == "keywright"} - {planted}
    assert len(tokens) == 1
    assert len(tokens.pop()) >= 43
    async with house.browsing(Person(member.user, planted)) as attacker:
        assert (await attacker.get("/me")).status_code == 401


async def test_signing_in_again_ends_the_sign_in_before(house: House, member: Person) -> None:
    """A browser is signed in once: the cookie before the last sign-in ends with it."""
    async with house.browsing(member) as browser:
        await browser.sign_in(member.email)

    async with house.browsing(member) as earlier:
        assert (await earlier.get("/me")).status_code == 401


async def test_cookie_after_signing_out_is_worth_nothing(house: House, member: Person) -> None:
    """Signing out ends the sign-in itself, not only its cookie in this browser (V06)."""
    async with house.browsing(member) as browser:
        assert (await browser.send("/sign-out")).status_code == 303

    async with house.browsing(member) as replay:
        assert (await replay.get("/me")).status_code == 401


async def test_disabled_user_is_out_at_once(house: House, member: Person) -> None:
    """Who is disabled while signed in is refused at the next request, and cannot sign in again (V20)."""
    change = UserChange(status="disabled")
    await house.services.users.change(ADMIN, member.user.id, change)

    async with house.browsing(member) as browser:
        assert (await browser.get("/me")).status_code == 401
        assert (await browser.sign_in(member.email)).status_code == 401


async def test_change_of_role_counts_at_once_and_gives_another_cookie(house: House) -> None:
    """A cookie that was taken from a member is not worth an admin's rights later."""
    member = await house.person(Role.MEMBER, house.own.id, name="Lin")
    change = UserChange(role=Role.ADMIN)
    await house.services.users.change(ADMIN, member.user.id, change)

    async with house.browsing() as browser:
        sent = {"Cookie": f"keywright={member.token}"}
        answer = await browser.client.get("/me", headers=sent)
        fresh = answer.cookies["keywright"]

        assert answer.status_code == 200
        assert fresh != member.token
        assert (await browser.client.get("/me", headers=sent)).status_code == 401


@pytest.mark.parametrize(("seconds", "status"), [(11 * 3600, 200), (13 * 3600, 401)])
async def test_sign_in_ends_when_nobody_uses_it(house: House, seconds: float, status: int) -> None:
    """A browser that is left alone is signed out after the idle time."""
    house.clock.advance(seconds)

    async with house.browsing(house.admin) as browser:
        assert (await browser.get("/me")).status_code == status


async def test_sign_in_ends_after_its_life(house: House) -> None:
    """However much it is used, a sign-in ends after a week."""
    async with house.browsing(house.admin) as browser:
        for _ in range(15):
            assert (await browser.get("/me")).status_code == 200
            house.clock.advance(11 * 3600)
        house.clock.advance(4 * 3600)

        assert (await browser.get("/me")).status_code == 401


async def test_own_sign_ins_are_listed_and_ended(house: House) -> None:
    """Everybody sees where they are signed in, ends one or all others, and never somebody else's."""
    ada = await house.person(Role.MEMBER, house.own.id, password=PASSWORD)
    async with house.browsing(ada) as here, house.browsing() as there:
        await there.sign_in(ada.email)
        listed = await house.services.console.sign_ins.list(ada.caller)
        [other] = [each for each in listed if each.method == "password" and each.agent != "tests"]
        assert other.agent in (await here.get("/me")).text
        foreign = house.other.ids["sign_in_id"]

        assert (await here.send(f"/me/sign-ins/{foreign}/end")).status_code == 404
        assert (await here.send(f"/me/sign-ins/{other.id}/end")).status_code == 303
        assert (await there.get("/me")).status_code == 401
        await there.sign_in(ada.email)
        assert (await here.send("/me/sign-ins/end-others")).status_code == 303
        assert (await there.get("/me")).status_code == 401
        assert (await here.get("/me")).status_code == 200


async def test_password_change_needs_the_present_one_and_ends_all_others(house: House) -> None:
    """An open browser is not enough to change a password; who had it signs in no more, anywhere."""
    ada = await house.person(Role.MEMBER, house.own.id, password=PASSWORD)
    new = "five small blue kettles"
    async with house.browsing(ada) as here, house.browsing() as there:
        await there.sign_in(ada.email)
        fields = {"present": WRONG, "password": new, "again": new}
        refused = await here.send("/me/password", fields, page="/me")
        assert refused.status_code == 422
        assert "That is not your password." in refused.text

        changed = await here.send("/me/password", {**fields, "present": PASSWORD}, page="/me")

        assert changed.status_code == 303
        assert (await there.get("/me")).status_code == 401
        assert (await there.sign_in(ada.email)).status_code == 401
        assert (await there.sign_in(ada.email, new)).status_code == 303


@pytest.mark.parametrize(
    "password",
    ["short", "aaaaaaaaaaaaaaaa", "password1234", "lin.member", "memberacme12"],
)
async def test_first_guesses_are_no_passwords(house: House, password: str) -> None:
    """A password that is tried first by everybody cannot be chosen."""
    lin = await house.person(Role.MEMBER, house.own.id, name="Lin")
    async with house.browsing(lin) as browser:
        fields = {"password": password, "again": password}
        answer = await browser.send("/me/password", fields, page="/me")

    assert answer.status_code == 422


async def test_too_many_attempts_are_told_when_to_come_back(house: House) -> None:
    """An address that was wrong too often is told how long to wait, in words and in a field (V08)."""
    for _ in range(PER_ADDRESS):
        house.services.console.attempts.password_failed("x@example.com", "127.0.0.1", None)
    async with house.browsing() as browser:
        answer = await browser.sign_in("nobody@example.com")

    assert answer.status_code == 429
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert "Try again in" in answer.text
