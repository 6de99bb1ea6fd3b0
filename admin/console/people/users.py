"""Users: who they are, and what their role and their scopes let them do."""

__all__ = ["USER_PAGES"]

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from aiohttp import web

from admin.console import words
from admin.console.entering import INVITATION_LIVES
from admin.console.form import Form
from admin.console.keys.listing import ROWS, next_page
from admin.console.offered import offered_plans
from admin.console.once import mark_of
from admin.console.page import Page, Unfit, Visit
from admin.console.told import told
from admin.core.caller import Permission, Role
from admin.wire.people import AccountPage, UserChanged, UserDocument, UserPage

_FILTERS = ("q", "account", "role", "status", "cursor")
_ACCOUNTS_MAX = 200


async def _list(visit: Visit) -> web.StreamResponse:
    query = visit.request.query
    asked: dict[str, Any] = {
        name: text for name in _FILTERS if (text := query.get(name, "").strip())
    }
    errors: Mapping[str, str] = {}
    try:
        found = await visit.act("users.list", UserPage, query={**asked, "limit": ROWS})
    except Unfit as unfit:
        found, errors = UserPage(users=(), next_cursor=None), unfit.errors
    return visit.render(
        "users/list.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        users=found.users,
        asked=asked,
        more=next_page("/users", query, found.next_cursor),
        is_narrowed=bool(asked.keys() - {"cursor"}),
        role_filter=[("", "Any"), *((one.value, one.value.capitalize()) for one in Role)],
        errors=errors,
    )


async def _new(visit: Visit, errors: Mapping[str, str] | None = None) -> web.StreamResponse:
    return await _form(visit, None, errors or {})


async def _create(visit: Visit) -> web.StreamResponse:
    form = visit.form()
    body = {**_fields(form), "email": form.text("email")}
    try:
        user = await visit.act("users.create", UserDocument, body=body, once=mark_of(form))
    except Unfit as unfit:
        if unfit.is_repeated:
            return visit.redirect("/users", unfit.words, tone="warn")
        return await _new(visit, unfit.errors)
    return visit.redirect(f"/users/{user.id}", f"{user.name} is a user.")


async def _show(visit: Visit) -> web.StreamResponse:
    return await _form(visit, await _found(visit), {})


async def _update(visit: Visit) -> web.StreamResponse:
    form = visit.form()
    before = await _found(visit)
    wanted = {**_fields(form), "status": form.text("status") or before.status}
    present = before.model_dump(mode="json", include=set(wanted))
    body = {name: value for name, value in wanted.items() if value != present[name]}
    try:
        changed = await visit.act(
            "users.update",
            UserChanged,
            ids={"user_id": before.id},
            body=body,
            expected=form.number("version"),
        )
    except Unfit as unfit:
        return await _form(visit, before, unfit.errors)
    return visit.redirect(f"/users/{changed.id}", told("The user was changed.", changed.enforced))


def _fields(form: Form) -> dict[str, Any]:
    role = form.text("role")
    return {
        "name": form.text("name"),
        "role": role,
        # An admin belongs to no account, whatever the field held before the role was chosen.
        "account": None if role == Role.ADMIN else form.given("account"),
        "scopes": form.all("scopes") if form.has("is_narrowed") else None,
    }


async def _found(visit: Visit) -> UserDocument:
    return await visit.act("users.show", UserDocument, ids={"user_id": visit.id("user_id")})


async def _form(
    visit: Visit, user: UserDocument | None, errors: Mapping[str, str]
) -> web.StreamResponse:
    offer = await offered_plans(visit)
    accounts = await visit.act("accounts.list", AccountPage, query={"limit": _ACCOUNTS_MAX})
    return visit.render(
        "users/form.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        one=user,
        account_choices=[
            ("", "None"),
            *((one.id, f"{one.name} ({one.id})") for one in accounts.accounts),
        ],
        chosen_account=visit.asked("account") or "",
        boxes=words.boxes(map(words.scope_words, offer.scopes)),
        roles=words.explained(words.ROLES),
        errors=errors,
        once=visit.new_once(),
        lives=[(name, said) for name, (_, said) in INVITATION_LIVES.items()],
        has_mail=visit.console.postman is not None,
    )


_WRITE = Permission.USERS_WRITE
USER_PAGES = (
    Page("GET", "/users", Permission.USERS_READ, _list),
    Page("GET", "/users/new", _WRITE, _new),
    Page("POST", "/users/new", _WRITE, _create, needs_reauthentication=True),
    Page("GET", "/users/{user_id}", _WRITE, _show),
    Page("POST", "/users/{user_id}", _WRITE, _update, needs_reauthentication=True),
)
