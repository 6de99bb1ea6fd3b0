"""Signing in by OpenID Connect, with a real provider that also lies."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import pytest_asyncio

from tests.console.oidc_provider import CLIENT, SECRET, LittleProvider, providing
from tests.console.stand import NO_TLS, Browsing, House, housed
from tests.doubles import ManualClock
from tests.fixtures_sql import free_port


@pytest.fixture
def clock() -> ManualClock:
    """One time for the console and the provider."""
    return ManualClock()


@pytest_asyncio.fixture(loop_scope="session")
async def provider(clock: ManualClock) -> AsyncIterator[LittleProvider]:
    """A provider that lets everybody in."""
    async with providing(clock) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def linked(
    sql_url: str, valkey_url: str, tmp_path: Path, clock: ManualClock, provider: LittleProvider
) -> AsyncIterator[House]:
    """A console that trusts the provider."""
    port = free_port()
    console = {
        "public_url": f"http://127.0.0.1:{port}",
        "oidc": {
            "issuer": provider.url,
            "client_id": CLIENT,
            "client_secret": SECRET,
            "name": "Example Login",
        },
    }
    async with housed(
        tmp_path, sql_url, valkey_url, clock=clock, port=port, console=console
    ) as house:
        member = house.own.member
        provider.person = {"sub": "s-1", "email": member.email.upper(), "email_verified": True}
        yield house


async def to_provider(browser: Browsing, path: str = "/sign-in/with") -> str:
    """Where the provider sends the browser back to."""
    asked = await browser.get(path)
    assert asked.status_code == 303
    async with httpx.AsyncClient(verify=NO_TLS) as elsewhere:
        answer = await elsewhere.get(asked.headers["Location"])
    return str(answer.headers["Location"])


async def signed_in_by(browser: Browsing, path: str = "/sign-in/with") -> httpx.Response:
    """The answer to coming back."""
    return await browser.client.get(await to_provider(browser, path))


async def test_known_address_gets_in(linked: House, provider: LittleProvider) -> None:
    """Who the provider knows by the address of a user here is that user, and gets where they wanted to go."""
    async with linked.browsing() as browser:
        assert "Sign in with Example Login" in (await browser.get("/me")).text
        answer = await signed_in_by(browser, "/sign-in/with?next=/me")

        assert (answer.status_code, answer.headers["Location"]) == (303, "/me")
        assert linked.own.member.user.name in (await browser.get("/me")).text
    asked = provider.asked[0]
    assert len(asked["state"]) >= 43
    assert len(asked["nonce"]) >= 43
    assert len(asked["code_challenge"]) == 43


async def test_known_by_the_id_afterwards(linked: House, provider: LittleProvider) -> None:
    """An address that changes, or changes hands, at the provider makes nobody somebody else."""
    async with linked.browsing() as browser:
        await signed_in_by(browser)
    provider.person |= {"email": linked.admin.email}
    async with linked.browsing() as browser:
        await signed_in_by(browser)
        assert linked.own.member.user.name in (await browser.get("/me")).text
    provider.person = {"sub": "s-2", "email": linked.own.member.email, "email_verified": True}
    async with linked.browsing() as browser:
        assert (await signed_in_by(browser)).status_code == 403


STRANGERS: tuple[tuple[dict[str, Any], str], ...] = (
    ({"email_verified": False}, "has not checked your e-mail address"),
    ({"email_verified": None}, "has not checked your e-mail address"),
    ({"email_verified": "true"}, "has not checked your e-mail address"),
    ({"email": "nobody@example.com"}, "Nobody here has your e-mail address"),
)


async def test_strangers_stay_outside(linked: House, provider: LittleProvider) -> None:
    """Nobody becomes a user by signing in, nor by an address that the provider has not checked."""
    known = provider.person
    async with linked.browsing() as browser:
        for person, words in STRANGERS:
            provider.person = {**known, **person}
            answer = await signed_in_by(browser)

            assert answer.status_code == 403, person
            assert words in answer.text
        assert browser.cookie == ""


async def test_no_lie_is_believed(linked: House, provider: LittleProvider) -> None:
    """A token for another, from another, for another question, too old, or not signed by the provider opens nothing."""
    now = int(linked.clock.now())
    lies: list[dict[str, Any]] = [
        {"nonce": "of another question"},
        {"nonce": None},
        {"iss": "https://evil.example"},
        {"aud": "somebody else"},
        {"aud": [CLIENT, "somebody else"], "azp": "somebody else"},
        {"exp": now - 120},
        {"exp": None},
        {"iat": now + 600},
        {"sub": None},
    ]
    async with linked.browsing() as browser:
        for lie in lies:
            provider.lies = lie
            assert (await signed_in_by(browser)).status_code == 403, lie
        provider.lies = {}
        provider.is_signed_by_another = True
        assert (await signed_in_by(browser)).status_code == 403
        provider.is_signed_by_another = False
        for algorithm in ("HS256", "none"):
            provider.algorithm = algorithm
            assert (await signed_in_by(browser)).status_code == 403, algorithm

        assert browser.cookie == ""


async def test_answer_counts_in_the_browser_that_asked_once(linked: House) -> None:
    """A link with somebody's code signs nobody else in, and works neither twice nor with another state."""
    async with linked.browsing() as browser, linked.browsing() as victim:
        back = await to_provider(browser)
        assert (await victim.client.get(back)).status_code == 403
        code = parse_qs(urlsplit(back).query)["code"][0]
        await to_provider(victim)
        mixed = await victim.get(f"/sign-in/with/done?code={code}&state=guessed")
        assert mixed.status_code == 403
        assert (await browser.client.get(back)).status_code == 303
        assert (await browser.client.get(back)).status_code == 403


async def test_answer_of_another_provider_is_refused(linked: House) -> None:
    """An answer that says that it is another provider's is not mixed up with ours (RFC 9207)."""
    async with linked.browsing() as browser:
        back = await to_provider(browser)
        mixed = back.rpartition("&iss=")[0] + "&iss=https%3A%2F%2Fevil.example"

        assert (await browser.client.get(mixed)).status_code == 403


async def test_late_answer_is_refused(linked: House) -> None:
    """What was begun in the morning is not ended in the evening by whoever sits there."""
    async with linked.browsing() as browser:
        back = await to_provider(browser)
        linked.clock.advance(601)

        assert (await browser.client.get(back)).status_code == 403


async def test_showing_again_who_one_is(linked: House, provider: LittleProvider) -> None:
    """Without a password the provider is asked before something dangerous, and must have asked the person."""
    async with linked.browsing() as browser:
        await signed_in_by(browser)
        linked.clock.advance(601)
        asked = await browser.send("/me/second-factor", page="/me")
        assert "Go on with Example Login" in asked.text
        provider.lies = {"auth_time": int(linked.clock.now()) - 601}
        assert (await signed_in_by(browser, "/sign-in/with?again=1")).status_code == 403
        provider.lies = {}
        await signed_in_by(browser, "/sign-in/with?again=1")

        begun = await browser.send("/me/second-factor", page="/me")
        assert begun.headers["Location"] == "/me/second-factor"
        assert provider.asked[-1]["prompt"] == "login"


async def test_provider_that_is_away_is_said_to_be(linked: House, provider: LittleProvider) -> None:
    """An outage elsewhere is told as one, and passwords go on."""
    provider.is_away = True
    async with linked.browsing() as browser:
        answer = await browser.get("/sign-in/with")
        assert answer.status_code == 503
        assert "Retry-After" in answer.headers
        provider.is_away = False
        assert (await browser.get("/sign-in/with")).status_code == 303
