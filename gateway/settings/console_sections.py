"""Settings of the console: how people reach it, how long they stay signed in, and who else may say who they are."""

__all__ = ["ConsoleSettings", "OidcSettings"]

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from gateway.settings.section import Section
from gateway.settings.values import Duration, Flag, WebUrl


def _origin(url: str) -> str:
    if url.count("/") > 2:  # noqa: PLR2004 -- those after the scheme
        raise ValueError('must be without a path, like "https://console.example.com"')
    return url


def _is_safe(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" or parts.hostname in {"localhost", "127.0.0.1", "::1"}


def _path(text: str) -> str:
    if not re.fullmatch(r"/[!-~]*", text):
        raise ValueError('must be a path of your API, like "/v1/dns/zones"')
    return text


class OidcSettings(Section):
    """A provider of OpenID Connect. Without an issuer people sign in by password only."""

    issuer: WebUrl | None = None
    client_id: str = ""
    client_secret: SecretStr | None = None
    name: Annotated[str, Field(min_length=1, max_length=60)] = "single sign-on"
    only: Flag = False

    @model_validator(mode="after")
    def _fits_together(self) -> "OidcSettings":
        if self.issuer is not None and not self.client_id:
            raise ValueError("an issuer needs a client_id: what the provider calls this console")
        if self.issuer is not None and not _is_safe(self.issuer):
            raise ValueError("the issuer must be https: who is in between could sign in as anybody")
        return self


class ConsoleSettings(Section):
    """The console, on the admin listener."""

    public_url: Annotated[WebUrl, AfterValidator(_origin)] | None = None
    api_url: WebUrl | None = None
    api_docs_url: WebUrl | None = None
    example_path: Annotated[str, AfterValidator(_path)] | None = None
    sign_in_life_seconds: Annotated[float, Duration("5m", "90d")] = 7 * 86_400.0
    sign_in_idle_seconds: Annotated[float, Duration("1m", "90d")] = 12 * 3600.0
    reauthenticate_after_seconds: Annotated[float, Duration("10s", "1d")] = 600.0
    second_factor_required_for: tuple[Literal["admin", "member", "viewer"], ...] = ()
    oidc: OidcSettings = OidcSettings()

    @model_validator(mode="after")
    def _fits_together(self) -> "ConsoleSettings":
        if self.oidc.issuer is not None and self.public_url is None:
            raise ValueError(
                "with oidc, say public_url: the address that the provider sends people back to"
            )
        return self
