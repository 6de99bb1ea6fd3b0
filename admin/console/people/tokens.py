"""Admin tokens, for programs: the list, a new one, which is shown once, and the end of one."""

__all__ = ["TOKEN_PAGES"]

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from aiohttp import web

from admin.console import words
from admin.console.keys.listing import next_page, this_page
from admin.console.once import mark_of
from admin.console.page import Page, Unfit, Visit
from admin.core.caller import Permission
from admin.wire.people import AccountPage, TokenCreated, TokenDocument, TokenPage

_ACCOUNTS_MAX: Final = 200
_LIVES: Final = (
    ("30d", "30 days"),
    ("90d", "90 days"),
    ("365d", "A year"),
    ("", "Until it is revoked"),
)


async def _list(visit: Visit) -> web.StreamResponse:
    return await _table(visit, {})


async def _table(visit: Visit, errors: Mapping[str, str]) -> web.StreamResponse:
    query = this_page(visit)
    page = await visit.act("tokens.list", TokenPage, query=query)
    accounts = await visit.act("accounts.list", AccountPage, query={"limit": _ACCOUNTS_MAX})
    return visit.render(
        "tokens/list.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        tokens=page.tokens,
        more=next_page("/tokens", visit.request.query, page.next_cursor),
        roles=words.explained(words.ROLES),
        account_choices=[
            ("", "None: all accounts"),
            *((one.id, f"{one.name} ({one.id})") for one in accounts.accounts),
        ],
        permissions=[
            (each.value, each.value, "") for each in Permission if each in visit.caller.permissions
        ],
        lives=_LIVES,
        errors=errors,
        once=visit.new_once(),
    )


async def _create(visit: Visit) -> web.StreamResponse:
    form = visit.form()
    once = mark_of(form)
    body = {
        "name": form.text("name"),
        "role": form.text("role"),
        "account": form.given("account"),
        "permissions": form.all("permissions") or None,
        "expires_in": form.given("expires_in"),
    }
    try:
        await visit.act("tokens.create", TokenCreated, body=body, once=once)
    except Unfit as unfit:
        if not unfit.is_repeated:
            return await _table(visit, unfit.errors)
    return visit.redirect(f"/tokens/made/{once}")


async def _made(visit: Visit) -> web.StreamResponse:
    """The token, this once."""
    earlier = await visit.services.shown_once.take(visit.caller_once(visit.id("token_once")))
    if earlier is None or earlier.secret is None:
        return visit.render("tokens/made_before.html", status=HTTPStatus.NOT_FOUND)
    ids = {"token_id": earlier.target_id}
    token = await visit.act("tokens.show", TokenDocument, ids=ids)
    return visit.render("tokens/made.html", token=token, secret=earlier.secret)


async def _ask(visit: Visit) -> web.StreamResponse:
    """The question before it is revoked."""
    token = await visit.act("tokens.show", TokenDocument, ids={"token_id": visit.id("token_id")})
    return visit.render(
        "confirm.html",
        title=f"Revoke \u201c{token.name}\u201d?",
        sentences=("The next request with it is refused, for good.",),
        action=f"/tokens/{token.id}/revoke",
        button="Revoke the token",
        back="/tokens",
    )


async def _revoke(visit: Visit) -> web.StreamResponse:
    token = await visit.act(
        "tokens.revoke", TokenDocument, ids={"token_id": visit.id("token_id")}, body={}
    )
    return visit.redirect("/tokens", f"'{token.name}' is revoked: it opens nothing any more.")


_READ, _WRITE = Permission.TOKENS_READ, Permission.TOKENS_WRITE
TOKEN_PAGES = (
    Page("GET", "/tokens", _READ, _list),
    Page("POST", "/tokens", _WRITE, _create, needs_reauthentication=True),
    Page("GET", "/tokens/made/{token_once}", _WRITE, _made),
    Page("GET", "/tokens/{token_id}/revoke", _WRITE, _ask),
    Page("POST", "/tokens/{token_id}/revoke", _WRITE, _revoke),
)
