"""Settings of notifications: where they may be sent, through which mail server, and how long it is tried."""

__all__ = ["MailSettings", "NotificationsSettings"]

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from gateway.settings.section import Section
from gateway.settings.values import Duration, Flag, HostName, Network, WholeNumber

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]{0,31}")
# One address, alone or behind a name: "Keywright <keys@example.com>".
_ADDRESS = r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?"
_SENDER = re.compile(rf"{_ADDRESS}|[^<>@\"\\,;:()\[\]\x00-\x1f\x7f]{{1,100}} <{_ADDRESS}>")


def _scheme(text: str) -> str:
    if _SCHEME.fullmatch(text) is None:
        raise ValueError('must be the beginning of an Apprise URL, like "slack" or "ntfys"')
    return text


def _sender(text: str) -> str:
    if _SENDER.fullmatch(text) is None:
        raise ValueError(
            'must be an e-mail address, like "keys@example.com" or "Keywright <keys@example.com>"'
        )
    return text


def _file(value: object) -> object:
    if isinstance(value, str) and (not value or "\x00" in value):
        raise ValueError('must be the path of a file, like "./ca.pem"')
    return Path(value) if isinstance(value, str) else value


class MailSettings(Section):
    """The mail server that takes our messages. Without a host no e-mail is sent."""

    host: HostName | None = None
    port: Annotated[WholeNumber, Field(ge=1, le=65535)] = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str | None = None
    password: SecretStr | None = None
    sender: Annotated[str, AfterValidator(_sender)] | None = None
    deadline_seconds: Annotated[float, Duration("1s", "5m")] = 30.0

    @model_validator(mode="after")
    def _fits_together(self) -> "MailSettings":
        if self.host is not None and self.sender is None:
            raise ValueError(
                'a mail server needs a sender; add sender: "Keywright <keys@example.com>"'
            )
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password belong together; give both, or neither")
        if self.password is not None and self.security == "none":
            raise ValueError("a password is sent over TLS only; set security to starttls or tls")
        return self


class NotificationsSettings(Section):
    """Who may be told of events, and how."""

    allow_http: Flag = False
    allow_networks: tuple[Network, ...] = ()
    ca_file: Annotated[Path, BeforeValidator(_file)] | None = None
    deadline_seconds: Annotated[float, Duration("1s", "60s")] = 15.0
    give_up_after_seconds: Annotated[float, Duration("1m", "7d")] = 86_400.0
    switch_off_after_seconds: Annotated[float, Duration("1h", "60d")] = 3 * 86_400.0
    keep_seconds: Annotated[float, Duration("1d", "3650d")] = 30 * 86_400.0
    concurrency: Annotated[WholeNumber, Field(ge=2, le=500)] = 32
    channels_per_account: Annotated[WholeNumber, Field(ge=1, le=1000)] = 20
    chat_schemes: tuple[Annotated[str, AfterValidator(_scheme)], ...] = ()
    mail: MailSettings = MailSettings()
