"""Webhooks as Standard Webhooks wants them (https://www.standardwebhooks.com), signed by its own library."""

__all__ = ["WebhookSender"]

import asyncio
import contextlib
import ssl
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final, Self

from aiohttp import (
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientError,
    ClientResponse,
    ClientSession,
    ClientSSLError,
    ClientTimeout,
    DummyCookieJar,
)
from standardwebhooks import Webhook

from admin.core.notices.outcome import Done, Outcome, Parcel
from admin.core.notices.patience import retry_after
from admin.core.notices.places import NetworkRules
from admin.senders.guarded import AddressRefused, LookUp, guarded_connector, system_look_up

# Of an answer only the status counts; a little more is taken in so that a polite receiver can finish.
_ANSWER_MAX: Final = 4096
_ANSWER_SECONDS: Final = 1.0
_ASKS_FOR_TIME: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


class WebhookSender:
    """Posts to receivers: no redirect is followed, no cookie kept, no proxy used, nothing unpacked."""

    def __init__(
        self,
        rules: NetworkRules,
        *,
        deadline_seconds: float,
        threads: int,
        tls: ssl.SSLContext | None = None,
        look_up: LookUp = system_look_up,
    ) -> None:
        """`deadline_seconds` is for all of an attempt, from the look-up of its host on; a loop must be running."""
        self._deadline = deadline_seconds
        self._session = ClientSession(
            connector=guarded_connector(
                rules, threads, tls or ssl.create_default_context(), look_up
            ),
            cookie_jar=DummyCookieJar(),
            timeout=ClientTimeout(),
            auto_decompress=False,
            trust_env=False,
            headers={"User-Agent": "Keywright"},
        )

    async def __aenter__(self) -> Self:
        """Open."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close all connections."""
        await self._session.close()

    async def send(self, parcel: Parcel) -> Outcome:
        """Post it once. Never raises for what a receiver, its name server or its certificate does."""
        try:
            async with asyncio.timeout(self._deadline):
                return await self._posted(parcel)
        except TimeoutError:
            return Outcome(Done.FAILED, f"There was no answer within {self._deadline:g} seconds.")
        except (ClientError, OSError, ValueError) as error:
            return Outcome(Done.FAILED, _words(error))

    async def _posted(self, parcel: Parcel) -> Outcome:
        async with self._session.post(
            parcel.url or "",
            data=parcel.body.encode(),
            headers={"Content-Type": "application/json", **_signed(parcel)},
            allow_redirects=False,
        ) as answer:
            outcome = _outcome(answer, parcel.at)
            with contextlib.suppress(ClientError, TimeoutError):
                async with asyncio.timeout(_ANSWER_SECONDS):
                    _ = await answer.content.read(_ANSWER_MAX)
            # Whatever is still to come is not waited for.
            answer.close()
            return outcome


def _signed(parcel: Parcel) -> dict[str, str]:
    at = datetime.fromtimestamp(int(parcel.at), UTC)
    signatures = [Webhook(secret).sign(parcel.id, at, parcel.body) for secret in parcel.secrets]
    return {
        "webhook-id": parcel.id,
        "webhook-timestamp": str(int(parcel.at)),
        "webhook-signature": " ".join(signatures),
    }


def _outcome(answer: ClientResponse, now: float) -> Outcome:
    status = answer.status
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return Outcome(Done.DELIVERED, "The receiver has taken it.", status)
    if status == HTTPStatus.GONE:
        return Outcome(Done.GONE, "The receiver answered 410: it wants nothing more.", status)
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        words = f"The receiver answered {status}; redirects are not followed. Change the URL."
        return Outcome(Done.FAILED, words, status)
    asked = None
    if status in _ASKS_FOR_TIME:
        asked = retry_after(answer.headers.get("Retry-After"), now)
    return Outcome(Done.FAILED, f"The receiver answered {status}.", status, asked)


def _words(error: Exception) -> str:
    """What went wrong, in words of ours: a library's own may quote what a receiver has sent."""
    causes = (error, error.__cause__, getattr(error, "os_error", None))
    if any(isinstance(cause, AddressRefused) for cause in causes):
        return "Its address is not public, and not in a network that the operator allows."
    match error:
        case ClientConnectorDNSError():
            return "Its host's name could not be looked up."
        case ClientSSLError() | ssl.SSLError():
            return "A TLS connection could not be made: look at the receiver's certificate."
        case ClientConnectorError():
            return "It could not be connected to."
        case _:
            return f"The connection broke, or the answer was no HTTP ({type(error).__name__})."
