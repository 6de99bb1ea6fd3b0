"""What a provider of OpenID Connect signs, and when it is believed (OIDC Core §3.1.3.7)."""

__all__ = ["Expected", "believed", "challenge_of"]

from collections.abc import Mapping
from typing import Any, NamedTuple

from authlib.oauth2.rfc7636 import (  # type: ignore[import-untyped]
    create_s256_code_challenge,
)
from authlib.oidc.core import CodeIDToken  # type: ignore[import-untyped]
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

LEEWAY_SECONDS = 60
# Signatures alone: neither 'none' nor what is made with a secret that others may share.
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]


class Expected(NamedTuple):
    """From whom, for whom, in answer to which question, and when; `now` is in seconds since the epoch."""

    issuer: str
    client_id: str
    nonce: str
    now: int


def believed(text: str, keys: Mapping[str, Any], expected: Expected) -> Mapping[str, Any] | None:
    """What the token says, if one of the provider's `keys` has signed it and it is as expected; else None."""
    try:
        key_set = KeySet.import_key_set(keys)  # type: ignore[arg-type]
        token = jwt.decode(text, key_set, algorithms=_ALGORITHMS)
        claims = CodeIDToken(
            token.claims,
            token.header,
            options={
                "iss": {"essential": True, "value": expected.issuer},
                "aud": {"essential": True, "value": expected.client_id},
            },
            params={"nonce": expected.nonce, "client_id": expected.client_id},
        )
        claims.validate(now=expected.now, leeway=LEEWAY_SECONDS)
    except (JoseError, ValueError, KeyError, TypeError):
        return None
    found: Mapping[str, Any] = claims
    return found


def challenge_of(verifier: str) -> str:
    """What is sent ahead of a verifier that is shown later (RFC 7636 §4.2)."""
    return str(create_s256_code_challenge(verifier))
