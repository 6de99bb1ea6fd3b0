"""A small provider of OpenID Connect, over real HTTP, that checks what it is sent, and can be made to lie."""

__all__ = ["LittleProvider", "providing"]

import base64
import contextlib
import hashlib
import hmac
import json
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlencode

from aiohttp import BasicAuth, web
from joserfc import jwt
from joserfc.jwk import RSAKey

from gateway.listening import AppListener
from tests.doubles import ManualClock

CLIENT, SECRET = "keywright/console", "a secret: with %25 and spaces"


@dataclass
class LittleProvider:
    """Lets everybody in as `person`. `lies` replace claims of the token (None: left out)."""

    clock: ManualClock
    url: str = ""
    person: dict[str, Any] = field(default_factory=dict)
    lies: dict[str, Any] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)
    is_signed_by_another: bool = False
    is_away: bool = False
    algorithm: str = "RS256"
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)
    _key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "k1"}))

    def app(self) -> web.Application:
        """Its endpoints."""
        app = web.Application()
        app.add_routes(
            [
                web.get("/.well-known/openid-configuration", self._describe),
                web.get("/authorize", self._authorize),
                web.post("/token", self._token),
                web.get("/keys", self._keys),
            ]
        )
        return app

    async def _describe(self, _request: web.Request) -> web.Response:
        if self.is_away:
            return web.Response(status=502)
        return web.json_response(
            {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/keys",
                "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            }
        )

    async def _authorize(self, request: web.Request) -> web.Response:
        asked = dict(request.query)
        self.asked.append(asked)
        assert asked["client_id"] == CLIENT
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(16)
        self._codes[code] = asked
        back = urlencode({"code": code, "state": asked["state"], "iss": self.url})
        return web.Response(status=302, headers={"Location": f"{asked['redirect_uri']}?{back}"})

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        pair = BasicAuth.decode(request.headers["Authorization"])
        # A code is good once (RFC 6749 §4.1.2).
        asked = self._codes.pop(str(form["code"]), None)
        verifier = str(form["code_verifier"]).encode()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier).digest()).rstrip(b"=")
        if (
            asked is None
            or (unquote(pair.login), unquote(pair.password)) != (CLIENT, SECRET)
            or asked["redirect_uri"] != form["redirect_uri"]
            or asked["code_challenge"] != challenge.decode()
        ):
            return web.json_response({"error": "invalid_grant"}, status=400)
        return web.json_response(
            {"access_token": "x", "token_type": "Bearer", "id_token": self._signed(asked)}
        )

    def _signed(self, asked: dict[str, str]) -> str:
        now = int(self.clock.now())
        claims = {
            "iss": self.url,
            "aud": CLIENT,
            "iat": now,
            "exp": now + 300,
            "auth_time": now,
            "nonce": asked["nonce"],
            **self.person,
            **self.lies,
        }
        told = {name: value for name, value in claims.items() if value is not None}
        header = {"alg": self.algorithm, "kid": "k1"}
        if self.algorithm in {"HS256", "none"}:
            return self._forged(header, told)
        key = RSAKey.generate_key(2048, {"kid": "k1"}) if self.is_signed_by_another else self._key
        return jwt.encode(header, told, key, algorithms=[self.algorithm])

    def _forged(self, header: dict[str, str], claims: dict[str, Any]) -> str:
        """Without a signature, or with the public key taken for a shared secret: what a careless reader accepts."""
        parts = [json.dumps(each).encode() for each in (header, claims)]
        text = b".".join(base64.urlsafe_b64encode(each).rstrip(b"=") for each in parts)
        signature = b""
        if self.algorithm == "HS256":
            digest = hmac.digest(self._key.as_pem(private=False), text, "sha256")
            signature = base64.urlsafe_b64encode(digest).rstrip(b"=")
        return f"{text.decode()}.{signature.decode()}"

    async def _keys(self, _request: web.Request) -> web.Response:
        return web.json_response({"keys": [self._key.as_dict(private=False)]})


@contextlib.asynccontextmanager
async def providing(clock: ManualClock) -> AsyncIterator[LittleProvider]:
    """A provider that listens."""
    provider = LittleProvider(clock)
    listener = AppListener(provider.app())
    try:
        port = await listener.listen_at("127.0.0.1", 0, "provider")
        provider.url = f"http://127.0.0.1:{port}"
        yield provider
    finally:
        await listener.close()
