"""Calls about users."""

__all__ = ["create_user", "list_users", "show_user", "update_user"]

from collections.abc import Sequence

from admin.client.call import Call, asked, changed, given
from admin.client.calls.choices import RoleWord
from admin.wire.people import (
    NewUserRequest,
    UserChanged,
    UserDocument,
    UserPage,
    UserPatch,
    UserQuery,
    UserStatus,
)
from admin.wire.words import UNSET, Unset


def list_users(  # noqa: PLR0913 -- one parameter for each field of the query
    *,
    q: str | None = None,
    account: str | None = None,
    role: RoleWord | None = None,
    status: UserStatus | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Call[UserPage]:
    """A page of users; `q` is part of the name or e-mail."""
    wanted = given(q=q, account=account, role=role, status=status, limit=limit, cursor=cursor)
    return asked("users.list", UserPage, query=UserQuery.model_validate(wanted))


def create_user(  # noqa: PLR0913 -- one parameter for each field
    *,
    email: str,
    name: str,
    role: RoleWord,
    account: str | None = None,
    scopes: Sequence[str] | None = None,
    idempotency_key: str | None = None,
) -> Call[UserDocument]:
    """A new user; `scopes` narrows their keys, None leaves them all that the plan offers members."""
    body = given(email=email, name=name, role=role, account=account, scopes=scopes)
    return asked(
        "users.create",
        UserDocument,
        body=NewUserRequest.model_validate(body),
        idempotency_key=idempotency_key,
    )


def show_user(user_id: str) -> Call[UserDocument]:
    """One user."""
    return asked("users.show", UserDocument, {"user_id": user_id})


def update_user(  # noqa: PLR0913 -- one parameter for each field
    user_id: str,
    *,
    name: str | Unset = UNSET,
    role: RoleWord | Unset = UNSET,
    account: str | Unset | None = UNSET,
    scopes: Sequence[str] | Unset | None = UNSET,
    status: UserStatus | Unset = UNSET,
    if_match: int | None = None,
) -> Call[UserChanged]:
    """Change what is given; `scopes=None` lifts the narrowing. Narrowing somebody narrows their keys at once.

    Who becomes an admin leaves their account; who becomes a member needs one.
    """
    body = changed(name=name, role=role, account=account, scopes=scopes, status=status)
    return asked(
        "users.update",
        UserChanged,
        {"user_id": user_id},
        body=UserPatch.model_validate(body),
        if_match=if_match,
    )
