"""Access to the API: the customer's page with its button, and the operator's list of who has asked."""

__all__ = ["ACCESS_PAGES"]

from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import web

from admin.console import words
from admin.console.keys.listing import ROWS, next_page
from admin.console.page import Handle, Page, Unfit, Visit
from admin.console.told import told
from admin.core.caller import Permission
from admin.wire.keys import KeyPage
from admin.wire.people import AccountChanged, AccountDocument, AccountPage
from admin.wire.words import ApiAccess

_KEYS_SHOWN = 5
_DONE: Mapping[str, tuple[str, str]] = {
    "approve": ("access.approve", "API access is on for '{}'."),
    "deny": ("access.deny", "API access is denied to '{}', who are told why."),
    "disable": ("access.disable", "API access is off for '{}': their traffic has stopped."),
}


async def _own(visit: Visit) -> web.StreamResponse:
    """A customer's own access. Who looks after all accounts has no own: they see who has asked."""
    account_id = visit.caller.account_id
    if account_id is None:
        return visit.redirect("/access-requests")
    account = await visit.act("accounts.show", AccountDocument, ids={"account_id": account_id})
    keys = await visit.act(
        "keys.list", KeyPage, query={"limit": _KEYS_SHOWN, "sort": "last_used", "state": "active"}
    )
    return visit.render(
        "access/own.html",
        account=account,
        keys=keys.keys,
        is_on=account.api_access is ApiAccess.APPROVED,
        words=words,
    )


async def _request(visit: Visit) -> web.StreamResponse:
    account_id = visit.caller.account_id
    if account_id is None:
        return visit.redirect("/access-requests")
    await visit.act(
        "access.request",
        AccountChanged,
        ids={"account_id": account_id},
        body={"note": visit.form().text("note")},
    )
    return visit.redirect("/access", "API access is requested. You see here when it is decided.")


async def _waiting(visit: Visit) -> web.StreamResponse:
    return await _requests(visit, {})


async def _requests(visit: Visit, errors: Mapping[str, str]) -> web.StreamResponse:
    query = visit.request.query
    asked = {"api_access": "requested", "limit": ROWS}
    if cursor := query.get("cursor"):
        asked["cursor"] = cursor
    page = await visit.act("accounts.list", AccountPage, query=asked)
    return visit.render(
        "access/requests.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        accounts=page.accounts,
        more=next_page("/access-requests", query, page.next_cursor),
        errors=errors,
    )


def _decision(deed: str) -> Handle:
    name, done = _DONE[deed]

    async def handle(visit: Visit) -> web.StreamResponse:
        form = visit.form()
        try:
            account = await visit.act(
                name,
                AccountChanged,
                ids={"account_id": visit.id("account_id")},
                body={"reason": form.text("reason")},
                expected=form.number("version"),
            )
        except Unfit as unfit:
            if form.text("back") == "account":
                raise
            return await _requests(visit, unfit.errors)
        back = f"/accounts/{account.id}" if form.text("back") == "account" else "/access-requests"
        return visit.redirect(back, told(done.format(account.name), account.enforced))

    return handle


def _decision_page(deed: str) -> Page:
    path = f"/accounts/{{account_id}}/api-access/{deed}"
    return Page("POST", path, Permission.ACCESS_DECIDE, _decision(deed), is_operators=True)


ACCESS_PAGES = (
    Page("GET", "/access", Permission.ACCOUNTS_READ, _own),
    Page("POST", "/access", Permission.ACCESS_REQUEST, _request),
    Page("GET", "/access-requests", Permission.ACCESS_DECIDE, _waiting, is_operators=True),
    *map(_decision_page, _DONE),
)
