"""Forms that another site makes a browser send, and cookies that it must not have (V03, V04, V21, V24)."""

from collections.abc import Mapping

import httpx

from admin.core.caller import Role
from admin.services.keys import NewKey
from tests.console.stand import ADMIN, NO_TLS, House

FORM = "application/x-www-form-urlencoded"


OURS, EVIL = "{ours}", "https://evil.example"
MULTIPART = '--x\r\nContent-Disposition: form-data; name="_csrf"\r\n\r\n{token}\r\n--x--\r\n'
# What is sent beside the victim's cookie, and the form itself.
FOREIGN: Mapping[str, tuple[Mapping[str, str], str]] = {
    "no token": ({"Origin": OURS}, ""),
    "wrong token": ({"Origin": OURS}, "_csrf=wrong"),
    "foreign origin": ({"Origin": EVIL}, "_csrf={token}"),
    "null origin": ({"Origin": "null"}, "_csrf={token}"),
    "no origin": ({}, "_csrf={token}"),
    "cross-site": ({"Origin": OURS, "Sec-Fetch-Site": "cross-site"}, "_csrf={token}"),
    "text/plain": ({"Origin": OURS, "Content-Type": "text/plain"}, "_csrf={token}"),
    "json": ({"Origin": OURS, "Content-Type": "application/json"}, "{{}}"),
    "multipart": (
        {"Origin": OURS, "Content-Type": "multipart/form-data; boundary=x"},
        MULTIPART,
    ),
}


async def test_form_from_elsewhere_changes_nothing(house: House) -> None:
    """With the victim's cookie and all, a form that no page of ours has sent is refused, and nothing is done."""
    async with house.browsing(house.own.member) as browser:
        token = await browser.csrf("/me")
        for name, (headers, body) in FOREIGN.items():
            sent = {field: text.format(ours=house.url) for field, text in headers.items()}
            answer = await browser.client.post(
                "/sign-out",
                content=body.format(token=token).encode(),
                headers={"Content-Type": FORM, **sent},
            )

            assert answer.status_code == 403, name
            assert (await browser.get("/me")).status_code == 200, name


async def test_token_of_another_visitor_is_refused(house: House) -> None:
    """Somebody's own forms do not work with another's cookie, and those from before signing in not after it."""
    async with house.browsing(house.admin) as one, house.browsing(house.own.member) as two:
        theirs = await one.csrf("/me")
        answer = await two.client.post(
            "/sign-out", data={"_csrf": theirs}, headers={"Origin": house.url}
        )

    assert answer.status_code == 403


async def test_sign_in_form_cannot_be_sent_from_elsewhere(house: House) -> None:
    """Nobody is signed in as somebody else without noticing (login CSRF)."""
    async with house.browsing() as browser:
        answer = await browser.client.post(
            "/sign-in",
            data={"email": "a@b.example", "password": "x"},
            headers={"Origin": "https://evil.example"},
        )

    assert answer.status_code == 403


async def test_no_site_may_read_us_with_credentials(house: House) -> None:
    """No answer allows another origin anything (V21)."""
    async with house.browsing(house.admin) as browser:
        for origin in ("https://evil.example", "null"):
            for path in ("/", "/sign-in", "/nothing", "/v1/me"):
                answer = await browser.get(path, Origin=origin)
                assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_cookies_under_tls(house: House) -> None:
    """Under TLS every cookie is Secure, of this host alone, and out of reach of scripts (V04)."""
    async with httpx.AsyncClient(base_url=house.url, verify=NO_TLS) as client:
        answer = await client.get("/sign-in", headers={"X-Forwarded-Proto": "https"})

    [cookie] = answer.headers.get_list("set-cookie")
    parts = {part.strip().partition("=")[0].lower() for part in cookie.split(";")[1:]}
    assert cookie.startswith("__Host-keywright-visitor=")
    assert {"secure", "httponly", "path", "samesite"} <= parts
    assert "domain" not in parts
    assert "samesite=lax" in cookie.lower()
    # 32 random bytes.
    assert len(cookie.split(";")[0].partition("=")[2]) >= 43


async def test_cookies_without_tls_are_out_of_reach_of_scripts(house: House) -> None:
    """On a developer's machine there is no TLS; everything else holds."""
    async with house.browsing() as browser:
        [cookie] = (await browser.get("/sign-in")).headers.get_list("set-cookie")

    assert "httponly" in cookie.lower()
    assert "samesite=lax" in cookie.lower()
    assert "secure" not in cookie.lower()


async def test_console_and_api_do_not_take_each_others_credentials(house: House) -> None:
    """A cookie opens no endpoint of the API, and neither a token nor a key opens a page (V24)."""
    made = await house.services.keys.create(ADMIN, NewKey(house.own.id, "a-dns-sync"))
    async with house.browsing(house.admin) as browser:
        assert (await browser.get("/v1/me")).status_code == 401
    async with house.browsing() as browser:
        for credential in (made.secret, "kwadmin_x"):
            answer = await browser.get("/me", Authorization=f"Bearer {credential}")
            assert answer.status_code == 401


async def test_console_has_no_permission_that_its_user_has_not(house: House) -> None:
    """A viewer's console is a viewer: what it is not offered it cannot send either."""
    viewer = await house.person(Role.VIEWER, house.own.id, name="Vi")
    async with house.browsing(viewer) as browser:
        answer = await browser.send(f"/users/{house.own.member.user.id}/invite")

    assert answer.status_code == 403
