"""A provider of OpenID Connect: the code flow with PKCE, state and nonce (OIDC Core §3.1, RFC 7636, RFC 9700)."""

__all__ = ["Provider", "ProviderAway", "ProviderTerms", "Question"]

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import httpx

from admin.core.faults import NotAllowed
from admin.services.identities import Identity
from gateway.core.errors import KeywrightError
from gateway.ports import Clock

_SECONDS = 10.0
_METADATA_SECONDS = 3600.0
_LEEWAY_SECONDS = 60
_ANSWER_BYTES_MAX = 1024 * 1024
_RANDOM_BYTES = 32
_REFUSED = "The provider did not say in a way that can be believed who you are. Sign in again."


class ProviderAway(KeywrightError):
    """The provider did not answer, or not as one."""


@dataclass(frozen=True, slots=True)
class ProviderTerms:
    """Where it is, and what it calls us. `is_only`: nobody signs in by password."""

    issuer: str
    client_id: str
    client_secret: str | None = field(repr=False)
    name: str
    is_only: bool = False


class Question(NamedTuple):
    """What was asked of the provider, kept by the browser that was sent there; nobody else knows any of it.

    `again`: whoever is signed in already is to show again who they are.
    """

    state: str
    nonce: str
    verifier: str
    at: float
    again: bool

    @classmethod
    def new(cls, at: float, *, again: bool) -> "Question":
        """One that was never asked before."""
        state, nonce, verifier = (secrets.token_urlsafe(_RANDOM_BYTES) for _ in range(3))
        return cls(state, nonce, verifier, at, again)


class Provider:
    """Asked when somebody signs in, and not before. Every method raises ProviderAway."""

    def __init__(self, terms: ProviderTerms, clock: Clock) -> None:
        """Nothing is asked yet."""
        self.terms = terms
        self._clock = clock
        self._metadata: Mapping[str, Any] | None = None
        self._asked_at = 0.0

    async def way(self, question: Question, redirect_uri: str) -> str:
        """Where to send the browser."""
        from admin.console.id_token import challenge_of  # noqa: PLC0415 -- as in _claims

        metadata = await self._described()
        asked = {
            "response_type": "code",
            "client_id": self.terms.client_id,
            "redirect_uri": redirect_uri,
            "scope": "openid email profile",
            "state": question.state,
            "nonce": question.nonce,
            "code_challenge": challenge_of(question.verifier),
            "code_challenge_method": "S256",
        }
        if question.again:
            asked |= {"prompt": "login", "max_age": "0"}
        endpoint = str(metadata["authorization_endpoint"])
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(asked)}"

    async def identity(self, question: Question, code: str, redirect_uri: str) -> Identity:
        """Who the provider says this is. Raises NotAllowed for what cannot be believed."""
        metadata = await self._described()
        answer = await self._token(metadata, question, code, redirect_uri)
        claims = await self._claims(metadata, answer, question)
        email = claims.get("email") if claims.get("email_verified") is True else None
        return Identity(
            str(metadata["issuer"]), str(claims["sub"]), email if isinstance(email, str) else None
        )

    def is_other(self, issuer: str | None) -> bool:
        """Whether an answer says that it comes from another provider (RFC 9207)."""
        return issuer is not None and issuer.rstrip("/") != self.terms.issuer

    async def _described(self) -> Mapping[str, Any]:
        """The provider's description of itself (OpenID Connect Discovery 1.0)."""
        now = self._clock.monotonic()
        if self._metadata is None or now - self._asked_at > _METADATA_SECONDS:
            path = f"{self.terms.issuer}/.well-known/openid-configuration"
            metadata = await self._asked("GET", path)
            if str(metadata.get("issuer", "")).rstrip("/") != self.terms.issuer:
                raise ProviderAway(
                    "the provider calls itself by another name than the configured one"
                )
            needed = ("authorization_endpoint", "token_endpoint", "jwks_uri")
            if not all(isinstance(metadata.get(name), str) for name in needed):
                raise ProviderAway("the provider's description of itself is not complete")
            self._metadata, self._asked_at = metadata, now
        return self._metadata

    async def _token(
        self, metadata: Mapping[str, Any], question: Question, code: str, redirect_uri: str
    ) -> Mapping[str, Any]:
        terms = self.terms
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "client_id": terms.client_id,
            "code_verifier": question.verifier,
        }
        authorization = None
        methods = metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        if terms.client_secret is not None and "client_secret_basic" in methods:
            # RFC 6749 §2.3.1: both are encoded before they are put together.
            pair = quote(terms.client_id, safe=""), quote(terms.client_secret, safe="")
            authorization = httpx.BasicAuth(*pair)
        elif terms.client_secret is not None:
            form["client_secret"] = terms.client_secret
        return await self._asked("POST", metadata["token_endpoint"], form, authorization)

    async def _claims(
        self, metadata: Mapping[str, Any], answer: Mapping[str, Any], question: Question
    ) -> Mapping[str, Any]:
        # Here, because their libraries are loaded where somebody signs in so, and nowhere else.
        from admin.console.id_token import Expected, believed  # noqa: PLC0415

        # Asked for each time: a key that the provider has taken back must not count.
        keys = await self._asked("GET", metadata["jwks_uri"])
        expected = Expected(
            str(metadata["issuer"]), self.terms.client_id, question.nonce, int(self._clock.now())
        )
        claims = believed(str(answer.get("id_token")), keys, expected)
        if claims is None:
            raise NotAllowed(_REFUSED)
        _check_asked_again(claims, question)
        return claims

    async def _asked(
        self,
        method: str,
        url: str,
        form: Mapping[str, str] | None = None,
        authorization: httpx.BasicAuth | None = None,
    ) -> Mapping[str, Any]:
        try:
            async with httpx.AsyncClient(timeout=_SECONDS, follow_redirects=False) as client:
                answer = await client.request(
                    method,
                    url,
                    data=dict(form) if form else None,
                    auth=authorization or httpx.USE_CLIENT_DEFAULT,
                    headers={"Accept": "application/json"},
                )
            document = answer.json() if len(answer.content) <= _ANSWER_BYTES_MAX else None
        except (httpx.HTTPError, ValueError) as error:
            raise ProviderAway(f"the provider did not answer: {type(error).__name__}") from None
        if form is not None and answer.is_client_error:
            raise NotAllowed(_REFUSED)
        if not answer.is_success or not isinstance(document, dict):
            raise ProviderAway(f"the provider answered with status {answer.status_code}")
        return document


def _check_asked_again(claims: Mapping[str, Any], question: Question) -> None:
    if question.again and claims.get("auth_time", 0) < question.at - _LEEWAY_SECONDS:
        raise NotAllowed("The provider has not asked you again who you are.")
