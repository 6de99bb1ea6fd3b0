"""Keys that nobody uses, or that are old: the list to go through, and how to disable many of them."""

__all__ = ["UNUSED_PAGES"]

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from aiohttp import web

from admin.console import words
from admin.console.keys.listing import next_page
from admin.console.page import Page, Unfit, Visit
from admin.core.caller import Permission
from admin.core.faults import NotFound
from admin.wire.keys import KeyChanged, KeyPage

_ROWS: Final = 50
# What is looked for, by the name of the filter and its value.
_KINDS: Final[Mapping[str, tuple[str, str, str]]] = {
    "unused": ("Not used for 90 days", "unused_for", "90d"),
    "unused-year": ("Not used for a year", "unused_for", "365d"),
    "old": ("Older than a year", "older_than", "365d"),
    "expiring": ("Expiring within 30 days", "expiring_in", "30d"),
}


async def _list(visit: Visit) -> web.StreamResponse:
    return await _table(visit, {})


async def _table(visit: Visit, errors: Mapping[str, str]) -> web.StreamResponse:
    query = visit.request.query
    kind = query.get("kind", "unused")
    if kind not in _KINDS:
        kind = "unused"
    _, name, value = _KINDS[kind]
    asked = {name: value, "state": "active", "limit": _ROWS}
    if cursor := query.get("cursor"):
        asked["cursor"] = cursor
    found = await visit.act("keys.list", KeyPage, query=asked)
    return visit.render(
        "keys/unused.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        keys=found.keys,
        kind=kind,
        kinds=_KINDS,
        more=next_page("/keys/unused", query, found.next_cursor),
        errors=errors,
        words=words,
    )


async def _disable(visit: Visit) -> web.StreamResponse:
    """Disable each of those that are ticked; what happened to each is told."""
    chosen = visit.form().all("key")[:_ROWS]
    if not chosen:
        return await _table(visit, {"": "Tick the keys that are to be disabled."})
    done, missed = [], []
    for key_id in chosen:
        try:
            done.append(
                await visit.act("keys.disable", KeyChanged, ids={"key_id": key_id}, body={})
            )
        except Unfit as unfit:
            missed.append((key_id, unfit.words))
        except NotFound as error:
            missed.append((key_id, str(error)))
    return visit.render("keys/disabled_many.html", done=done, missed=missed, words=words)


UNUSED_PAGES = (
    Page("GET", "/keys/unused", Permission.KEYS_WRITE, _list),
    Page("POST", "/keys/unused", Permission.KEYS_WRITE, _disable),
)
