"""What both clients need to reach the server: address, token, deadlines, and the words for a connection that fails."""

__all__ = ["Bearer", "Deadlines", "base_url", "headers", "unreachable"]

import importlib.metadata
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import httpx
from pydantic import SecretStr

from admin.client.call import Call
from admin.client.faults import Unreachable

# None of these has sent anything.
_NOT_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)
# What grows with the installation rather than with the request.
_LONG = frozenset({"audit.verify", "keys.import"})


class Bearer(httpx.Auth):
    """Adds the token to each request, and shows it nowhere else."""

    def __init__(self, token: str | SecretStr) -> None:
        """Raises ValueError for a token that no header could carry; the text does not hold it."""
        text = token.get_secret_value() if isinstance(token, SecretStr) else token
        text = text.strip()
        if not text or not text.isascii() or not text.isprintable() or " " in text:
            raise ValueError("The token is none: it begins with 'kwadmin_' and has no spaces.")
        self._token = SecretStr(text)

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """As httpx calls it."""
        request.headers["Authorization"] = f"Bearer {self._token.get_secret_value()}"
        yield request


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long a silence may last, in seconds."""

    answer: float
    connect: float = 5.0
    long: float = 600.0

    def of(self, call: Call[Any]) -> httpx.Timeout:
        """Those of one call."""
        answer = max(self.answer, self.long) if call.endpoint.name in _LONG else self.answer
        return httpx.Timeout(answer, connect=min(self.connect, self.answer))

    def of_streams(self) -> httpx.Timeout:
        """Those of what comes piece by piece: a tail says something every ten seconds."""
        return httpx.Timeout(max(self.answer, 30.0), connect=min(self.connect, self.answer))


def base_url(text: str) -> httpx.URL:
    """The API's address, as `http://127.0.0.1:8081`. Raises ValueError, without what may be a password in it."""
    try:
        url = httpx.URL(text.strip())
    except httpx.InvalidURL:
        url = httpx.URL("")
    is_plain = not (url.userinfo or url.query or url.fragment)
    if url.scheme not in {"http", "https"} or not url.host or not is_plain:
        raise ValueError(
            "The address of the admin API is written as 'http://127.0.0.1:8081':"
            " http or https, a host and a port, no user name, no query."
        )
    return url


def headers() -> dict[str, str]:
    """Who we are."""
    return {"User-Agent": f"keywright-client/{importlib.metadata.version('keywright')}"}


def unreachable(url: httpx.URL, error: httpx.TransportError) -> Unreachable:
    """The fault for a connection that failed."""
    cause = str(error).strip().rstrip(".") or _words(type(error).__name__)
    return Unreachable(str(url), cause, was_sent=not isinstance(error, _NOT_SENT))


def _words(name: str) -> str:
    """`ReadTimeout` as `read timeout`."""
    return "".join(f" {char.lower()}" if char.isupper() else char for char in name).strip()
