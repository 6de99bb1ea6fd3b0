"""A link by which somebody chooses a password, sent by a real mail server."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.admin.notices.test_mail import Office
from tests.console.stand import PASSWORD, House, housed
from tests.console.test_keys import words


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """A mail server that is not open yet."""
    office = Office(tmp_path)
    yield office
    office.close()


@pytest_asyncio.fixture(loop_scope="session")
async def mailing(
    sql_url: str, valkey_url: str, tmp_path: Path, office: Office
) -> AsyncIterator[House]:
    """A console that hands e-mail to this server."""
    server = office.open()
    mail = {"host": "127.0.0.1", "port": server.port, "sender": server.sender, "security": "none"}
    async with housed(tmp_path, sql_url, valkey_url, notifications={"mail": mail}) as house:
        yield house


async def test_a_link_goes_to_its_user_and_works(mailing: House, office: Office) -> None:
    """What arrives names who invites and until when, and its link lets its reader choose a password, within an hour."""
    member = mailing.own.member
    async with mailing.browsing(mailing.admin) as admin, mailing.browsing() as browser:
        path = f"/users/{member.user.id}"
        assert f"Send it to {member.email}" in words(await admin.get(path))
        said = words(await admin.send(f"{path}/invite", {"by_mail": "yes", "life": "hour"}))
        [message] = office.postman.messages
        text = message.get_body(("plain",))
        assert text is not None
        link = next(line for line in text.get_content().splitlines() if "/invited/" in line)
        page = link.strip().removeprefix(mailing.url)
        fields = {"password": PASSWORD, "again": PASSWORD}
        chosen = await browser.send(page, fields, page=page)
        _ = await admin.send(f"{path}/invite", {"by_mail": "yes", "life": "hour"})
        late = office.postman.messages[1].get_body(("plain",))
        assert late is not None
        mailing.clock.advance(3601)
        over = next(line for line in late.get_content().splitlines() if "/invited/" in line)
        gone = await browser.get(over.strip().removeprefix(mailing.url))

    assert message["To"] == member.email
    assert "Grace invites you" in text.get_content()
    assert "It is on its way by e-mail." in said
    assert chosen.status_code == 303
    assert gone.status_code == 404


async def test_a_server_that_refuses_is_told_of(mailing: House, office: Office) -> None:
    """The link is there all the same, and its maker knows that they have to bring it themselves."""
    office.postman.answer = "554 no"
    async with mailing.browsing(mailing.admin) as admin:
        path = f"/users/{mailing.own.member.user.id}/invite"
        refused = await admin.send(path, {"by_mail": "yes"})
        unasked = await admin.send(path)

    assert "It did not go by e-mail." in words(refused)
    assert "/invited/" in refused.text
    assert "e-mail." not in words(unasked)
