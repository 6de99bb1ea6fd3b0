"""Admin tokens, and who asks."""

__all__ = ["TOKEN_ACTS"]

from collections.abc import Mapping
from typing import Any, Final

from admin.core.caller import Caller, Permission
from admin.operations.asked import Act, Asked
from admin.operations.values import moment, moment_or_none, page_request, seconds_in
from admin.services.catalogue import Services
from admin.services.tokens import NewToken, TokenView
from admin.wire.people import MeDocument, NewTokenRequest, TokenCreated, TokenDocument, TokenPage
from admin.wire.shapes import PageQuery


async def _me(_services: Services, caller: Caller, _asked: Asked) -> MeDocument:  # noqa: RUF029 -- an act
    return MeDocument(
        kind=caller.kind,
        id=caller.id,
        name=caller.name,
        role=caller.role,
        account=caller.account_id,
        permissions=tuple(each for each in Permission if each in caller.permissions),
    )


async def _list(services: Services, caller: Caller, asked: Asked) -> TokenPage:
    page = await services.tokens.list(caller, page_request(asked.the_query(PageQuery)))
    return TokenPage(tokens=tuple(map(_document, page.items)), next_cursor=page.next_cursor)


async def _create(services: Services, caller: Caller, asked: Asked) -> TokenCreated:
    new = asked.the_body(NewTokenRequest)
    wanted = NewToken(new.name, new.role, new.account, new.permissions, seconds_in(new.expires_in))
    created = await services.tokens.create(caller, wanted)
    return TokenCreated(**_fields(created.token), secret=created.secret)


async def _show(services: Services, caller: Caller, asked: Asked) -> TokenDocument:
    return _document(await services.tokens.show(caller, asked.ids["token_id"]))


async def _revoke(services: Services, caller: Caller, asked: Asked) -> TokenDocument:
    return _document(await services.tokens.revoke(caller, asked.ids["token_id"]))


def _fields(token: TokenView) -> dict[str, Any]:
    return {
        "id": token.id,
        "name": token.name,
        "role": token.role,
        "account": token.account_id,
        "permissions": token.permissions,
        "created_at": moment(token.created_at),
        "expires_at": moment_or_none(token.expires_at),
        "revoked_at": moment_or_none(token.revoked_at),
    }


def _document(token: TokenView) -> TokenDocument:
    return TokenDocument(**_fields(token))


TOKEN_ACTS: Final[Mapping[str, Act]] = {
    "me": _me,
    "tokens.list": _list,
    "tokens.create": _create,
    "tokens.show": _show,
    "tokens.revoke": _revoke,
}
