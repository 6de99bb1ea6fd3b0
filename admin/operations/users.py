"""Users: who they are, and what their keys hold at most."""

__all__ = ["USER_ACTS"]

from collections.abc import Mapping
from typing import Any, Final

from admin.core.caller import Caller
from admin.operations.asked import Act, Asked
from admin.operations.values import given, moment, page_request, receipt_document
from admin.services.catalogue import Services
from admin.services.users import ChangedUser, NewUser, UserChange, UserFilter, UserView
from admin.wire.people import (
    NewUserRequest,
    UserChanged,
    UserDocument,
    UserPage,
    UserPatch,
    UserQuery,
)


async def _list(services: Services, caller: Caller, asked: Asked) -> UserPage:
    query = asked.the_query(UserQuery)
    wanted = UserFilter(query.q, query.account, query.role, query.status)
    page = await services.users.list(caller, wanted, page_request(query))
    return UserPage(users=tuple(map(_document, page.items)), next_cursor=page.next_cursor)


async def _create(services: Services, caller: Caller, asked: Asked) -> UserDocument:
    new = asked.the_body(NewUserRequest)
    wanted = NewUser(new.email, new.name, new.role, new.account, new.scopes)
    return _document(await services.users.create(caller, wanted))


async def _show(services: Services, caller: Caller, asked: Asked) -> UserDocument:
    return _document(await services.users.show(caller, asked.ids["user_id"]))


async def _update(services: Services, caller: Caller, asked: Asked) -> UserChanged:
    patch = asked.the_body(UserPatch)
    change = UserChange(
        name=given(patch, "name"),
        role=given(patch, "role"),
        account_id=given(patch, "account"),
        scopes=given(patch, "scopes"),
        status=given(patch, "status"),
    )
    changed = await services.users.change(caller, asked.ids["user_id"], change, asked.expected)
    return _changed(changed)


def _fields(user: UserView) -> dict[str, Any]:
    return {
        "id": user.id,
        "email": user.email,
        "name": user.name,
        "role": user.role,
        "account": user.account_id,
        "scopes": user.scopes,
        "status": user.status,
        "created_at": moment(user.created_at),
        "updated_at": moment(user.updated_at),
        "version": user.version,
    }


def _document(user: UserView) -> UserDocument:
    return UserDocument(**_fields(user))


def _changed(changed: ChangedUser) -> UserChanged:
    return UserChanged(**_fields(changed.user), enforced=receipt_document(changed.receipt))


USER_ACTS: Final[Mapping[str, Act]] = {
    "users.list": _list,
    "users.create": _create,
    "users.show": _show,
    "users.update": _update,
}
