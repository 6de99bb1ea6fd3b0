"""A new key, and the one page that shows its secret."""

__all__ = ["MAKING_PAGES", "made_path"]

from collections.abc import Mapping, Sequence
from http import HTTPStatus

from aiohttp import web

from admin.console import words
from admin.console.keys.forms import EXPIRIES, new_key
from admin.console.offered import offered_scopes
from admin.console.once import mark_of
from admin.console.page import Page, Unfit, Visit
from admin.console.snippets import Call, dotenv, masked, snippets
from admin.core.caller import Permission, Role
from admin.core.naming import advice
from admin.wire.keys import KeyCreated, KeyDocument
from admin.wire.people import AccountDocument, AccountPage
from gateway.core.token import CHECKSUM_LENGTH, SECRET_ID_LENGTH, SECRET_LENGTH

# What a key has that says nothing else: ticked, so that this is seen.
_FIRST_SCOPE = "read-only"
_ACCOUNTS_MAX = 200
_ADVISED_LENGTH_MAX = 200


def made_path(once: str) -> str:
    """Where the secret is shown that the form with this mark has made."""
    return f"/keys/made/{once}"


async def _new(visit: Visit) -> web.StreamResponse:
    return await _form(visit, {})


async def _create(visit: Visit) -> web.StreamResponse:
    form = visit.form()
    once = mark_of(form)
    account = visit.caller.account_id or form.text("account")
    try:
        await visit.act("keys.create", KeyCreated, body=new_key(form, account), once=once)
    except Unfit as unfit:
        # Pressed twice: the key is there, and so is its secret until somebody has seen it.
        if not unfit.is_repeated:
            return await _form(visit, unfit.errors)
    return visit.redirect(made_path(once))


async def _form(visit: Visit, errors: Mapping[str, str]) -> web.StreamResponse:
    form = visit.form()
    account = visit.caller.account_id or form.text("account") or visit.asked("account") or ""
    scopes = await offered_scopes(visit, account)
    names = [one.name for one in scopes]
    accounts = await _accounts(visit)
    return visit.render(
        "keys/new.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        boxes=words.boxes(scopes),
        first_scopes=[name for name in names if name == _FIRST_SCOPE],
        types=words.explained(words.TYPES),
        environments=words.explained(words.ENVIRONMENTS),
        accounts=accounts,
        account_choices=[(one.id, f"{one.name} ({one.id})") for one in accounts],
        account=account,
        errors=errors,
        once=visit.new_once(),
        is_admin=visit.caller.role is Role.ADMIN,
        advice=advice(form.text("name"), "live") if form.text("name") else None,
        expiries=EXPIRIES,
    )


async def _accounts(visit: Visit) -> Sequence[AccountDocument]:
    """Those that an operator may choose from; nobody else has a choice."""
    if visit.caller.account_id is not None:
        return ()
    page = await visit.act("accounts.list", AccountPage, query={"limit": _ACCOUNTS_MAX})
    return page.accounts


async def _made(visit: Visit) -> web.StreamResponse:
    """The secret, this once: whoever reloads the page, or comes back to it, is told how to get another."""
    earlier = await visit.services.shown_once.take(visit.caller_once(visit.id("once")))
    if earlier is None or earlier.secret is None:
        return visit.render("keys/made_before.html", status=HTTPStatus.NOT_FOUND)
    key = await visit.act("keys.show", KeyDocument, ids={"key_id": earlier.target_id})
    secret = earlier.secret
    end = len(secret) - CHECKSUM_LENGTH
    middle = end - SECRET_LENGTH
    call = Call(visit.console.terms.example_url, secret)
    return visit.render(
        "keys/made.html",
        key=key,
        secret=secret,
        masked=masked(secret),
        api_key=secret[middle - SECRET_ID_LENGTH : middle],
        api_secret=secret[middle:end],
        snippets=snippets(call),
        url=call.url,
    )


async def _env(visit: Visit) -> web.StreamResponse:  # noqa: RUF029 -- a page
    """What the page of a new key has sent, as a file: the secret is in no address, and is kept nowhere."""
    form = visit.form()
    text = dotenv(visit.console.terms.api_url, form["secret"], form["api_key"], form["api_secret"])
    return web.Response(
        text=text,
        content_type="application/octet-stream",
        headers={"Content-Disposition": 'attachment; filename="keywright.env"'},
    )


async def _advice(visit: Visit) -> web.StreamResponse:  # noqa: RUF029 -- a page
    """What there is to say about a name while it is typed, for the form's script."""
    query = visit.request.query
    name = query.get("name", "").strip()[:_ADVISED_LENGTH_MAX]
    environment = query.get("environment", "")
    known = environment if environment in words.ENVIRONMENTS else "live"
    return web.json_response({"advice": advice(name, known) if name else None})


MAKING_PAGES = (
    Page("GET", "/keys/new", Permission.KEYS_WRITE, _new),
    Page("POST", "/keys/new", Permission.KEYS_WRITE, _create, needs_reauthentication=True),
    Page("GET", "/keys/made/{once}", Permission.KEYS_WRITE, _made),
    Page("POST", "/keys/made/env", Permission.KEYS_WRITE, _env),
    Page("GET", "/keys/new/advice", Permission.KEYS_WRITE, _advice),
)
