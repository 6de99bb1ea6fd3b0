"""Accounts and their API access."""

__all__ = ["ACCOUNT_ACTS"]

from collections.abc import Mapping
from typing import Any, Final

from admin.core.caller import Caller
from admin.operations.asked import Act, Asked
from admin.operations.values import (
    given,
    moment,
    moment_or_none,
    page_request,
    receipt_document,
)
from admin.services.accounts import AccountChange, AccountFilter, AccountView, ChangedAccount
from admin.services.catalogue import Services
from admin.wire.people import (
    AccessDecision,
    AccessRequest,
    AccountChanged,
    AccountDocument,
    AccountPage,
    AccountPatch,
    AccountQuery,
    NewAccountRequest,
)


async def _list(services: Services, caller: Caller, asked: Asked) -> AccountPage:
    query = asked.the_query(AccountQuery)
    wanted = AccountFilter(query.q, query.plan, query.status, query.api_access)
    page = await services.accounts.list(caller, wanted, page_request(query))
    return AccountPage(accounts=tuple(map(_document, page.items)), next_cursor=page.next_cursor)


async def _create(services: Services, caller: Caller, asked: Asked) -> AccountDocument:
    new = asked.the_body(NewAccountRequest)
    return _document(await services.accounts.create(caller, new.name, new.plan))


async def _show(services: Services, caller: Caller, asked: Asked) -> AccountDocument:
    return _document(await services.accounts.show(caller, asked.ids["account_id"]))


async def _update(services: Services, caller: Caller, asked: Asked) -> AccountChanged:
    patch = asked.the_body(AccountPatch)
    change = AccountChange(given(patch, "name"), given(patch, "plan"), given(patch, "status"))
    return _changed(
        await services.accounts.change(caller, asked.ids["account_id"], change, asked.expected)
    )


async def _request(services: Services, caller: Caller, asked: Asked) -> AccountChanged:
    note = asked.the_body(AccessRequest).note
    return _changed(
        await services.accounts.request_access(
            caller, asked.ids["account_id"], note, asked.expected
        )
    )


async def _approve(services: Services, caller: Caller, asked: Asked) -> AccountChanged:
    reason = asked.the_body(AccessDecision).reason
    return _changed(
        await services.accounts.approve_access(
            caller, asked.ids["account_id"], reason, asked.expected
        )
    )


async def _deny(services: Services, caller: Caller, asked: Asked) -> AccountChanged:
    reason = asked.the_body(AccessDecision).reason
    return _changed(
        await services.accounts.deny_access(caller, asked.ids["account_id"], reason, asked.expected)
    )


async def _disable(services: Services, caller: Caller, asked: Asked) -> AccountChanged:
    reason = asked.the_body(AccessDecision).reason
    return _changed(
        await services.accounts.disable_access(
            caller, asked.ids["account_id"], reason, asked.expected
        )
    )


def _fields(account: AccountView) -> dict[str, Any]:
    return {
        "id": account.id,
        "name": account.name,
        "plan": account.plan,
        "status": account.status,
        "api_access": account.api_access,
        "api_access_reason": account.api_access_reason,
        "api_access_changed_at": moment_or_none(account.api_access_changed_at),
        "created_at": moment(account.created_at),
        "updated_at": moment(account.updated_at),
        "version": account.version,
    }


def _document(account: AccountView) -> AccountDocument:
    return AccountDocument(**_fields(account))


def _changed(changed: ChangedAccount) -> AccountChanged:
    return AccountChanged(**_fields(changed.account), enforced=receipt_document(changed.receipt))


ACCOUNT_ACTS: Final[Mapping[str, Act]] = {
    "accounts.list": _list,
    "accounts.create": _create,
    "accounts.show": _show,
    "accounts.update": _update,
    "access.request": _request,
    "access.approve": _approve,
    "access.deny": _deny,
    "access.disable": _disable,
}
