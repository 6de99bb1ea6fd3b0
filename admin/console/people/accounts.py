"""Accounts, for whoever looks after all of them: the table, a new one, one account with its plan and its access."""

__all__ = ["ACCOUNT_PAGES"]

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from aiohttp import web

from admin.console.keys.listing import ROWS, next_page
from admin.console.offered import offered_plans
from admin.console.once import mark_of
from admin.console.page import Page, Unfit, Visit
from admin.console.told import told
from admin.core.caller import Permission
from admin.wire.people import (
    AccountChanged,
    AccountDocument,
    AccountPage,
    PlanPage,
    UserPage,
)

_FILTERS = ("q", "plan", "status", "api_access", "cursor")
_USERS_SHOWN = 50


async def _list(visit: Visit) -> web.StreamResponse:
    return await _table(visit, {})


async def _create(visit: Visit) -> web.StreamResponse:
    form = visit.form()
    body: dict[str, Any] = {"name": form.text("name"), "plan": form.given("plan")}
    try:
        account = await visit.act("accounts.create", AccountDocument, body=body, once=mark_of(form))
    except Unfit as unfit:
        if unfit.is_repeated:
            return visit.redirect("/accounts", unfit.words, tone="warn")
        return await _table(visit, unfit.errors)
    return visit.redirect(f"/accounts/{account.id}", f"The account '{account.name}' is there.")


async def _table(visit: Visit, errors: Mapping[str, str]) -> web.StreamResponse:
    query = visit.request.query
    asked: dict[str, Any] = {
        name: text for name in _FILTERS if (text := query.get(name, "").strip())
    }
    told_errors = dict(errors)
    try:
        found = await visit.act("accounts.list", AccountPage, query={**asked, "limit": ROWS})
    except Unfit as unfit:
        found = AccountPage(accounts=(), next_cursor=None)
        told_errors |= unfit.errors
    offer = await offered_plans(visit)
    return visit.render(
        "accounts/list.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if told_errors else HTTPStatus.OK,
        accounts=found.accounts,
        asked=asked,
        offer=offer,
        plans=_plan_choices(offer),
        plan_filter=[("", "Any"), *_plan_choices(offer)],
        more=next_page("/accounts", query, found.next_cursor),
        is_narrowed=bool(asked.keys() - {"cursor"}),
        errors=told_errors,
        once=visit.new_once(),
    )


async def _show(visit: Visit, errors: Mapping[str, str] | None = None) -> web.StreamResponse:
    account_id = visit.id("account_id")
    account = await visit.act("accounts.show", AccountDocument, ids={"account_id": account_id})
    users = await visit.act(
        "users.list", UserPage, query={"account": account_id, "limit": _USERS_SHOWN}
    )
    return visit.render(
        "accounts/show.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        account=account,
        users=users.users,
        plans=_plan_choices(await offered_plans(visit), account.plan),
        errors=errors or {},
    )


def _plan_choices(offer: PlanPage, present: str | None = None) -> list[tuple[str, str]]:
    """The plans there are, and the present one, which may have left the configuration."""
    names = [one.name for one in offer.plans]
    more = [] if present is None or present in names else [(present, f"{present} (not configured)")]
    return [(name, name) for name in names] + more


async def _suspend(visit: Visit) -> web.StreamResponse:
    """The question, for browsers without its dialog."""
    account_id = visit.id("account_id")
    account = await visit.act("accounts.show", AccountDocument, ids={"account_id": account_id})
    return visit.render(
        "confirm.html",
        title=f"Suspend \u201c{account.name}\u201d?",
        sentences=(
            "Every request with one of its keys is refused from then on. It can be resumed.",
        ),
        action=f"/accounts/{account.id}",
        button="Suspend the account",
        back=f"/accounts/{account.id}",
        fields=(("status", "suspended"), ("version", account.version)),
    )


async def _update(visit: Visit) -> web.StreamResponse:
    form = visit.form()
    body = {
        name: text
        for name in ("name", "plan", "status")
        if form.has(name) and (text := form.text(name))
    }
    try:
        changed = await visit.act(
            "accounts.update",
            AccountChanged,
            ids={"account_id": visit.id("account_id")},
            body=body,
            expected=form.number("version"),
        )
    except Unfit as unfit:
        return await _show(visit, unfit.errors)
    return visit.redirect(
        f"/accounts/{changed.id}", told("The account was changed.", changed.enforced)
    )


ACCOUNT_PAGES = (
    Page("GET", "/accounts", Permission.ACCOUNTS_READ, _list, is_operators=True),
    Page("POST", "/accounts", Permission.ACCOUNTS_WRITE, _create, is_operators=True),
    Page("GET", "/accounts/{account_id}", Permission.ACCOUNTS_READ, _show, is_operators=True),
    Page(
        "GET",
        "/accounts/{account_id}/suspend",
        Permission.ACCOUNTS_WRITE,
        _suspend,
        is_operators=True,
    ),
    Page("POST", "/accounts/{account_id}", Permission.ACCOUNTS_WRITE, _update, is_operators=True),
)
