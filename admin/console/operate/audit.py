"""The audit log: who did what, and whether all of it is still there."""

__all__ = ["AUDIT_PAGES"]

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from aiohttp import web

from admin.console import words
from admin.console.keys.listing import next_page
from admin.console.page import Page, Unfit, Visit
from admin.core.caller import Permission
from admin.wire.records import AuditPage, AuditVerdict

_ROWS = 40
_FILTERS = ("account", "target", "actor", "action", "cursor")
_DAYS = (("since", "T00:00:00Z"), ("until", "T23:59:59Z"))


async def _list(visit: Visit) -> web.StreamResponse:
    query = visit.request.query
    asked: dict[str, Any] = {
        name: text for name in _FILTERS if (text := query.get(name, "").strip())
    }
    for name, time in _DAYS:
        if day := query.get(name, "").strip():
            asked[name] = f"{day}{time}"
    errors: Mapping[str, str] = {}
    try:
        found = await visit.act("audit.list", AuditPage, query={**asked, "limit": _ROWS})
    except Unfit as unfit:
        found, errors = AuditPage(entries=(), next_cursor=None), unfit.errors
    return visit.render(
        "audit/list.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        entries=found.entries,
        asked=query,
        more=next_page("/audit", query, found.next_cursor),
        is_narrowed=bool(asked.keys() - {"cursor"}),
        errors=errors,
        words=words,
    )


async def _verify(visit: Visit) -> web.StreamResponse:
    expect = visit.asked("expect")
    query = {} if expect is None else {"expect": expect}
    verdict, errors = None, {}
    try:
        verdict = await visit.act("audit.verify", AuditVerdict, query=query)
    except Unfit as unfit:
        errors = unfit.errors
    return visit.render(
        "audit/verdict.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        verdict=verdict,
        expect=expect or "",
        errors=errors,
    )


AUDIT_PAGES = (
    Page("GET", "/audit", Permission.AUDIT_READ, _list),
    Page("GET", "/audit/verify", Permission.AUDIT_READ, _verify, is_operators=True),
)
