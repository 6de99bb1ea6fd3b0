"""Calls that ask about a key without a request to the proxy."""

__all__ = ["explain_request", "verify_token"]

from collections.abc import Sequence

from pydantic import SecretStr

from admin.client.call import Call, asked, given
from admin.wire.checks import ExplainDocument, ExplainRequest, VerifyDocument, VerifyRequest


def verify_token(  # noqa: PLR0913 -- one parameter for each field
    *,
    token: str | SecretStr,
    method: str | None = None,
    path: str | None = None,
    scopes: Sequence[str] = (),
    cost: int | None = None,
    address: str | None = None,
    origin: str | None = None,
) -> Call[VerifyDocument]:
    """Whether a token may be used, and for what; without `path` no route is looked at, `cost=0` takes nothing."""
    body = given(
        token=token,
        method=method,
        path=path,
        scopes=scopes or None,
        cost=cost,
        address=address,
        origin=origin,
    )
    return asked("verify", VerifyDocument, body=VerifyRequest.model_validate(body))


def explain_request(
    *,
    key_id: str,
    path: str,
    method: str | None = None,
    address: str | None = None,
    origin: str | None = None,
) -> Call[ExplainDocument]:
    """Each rule with its outcome for a key and a request; nothing is taken."""
    body = given(key_id=key_id, path=path, method=method, address=address, origin=origin)
    return asked("explain", ExplainDocument, body=ExplainRequest.model_validate(body))
