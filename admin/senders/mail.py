"""E-mail: one message for each notice, in text and HTML, handed to the operator's mail server."""

__all__ = ["MailSender", "MailServer"]

import asyncio
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from typing import Final

import aiosmtplib
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from admin.core.notices.outcome import Done, Outcome, Parcel

_PERMANENT: Final = 500


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where it is and who we are there. `security` is `starttls`, `tls` or `none`."""

    host: str
    port: int
    sender: str
    security: str = "starttls"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    deadline_seconds: float = 30.0
    tls: ssl.SSLContext | None = field(default=None, repr=False)


class MailSender:
    """Sends by SMTP (RFC 5321); a connection for each message."""

    def __init__(self, server: MailServer, letter: str = "notice") -> None:
        """Nothing is connected yet. `letter` is what it looks like: `notice` or `invitation`."""
        self._server = server
        self._name, self._address = parseaddr(server.sender)
        self._domain = self._address.rpartition("@")[2]
        templates = Environment(
            loader=PackageLoader("admin.senders"),
            autoescape=select_autoescape(["html"]),
            undefined=StrictUndefined,
            keep_trailing_newline=True,
        )
        self._text = templates.get_template(f"{letter}.txt")
        self._html = templates.get_template(f"{letter}.html")

    async def send(self, parcel: Parcel) -> Outcome:
        """Hand it to the mail server once. Never raises for what the server says or does."""
        try:
            message = self.message(parcel)
        except (ValueError, MessageError):
            return Outcome(Done.REFUSED, "It cannot be written as an e-mail message.")
        try:
            async with asyncio.timeout(self._server.deadline_seconds):
                return await self._handed_over(message, parcel.recipients)
        except (aiosmtplib.SMTPException, OSError) as error:
            return _outcome(error)

    def message(self, parcel: Parcel) -> EmailMessage:
        """The message as it is sent. Raises ValueError for what no header can hold."""
        facts = {
            "title": parcel.title,
            "text": parcel.text,
            "kind": parcel.kind,
            "severity": parcel.severity,
            "at": datetime.fromtimestamp(int(parcel.at), UTC).strftime("%Y-%m-%d %H:%M UTC"),
        }
        message = EmailMessage(policy=SMTP)
        message["From"] = Address(_one_line(self._name), addr_spec=self._address)
        message["To"] = tuple(_address(each) for each in parcel.recipients)
        message["Subject"] = _one_line(parcel.title)
        message["Date"] = format_datetime(datetime.fromtimestamp(int(parcel.at), UTC))
        message["Message-ID"] = f"<{parcel.id}@{self._domain}>"
        # RFC 3834: no holiday notice is to come back.
        message["Auto-Submitted"] = "auto-generated"
        message["X-Auto-Response-Suppress"] = "All"
        message.set_content(self._text.render(facts))
        message.add_alternative(self._html.render(facts), subtype="html")
        return message

    async def _handed_over(self, message: EmailMessage, recipients: tuple[str, ...]) -> Outcome:
        server = self._server
        client = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            local_hostname=self._domain,
            use_tls=server.security == "tls",
            start_tls=server.security == "starttls",
            tls_context=server.tls,
            username=server.username,
            password=server.password,
            timeout=server.deadline_seconds,
        )
        async with client:
            refused, _ = await client.send_message(
                message, sender=self._address, recipients=list(recipients)
            )
        if refused:
            words = f"The mail server refused {len(refused)} of {len(recipients)} recipients."
            return Outcome(Done.DELIVERED, words)
        return Outcome(Done.DELIVERED, "The mail server has taken it.")


def _one_line(text: str) -> str:
    """`text` without anything that ends a header, or that a terminal would obey."""
    return "".join(char if char.isprintable() else " " for char in text).strip()


def _address(text: str) -> Address:
    local, _, domain = text.rpartition("@")
    return Address(username=local, domain=domain)


def _outcome(error: Exception) -> Outcome:
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        codes = [each.code for each in error.recipients]
        done = Done.REFUSED if min(codes, default=0) >= _PERMANENT else Done.FAILED
        return Outcome(done, "The mail server refused every recipient.", max(codes, default=None))
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return _answered(error)
    match error:
        case TimeoutError():
            words = "The mail server did not answer in time."
        case ssl.SSLError():
            words = "A TLS connection to the mail server could not be made."
        case aiosmtplib.SMTPConnectError() | aiosmtplib.SMTPServerDisconnected() | OSError():
            words = "The mail server could not be reached, or hung up."
        case _:
            words = f"The mail server does not do what is configured ({type(error).__name__})."
    return Outcome(Done.FAILED, words)


def _answered(error: aiosmtplib.SMTPResponseException) -> Outcome:
    match error:
        case aiosmtplib.SMTPAuthenticationError():
            words = "The mail server does not take the user name and password that are configured."
        case aiosmtplib.SMTPSenderRefused() | aiosmtplib.SMTPConnectResponseError():
            words = "The mail server does not take mail from us."
        case aiosmtplib.SMTPDataError() if error.code >= _PERMANENT:
            return Outcome(Done.REFUSED, f"The mail server answered {error.code}.", error.code)
        case _:
            words = f"The mail server answered {error.code}."
    return Outcome(Done.FAILED, words, error.code)
