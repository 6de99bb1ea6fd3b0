"""What keys and accounts used: charts, endpoints, refusals, as a page and as files."""

__all__ = ["USAGE_PAGES"]

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from admin.console import words
from admin.console.keys.life import shown_key
from admin.console.page import Page, Visit
from admin.console.usage_charts import WINDOWS, charts, shares, window_of
from admin.core.caller import Permission
from admin.wire.people import AccountDocument
from admin.wire.usage import UsageReport
from gateway.core.record import SERVED


async def _of_key(visit: Visit) -> web.StreamResponse:
    key = await shown_key(visit)
    shown = await _report(visit, "keys.usage", {"key_id": key.id})
    return visit.render("keys/usage.html", key=key, words=words, **shown)


async def _of_account(visit: Visit) -> web.StreamResponse:
    account_id = visit.id("account_id")
    account = await visit.act("accounts.show", AccountDocument, ids={"account_id": account_id})
    shown = await _report(visit, "accounts.usage", {"account_id": account_id})
    return visit.render("accounts/usage.html", account=account, words=words, **shown)


async def _of_all(visit: Visit) -> web.StreamResponse:
    """All that this visitor sees: one account's, or everybody's."""
    shown = await _report(visit, "usage.show", {})
    return visit.render("usage.html", words=words, **shown)


async def _report(visit: Visit, name: str, ids: Mapping[str, str]) -> dict[str, Any]:
    window = window_of(visit.asked("window"))
    query = {"from": window.since, "step": window.step}
    report = await visit.act(name, UsageReport, ids=ids, query=query)
    return {
        "window": window,
        "windows": WINDOWS,
        "totals": report.totals,
        "charts": charts(report, window),
        "routes": shares(report.by_route),
        "refusals": shares(report.by_outcome, left_out=(SERVED,)),
    }


USAGE_PAGES = (
    Page("GET", "/usage", Permission.USAGE_READ, _of_all),
    Page("GET", "/keys/{key_id}/usage", Permission.USAGE_READ, _of_key),
    Page("GET", "/accounts/{account_id}/usage", Permission.USAGE_READ, _of_account),
)
