"""Calls about admin tokens, and about the one that is used."""

__all__ = ["create_token", "list_tokens", "me", "revoke_token", "show_token"]

from collections.abc import Sequence

from admin.client.call import Call, asked, given
from admin.client.calls.choices import PermissionWord, RoleWord
from admin.wire.keys import Empty
from admin.wire.people import (
    MeDocument,
    NewTokenRequest,
    TokenCreated,
    TokenDocument,
    TokenPage,
)
from admin.wire.shapes import PageQuery


def me() -> Call[MeDocument]:
    """Who is asking, and what they may."""
    return asked("me", MeDocument)


def list_tokens(*, limit: int | None = None, cursor: str | None = None) -> Call[TokenPage]:
    """A page of admin tokens."""
    wanted = given(limit=limit, cursor=cursor)
    return asked("tokens.list", TokenPage, query=PageQuery.model_validate(wanted))


def create_token(  # noqa: PLR0913 -- one parameter for each field
    *,
    name: str,
    role: RoleWord,
    account: str | None = None,
    permissions: Sequence[PermissionWord] | None = None,
    expires_in: str | None = None,
    idempotency_key: str | None = None,
) -> Call[TokenCreated]:
    """A new admin token, in `secret` this once; `permissions` None leaves it all that the role has."""
    body = given(
        name=name, role=role, account=account, permissions=permissions, expires_in=expires_in
    )
    return asked(
        "tokens.create",
        TokenCreated,
        body=NewTokenRequest.model_validate(body),
        idempotency_key=idempotency_key,
    )


def show_token(token_id: str) -> Call[TokenDocument]:
    """One admin token."""
    return asked("tokens.show", TokenDocument, {"token_id": token_id})


def revoke_token(token_id: str) -> Call[TokenDocument]:
    """End an admin token for good."""
    return asked("tokens.revoke", TokenDocument, {"token_id": token_id}, body=Empty())
