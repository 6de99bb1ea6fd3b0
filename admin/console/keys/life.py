"""What is done to a key: rename, change, disable, rotate, revoke, delete; each ends with who enforces it."""

__all__ = ["LIFE_PAGES", "shown_key"]

from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import web

from admin.console import words
from admin.console.guarding import local_path
from admin.console.keys.forms import OVERLAPS, changed_key, expires_on
from admin.console.keys.making import made_path
from admin.console.offered import offered_scopes
from admin.console.once import mark_of
from admin.console.page import Handle, Page, Unfit, Visit
from admin.console.told import told
from admin.core.caller import Permission, Role
from admin.wire.keys import KeyChanged, KeyDocument, KeyRotated, SecretDocument


async def shown_key(visit: Visit) -> KeyDocument:
    """The key that the page's address names, with who uses its replaced secrets."""
    return await visit.act("keys.show", KeyDocument, ids={"key_id": visit.id("key_id")})


def _page_of(key_id: str) -> str:
    return f"/keys/{key_id}"


def _back(visit: Visit, key_id: str) -> str:
    """The page that the form was on, if it said so."""
    return local_path(visit.form()["back"] or _page_of(key_id))


async def _changed(
    visit: Visit,
    name: str,
    *,
    ids: Mapping[str, str] | None = None,
    body: Mapping[str, object] | None = None,
) -> KeyChanged:
    return await visit.act(
        name,
        KeyChanged,
        ids={"key_id": visit.id("key_id"), **(ids or {})},
        body=body,
        expected=visit.form().number("version"),
    )


async def _rename(visit: Visit) -> web.StreamResponse:
    form = visit.form()
    key = await visit.act(
        "keys.update",
        KeyChanged,
        ids={"key_id": visit.id("key_id")},
        body={"name": form.text("name")},
    )
    return visit.redirect(_back(visit, key.id), f"The key is called '{key.name}' now.")


def _deed(name: str, done: str) -> Handle:
    """A form that needs nothing but its button."""

    async def handle(visit: Visit) -> web.StreamResponse:
        key = await _changed(visit, name)
        return visit.redirect(_back(visit, key.id), told(done.format(key.name), key.enforced))

    return handle


def _asking(template: str) -> Handle:
    """The page that says what a deed will stop, and asks whether to do it."""

    async def handle(visit: Visit) -> web.StreamResponse:
        key = await shown_key(visit)
        return visit.render(
            template,
            key=key,
            words=words,
            overlaps=OVERLAPS,
            uses=sum(one.uses for one in key.secrets),
            once=visit.new_once(),
        )

    return handle


async def _change_form(visit: Visit, errors: Mapping[str, str] | None = None) -> web.StreamResponse:
    key = await shown_key(visit)
    offered = await offered_scopes(visit, key.account)
    names = {one.name for one in offered}
    return visit.render(
        "keys/change.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        key=key,
        boxes=words.boxes(offered),
        kept=[scope for scope in key.scopes if scope not in names],
        expires_on=expires_on(key),
        errors=errors or {},
        is_admin=visit.caller.role is Role.ADMIN,
        words=words,
    )


async def _change(visit: Visit) -> web.StreamResponse:
    key = await shown_key(visit)
    try:
        body = changed_key(visit.form(), key)
        changed = await _changed(visit, "keys.update", body=body)
    except Unfit as unfit:
        return await _change_form(visit, unfit.errors)
    return visit.redirect(
        _page_of(key.id), told("The key was changed.", changed.enforced if body else None)
    )


async def _rotate(visit: Visit) -> web.StreamResponse:
    return await _renewed(visit, "keys.rotate", {"overlap": visit.form()["overlap"] or "24h"})


async def _regenerate(visit: Visit) -> web.StreamResponse:
    return await _renewed(visit, "keys.regenerate", {})


async def _renewed(visit: Visit, name: str, body: Mapping[str, str]) -> web.StreamResponse:
    """Another secret, shown once; whoever pressed twice sees it, too."""
    form = visit.form()
    once = mark_of(form)
    receipt = None
    try:
        key = await visit.act(
            name,
            KeyRotated,
            ids={"key_id": visit.id("key_id")},
            body=body,
            expected=form.number("version"),
            once=once,
        )
        receipt = key.enforced
    except Unfit as unfit:
        if not unfit.is_repeated:
            raise
    flash = "" if receipt is None else words.receipt_words(receipt)
    return visit.redirect(made_path(once), flash)


async def _ending(visit: Visit) -> web.StreamResponse:
    key = await shown_key(visit)
    old = [one for one in key.secrets if one.replaced_at and _goes_on(one, visit.now)]
    return visit.render("keys/rotation.html", key=key, old=old, words=words)


def _goes_on(secret: SecretDocument, now: float) -> bool:
    is_over = secret.expires_at is not None and secret.expires_at.timestamp() <= now
    return secret.revoked_at is None and not is_over


async def _end(visit: Visit) -> web.StreamResponse:
    key = await _changed(visit, "keys.end_secret", ids={"secret_id": visit.id("secret_id")})
    return visit.redirect(
        f"/keys/{key.id}/rotation", told("The old secret has ended.", key.enforced)
    )


_KEY = "/keys/{key_id}"
_WRITE = Permission.KEYS_WRITE
LIFE_PAGES = (
    Page("POST", f"{_KEY}/rename", _WRITE, _rename),
    Page("GET", f"{_KEY}/change", _WRITE, _change_form),
    Page("POST", f"{_KEY}/change", _WRITE, _change),
    Page("POST", f"{_KEY}/disable", _WRITE, _deed("keys.disable", "'{}' is disabled.")),
    Page("POST", f"{_KEY}/enable", _WRITE, _deed("keys.enable", "'{}' is enabled.")),
    Page("GET", f"{_KEY}/rotate", _WRITE, _asking("keys/rotate.html")),
    Page("POST", f"{_KEY}/rotate", _WRITE, _rotate, needs_reauthentication=True),
    Page("POST", f"{_KEY}/regenerate", _WRITE, _regenerate, needs_reauthentication=True),
    Page("GET", f"{_KEY}/rotation", Permission.KEYS_READ, _ending),
    Page("POST", f"{_KEY}/secrets/{{secret_id}}/end", _WRITE, _end),
    Page("GET", f"{_KEY}/revoke", _WRITE, _asking("keys/revoke.html")),
    Page("POST", f"{_KEY}/revoke", _WRITE, _deed("keys.revoke", "'{}' is revoked.")),
    Page("GET", f"{_KEY}/delete", _WRITE, _asking("keys/delete.html")),
    Page("POST", f"{_KEY}/delete", _WRITE, _deed("keys.delete", "'{}' is revoked and deleted.")),
)
