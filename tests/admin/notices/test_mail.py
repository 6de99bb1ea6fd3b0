"""E-mail, through a real mail server."""

import asyncio
import email
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.core.caller import Role
from admin.core.notices.channel_words import ChannelKind
from admin.core.notices.outcome import Done, Parcel
from admin.core.notices.places import NetworkRules
from admin.senders.mail import MailSender, MailServer
from admin.services.accounts import AccountView
from admin.services.channel_rules import ChannelRules
from admin.services.channels import NewChannel
from admin.services.users import NewUser
from gateway.core.errors import Misuse
from tests.admin.notices.certificates import Authority
from tests.admin.notices.stand import Stand
from tests.admin.world import OPERATOR, World, caller_of
from tests.fixtures_sql import free_port

HOST = "127.0.0.1"

Authenticator = Callable[..., AuthResult]


@dataclass
class Postman:
    """What the mail server does with what it gets."""

    got: list[Envelope] = field(default_factory=list)
    refuses: dict[str, str] = field(default_factory=dict)
    answer: str = "250 OK"

    async def handle_RCPT(  # noqa: N802 -- as aiosmtpd calls it
        self,
        _server: SMTP,
        _session: Session,
        envelope: Envelope,
        address: str,
        _options: Any,  # noqa: ANN401
    ) -> str:
        if address in self.refuses:
            return self.refuses[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.answer.startswith("250"):
            self.got.append(envelope)
        return self.answer

    @property
    def messages(self) -> list[EmailMessage]:
        """What arrived, as a mail program reads it."""
        return [
            email.message_from_bytes(envelope.content or b"", policy=default)  # type: ignore[arg-type]
            for envelope in self.got
        ]


class Office:
    """A mail server of this test's own."""

    def __init__(self, folder: Path) -> None:
        self.postman = Postman()
        self.authority = Authority(folder)
        self.port = 0
        self.logins = 0
        self._running: list[Controller] = []

    def open(self, *, tls: str = "none", password: str | None = None) -> MailServer:
        """Start it; where it is, and how it wants to be spoken to."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.authority.certificate, self.authority.key)
        options: dict[str, Any] = {}
        if tls == "starttls":
            options = {"tls_context": context, "require_starttls": True}
        if password is not None:
            options |= {"authenticator": self._check(password)}
            # It does not notice that all of it is encrypted.
            options |= {"auth_require_tls": tls == "starttls", "auth_required": tls == "starttls"}
        self.port = free_port()
        controller = Controller(
            self.postman,
            hostname=HOST,
            port=self.port,
            ssl_context=context if tls == "tls" else None,
            server_hostname="mail.example.com",
            **options,
        )
        controller.start()
        self._running.append(controller)
        return MailServer(
            host="localhost",
            port=self.port,
            sender="Keywright <keys@example.com>",
            security=tls,
            username=None if password is None else "keywright",
            password=password,
            deadline_seconds=20.0,
            tls=ssl.create_default_context(cafile=str(self.authority.certificate)),
        )

    def _check(self, password: str) -> Authenticator:
        def check(*said: object) -> AuthResult:
            data = said[-1]
            fits = isinstance(data, LoginPassword) and data.password == password.encode()
            self.logins += fits
            return AuthResult(success=fits, handled=False)

        return check

    def close(self) -> None:
        """Stop all that was started."""
        for each in self._running:
            each.stop()


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """A mail server that is not open yet."""
    office = Office(tmp_path)
    yield office
    office.close()


def parcel(title: str = "Key ci was revoked", to: tuple[str, ...] = ("ada@example.com",)) -> Parcel:
    """Something to send."""
    return Parcel(
        id="dlv_0123456789abcdef",
        kind="key.revoked",
        severity="critical",
        title=title,
        text="ada revoked <b>ci</b> for good.\nIts requests are refused.",
        body="{}",
        at=1_800_000_000.0,
        recipients=to,
    )


async def test_a_message_arrives_in_text_and_html(office: Office) -> None:
    """Whoever reads mail as text, and whoever reads it with pictures, reads the same, and nothing in it is markup."""
    outcome = await MailSender(office.open()).send(parcel(to=("ada@example.com", "bo@example.com")))
    (message,) = office.postman.messages
    text = message.get_body(("plain",))
    html = message.get_body(("html",))

    assert outcome.done is Done.DELIVERED
    assert office.postman.got[0].mail_from == "keys@example.com"
    assert office.postman.got[0].rcpt_tos == ["ada@example.com", "bo@example.com"]
    assert message["Subject"] == "Key ci was revoked"
    assert message["From"] == "Keywright <keys@example.com>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Message-ID"] == "<dlv_0123456789abcdef@example.com>"
    assert text is not None
    assert html is not None
    assert "ada revoked <b>ci</b> for good." in text.get_content()
    assert "ada revoked &lt;b&gt;ci&lt;/b&gt; for good." in html.get_content()


@pytest.mark.parametrize(
    "title",
    [
        "a\r\nBcc: victim@example.com",
        "a\nBcc: victim@example.com\n\nbody",
        "a\x00b\x1b[2Jc",
        "a\u2028Bcc: victim@example.com",
        "ü" * 150,
    ],
)
async def test_nothing_in_a_title_becomes_a_field(office: Office, title: str) -> None:
    """Whatever somebody called their key, the message has the fields that we gave it."""
    outcome = await MailSender(office.open()).send(parcel(title))
    (message,) = office.postman.messages

    assert outcome.done is Done.DELIVERED
    assert message["Bcc"] is None
    assert office.postman.got[0].rcpt_tos == ["ada@example.com"]
    fields = {name.lower() for name in message if not name.lower().startswith("x-")}
    assert fields == {
        *("from", "to", "subject", "date", "message-id"),
        *("auto-submitted", "mime-version", "content-type"),
    }


@pytest.mark.parametrize("tls", ["starttls", "tls"])
async def test_mail_goes_over_tls_with_a_password(office: Office, tls: str) -> None:
    """A server that asks for TLS and a password gets both."""
    outcome = await MailSender(office.open(tls=tls, password="of-this-test")).send(parcel())

    assert outcome.done is Done.DELIVERED, outcome
    assert (office.logins, len(office.postman.got)) == (1, 1)


async def test_a_wrong_password_is_told_and_tried_again(office: Office) -> None:
    """Once the operator has corrected it, what waits is sent."""
    server = office.open(tls="starttls", password="of-this-test")
    wrong = MailServer(
        host=server.host,
        port=server.port,
        sender=server.sender,
        username="keywright",
        password="another",
        tls=server.tls,
    )
    outcome = await MailSender(wrong).send(parcel())

    assert (outcome.done, outcome.status) == (Done.FAILED, 535)
    assert "another" not in repr(wrong) + outcome.detail


async def test_nothing_is_sent_when_the_server_cannot_encrypt(office: Office) -> None:
    """A server, or somebody on the way, that says nothing of STARTTLS gets no message."""
    server = office.open()
    outcome = await MailSender(
        MailServer(host=HOST, port=server.port, sender=server.sender, security="starttls")
    ).send(parcel())

    assert outcome.done is Done.FAILED
    assert office.postman.got == []


async def test_a_certificate_that_nobody_knows_is_not_believed(office: Office) -> None:
    """Mail is handed to the server that was meant."""
    server = office.open(tls="tls")
    outcome = await MailSender(
        MailServer(host="localhost", port=server.port, sender=server.sender, security="tls")
    ).send(parcel())

    assert outcome.done is Done.FAILED
    assert office.postman.got == []


@pytest.mark.parametrize(
    ("refuses", "answer", "done"),
    [
        pytest.param({"ada@example.com": "550 unknown"}, "250 OK", Done.REFUSED, id="unknown"),
        pytest.param({"ada@example.com": "450 later"}, "250 OK", Done.FAILED, id="greylisted"),
        pytest.param({}, "554 spam", Done.REFUSED, id="message-refused"),
        pytest.param({}, "451 later", Done.FAILED, id="message-later"),
        pytest.param({"bo@example.com": "550 no"}, "250 OK", Done.DELIVERED, id="one-of-two"),
    ],
)
async def test_what_the_server_says_decides(
    office: Office, refuses: dict[str, str], answer: str, done: Done
) -> None:
    """What is refused for good is not tried again; what is refused for now, is."""
    server = office.open()
    office.postman.refuses, office.postman.answer = refuses, answer
    to = (
        ("ada@example.com", "bo@example.com")
        if "bo@example.com" in refuses
        else ("ada@example.com",)
    )
    outcome = await MailSender(server).send(parcel(to=to))

    assert outcome.done is done


async def test_a_server_that_is_away_or_hangs_is_a_failure(office: Office) -> None:
    """Nobody waits for a mail server longer than its deadline."""
    away = MailServer(host=HOST, port=free_port(), sender="a@example.com", security="none")
    hold = asyncio.Event()

    async def silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await hold.wait()
        writer.close()

    server = await asyncio.start_server(silent, HOST, 0)
    hangs = MailServer(
        host=HOST,
        port=server.sockets[0].getsockname()[1],
        sender="a@example.com",
        security="none",
        deadline_seconds=0.5,
    )
    outcomes = [await MailSender(each).send(parcel()) for each in (away, hangs)]
    hold.set()
    server.close()

    assert [each.done for each in outcomes] == [Done.FAILED, Done.FAILED]


async def test_an_event_becomes_a_message(
    sql_engine: AsyncEngine, office: Office, account: AccountView
) -> None:
    """From the event to the mailbox of a user of the account; a member cannot have mail sent to strangers."""
    await World(sql_engine).users.create(
        OPERATOR,
        NewUser(email="ada@example.com", name="Ada", role=Role.MEMBER, account_id=account.id),
    )
    rules = ChannelRules(NetworkRules(), has_mail_server=True)
    stand = Stand(sql_engine, {ChannelKind.EMAIL: MailSender(office.open())}, rules=rules)
    member = caller_of(Role.MEMBER, account.id)
    await stand.channels.create(
        member, NewChannel(kind="email", name="me", recipients=["Ada@example.com"])
    )
    with pytest.raises(Misuse, match="none of them"):
        await stand.channels.create(
            member, NewChannel(kind="email", name="x", recipients=["victim@example.org"])
        )
    await stand.tell("key.created", account.id)
    await stand.tell("access.disabled", account.id, reason="invoice")
    await stand.deliver()

    (message,) = office.postman.messages
    assert message["Subject"] == "API access was switched off"
    assert message["To"] == "ada@example.com"
