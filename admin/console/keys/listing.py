"""The table of keys: search, filters, order, one page at a time."""

__all__ = ["LISTING_PAGES", "ROWS", "key_list"]

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from admin.console import words
from admin.console.keys.forms import listed_keys
from admin.console.page import Page, Unfit, Visit
from admin.core.caller import Permission
from admin.wire.keys import KeyPage

ORDERS = (
    ("-created", "Newest first"),
    ("created", "Oldest first"),
    ("name", "Name, A to Z"),
    ("-name", "Name, Z to A"),
    ("last_used", "Used longest ago"),
    ("expires", "Expiring soonest"),
)
# A page of more rows than a screen holds is only heavier.
ROWS = 25


async def key_list(visit: Visit, errors: Mapping[str, str] | None = None) -> web.StreamResponse:
    """The table as its address asks for it; `errors` are those of what was done from it."""
    asked = listed_keys(visit.request.query, ROWS)
    told = dict(errors or {})
    try:
        found = await visit.act("keys.list", KeyPage, query=asked)
    except Unfit as unfit:
        found = KeyPage(keys=(), next_cursor=None)
        told |= unfit.errors
    return visit.render(
        "keys/list.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if told else HTTPStatus.OK,
        keys=found.keys,
        asked=asked,
        more=next_page("/keys", visit.request.query, found.next_cursor),
        is_narrowed=bool(asked.keys() - {"limit", "sort", "cursor"}),
        states=[(name, said) for name, (said, _) in words.STATES.items()],
        orders=ORDERS,
        back=visit.request.path_qs,
        errors=told,
        words=words,
    )


def this_page(visit: Visit, **filters: object) -> dict[str, Any]:
    """What to ask for to get the page that the address means."""
    query: dict[str, Any] = {"limit": ROWS, **filters}
    if (cursor := visit.asked("cursor")) is not None:
        query["cursor"] = cursor
    return query


def next_page(path: str, query: Mapping[str, str], cursor: str | None) -> str | None:
    """The address of the page behind this one, with the same filters; None at the end."""
    if cursor is None:
        return None
    kept = {name: text for name, text in query.items() if text and name != "cursor"}
    return f"{path}?{urlencode({**kept, 'cursor': cursor})}"


LISTING_PAGES = (Page("GET", "/keys", Permission.KEYS_READ, key_list),)
