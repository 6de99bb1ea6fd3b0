"""A second factor: added, asked for, lost, and removed."""

import re

import pyotp
import pytest

from admin.core.caller import Role
from admin.services.attempts import PER_CODE
from tests.console.stand import PASSWORD, Browsing, House, Person

_SECRET = re.compile(r'<code id="secret"[^>]*>([A-Z2-7 ]+)</code>')


@pytest.fixture
async def ada(house: House) -> Person:
    """Somebody with a password."""
    return await house.person(Role.MEMBER, house.own.id, password=PASSWORD)


class App:
    """An authenticator app."""

    def __init__(self, house: House, secret: str) -> None:
        self._house = house
        self._totp = pyotp.TOTP(secret)

    @property
    def code(self) -> str:
        """What it shows now."""
        return self._totp.at(int(self._house.clock.now()))

    @property
    def wrong(self) -> str:
        """Six digits that it does not show around now."""
        now = int(self._house.clock.now())
        near = {self._totp.at(now + beside) for beside in (-60, -30, 0, 30, 60)}
        return next(f"{n:06}" for n in range(len(near) + 1) if f"{n:06}" not in near)


async def added(house: House, browser: Browsing) -> tuple[App, list[str]]:
    """A second factor, added by the pages; the app, and the recovery codes."""
    begun = await browser.send("/me/second-factor", page="/me")
    assert begun.headers["Location"] == "/me/second-factor"
    shown = _SECRET.search((await browser.get("/me/second-factor")).text)
    assert shown is not None
    app = App(house, shown[1].replace(" ", ""))
    confirmed = await browser.send(
        "/me/second-factor/confirm", {"code": app.code}, page="/me/second-factor"
    )
    assert confirmed.status_code == 200
    codes = re.findall(r"<li>([A-Z2-9-]{19})</li>", confirmed.text)
    house.clock.advance(30)
    return app, codes


async def with_code(browser: Browsing, who: Person, code: str) -> int:
    """The status of signing in with the password and this code: 303 is in."""
    first = await browser.sign_in(who.email)
    assert first.headers["Location"] == "/sign-in/code"
    answer = await browser.send("/sign-in/code", {"code": code}, page="/sign-in/code")
    return answer.status_code


async def test_code_is_asked_for_and_good_once(house: House, ada: Person) -> None:
    """With a second factor the password alone opens nothing, and a code that was read over a shoulder is used up."""
    async with house.browsing(ada) as here, house.browsing() as there:
        app, codes = await added(house, here)
        assert len(codes) == len(set(codes)) == 10
        await there.sign_in(ada.email)
        assert (await there.get("/me")).status_code == 401
        wrong = await there.send("/sign-in/code", {"code": app.wrong}, page="/sign-in/code")
        assert wrong.status_code == 401
        code = app.code
        assert await with_code(there, ada, f"{code[:3]} {code[3:]}") == 303
        assert (await there.get("/me")).status_code == 200

        async with house.browsing() as replay:
            assert await with_code(replay, ada, code) == 401


async def test_recovery_code_is_good_once(house: House, ada: Person) -> None:
    """Who has lost the phone gets in by a recovery code, and a found list of used ones opens nothing."""
    async with house.browsing(ada) as here, house.browsing() as there:
        _, codes = await added(house, here)

        assert await with_code(there, ada, codes[0].lower()) == 303
        assert await with_code(there, ada, codes[0]) == 401
        assert await with_code(there, ada, codes[1].replace("-", " ")) == 303
        assert "8 recovery codes left" in (await there.get("/me")).text


async def test_recovery_codes_are_renewed(house: House, ada: Person) -> None:
    """A list that may have been seen can be made worthless."""
    async with house.browsing(ada) as here, house.browsing() as there:
        _, before = await added(house, here)
        renewed = await here.send("/me/recovery-codes", page="/me")
        after = re.findall(r"<li>([A-Z2-9-]{19})</li>", renewed.text)

        assert await with_code(there, ada, before[0]) == 401
        assert await with_code(there, ada, after[0]) == 303


async def test_codes_bear_few_guesses(house: House, ada: Person) -> None:
    """Who knows the password cannot try all codes; who has signed in with that browser before still gets in."""
    async with house.browsing(ada) as here, house.browsing() as thief, house.browsing() as owner:
        app, codes = await added(house, here)
        assert await with_code(owner, ada, codes[0]) == 303
        await thief.sign_in(ada.email)
        for _ in range(PER_CODE):
            answer = await thief.send("/sign-in/code", {"code": app.wrong}, page="/sign-in/code")
            assert answer.status_code == 401
        answer = await thief.send("/sign-in/code", {"code": app.code}, page="/sign-in/code")
        assert answer.status_code == 429
        assert int(answer.headers["Retry-After"]) > 60

        assert await with_code(owner, ada, app.code) == 303


async def test_half_a_sign_in_does_not_last(house: House, ada: Person) -> None:
    """A window that was left at the second step is of no use to whoever finds it later."""
    async with house.browsing(ada) as here, house.browsing() as there:
        app, _ = await added(house, here)
        await there.sign_in(ada.email)
        token = await there.csrf("/sign-in/code")
        house.clock.advance(301)
        answer = await there.client.post(
            "/sign-in/code",
            data={"_csrf": token, "code": app.code},
            headers={"Origin": house.url},
        )

        assert answer.headers["Location"] == "/sign-in"
        assert (await there.get("/me")).status_code == 401


async def test_adding_one_ends_other_sign_ins(house: House, ada: Person) -> None:
    """Whoever got in without the second factor is out once there is one."""
    async with house.browsing() as there:
        await there.sign_in(ada.email)
        async with house.browsing(ada) as here:
            await added(house, here)

        assert (await there.get("/me")).status_code == 401


async def test_wrong_first_code_adds_nothing(house: House, ada: Person) -> None:
    """Nobody locks themselves out by a secret that their app has not got right."""
    async with house.browsing(ada) as here:
        await here.send("/me/second-factor", page="/me")
        shown = _SECRET.search((await here.get("/me/second-factor")).text)
        assert shown is not None
        wrong = App(house, shown[1].replace(" ", "")).wrong
        answer = await here.send(
            "/me/second-factor/confirm", {"code": wrong}, page="/me/second-factor"
        )
        assert answer.status_code == 422

    async with house.browsing() as there:
        assert (await there.sign_in(ada.email)).headers["Location"] == "/"


async def test_picture_is_a_picture_and_kept_by_nobody(house: House, ada: Person) -> None:
    """The QR code comes as an image of its own, which no cache keeps."""
    async with house.browsing(ada) as here:
        await here.send("/me/second-factor", page="/me")
        picture = await here.get("/me/second-factor/code.svg")

    assert picture.headers["Content-Type"] == "image/svg+xml"
    assert picture.headers["Cache-Control"] == "no-store"
    assert picture.text.startswith("<svg")
    assert "style=" not in picture.text


async def test_admin_removes_one_that_is_lost(house: House, ada: Person) -> None:
    """Somebody without phone and codes gets in again by an admin, who had to prove who they are."""
    async with house.browsing(ada) as here:
        await added(house, here)
    async with house.browsing(house.admin) as admin:
        path = f"/users/{ada.user.id}/second-factor/remove"
        assert (await admin.send(path)).status_code == 303

    async with house.browsing() as there:
        assert (await there.sign_in(ada.email)).headers["Location"] == "/"
