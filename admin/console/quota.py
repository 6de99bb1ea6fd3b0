"""An account's month: how much of it is used, whether that will last, and what is allowed on top for a time."""

__all__ = ["QUOTA_PAGES", "Level", "level_of"]

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final, NamedTuple

from aiohttp import web

from admin.console.once import mark_of
from admin.console.page import Page, Unfit, Visit
from admin.console.told import told
from admin.core.caller import Permission
from admin.wire.people import AccountDocument
from admin.wire.quotas import QuotaChanged, QuotaDocument, QuotaUse

# So soon in a month, its pace says nothing yet.
_TOO_SOON: Final = 0.02
_WARN: Final = 0.75
_LASTS: Final = (("1d", "1 day"), ("7d", "7 days"), ("30d", "30 days"))


class Level(NamedTuple):
    """How full a quota is, how it looks, and what it will be at the end of the month at the present pace."""

    used: int
    allowed: int
    look: str
    forecast: int | None


def level_of(use: QuotaUse, passed: float) -> Level:
    """The level of a quota of which `passed` (0 to 1) of the month is over."""
    allowed = use.limit + use.extra
    share = use.used / allowed if allowed else 1.0
    forecast = round(use.used / passed) if passed >= _TOO_SOON else None
    will_end = forecast is not None and forecast > allowed
    look = "bad" if share >= 1 else "warn" if share >= _WARN or will_end else ""
    return Level(use.used, allowed, look, forecast)


async def _own(visit: Visit) -> web.StreamResponse:
    """A customer's own month."""
    if visit.caller.account_id is None:
        return visit.redirect("/accounts")
    return await _page(visit, visit.caller.account_id, {})


async def _of_account(visit: Visit) -> web.StreamResponse:
    return await _page(visit, visit.id("account_id"), {})


async def _page(visit: Visit, account_id: str, errors: Mapping[str, str]) -> web.StreamResponse:
    ids = {"account_id": account_id}
    account = await visit.act("accounts.show", AccountDocument, ids=ids)
    quota = await visit.act("quota.show", QuotaDocument, ids=ids)
    begun, ended = quota.starts_at.timestamp(), quota.ends_at.timestamp()
    passed = (visit.now - begun) / (ended - begun)
    uses = (("requests", quota.requests), ("bytes", quota.bytes))
    return visit.render(
        "quota.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        account=account,
        quota=quota,
        levels=[(name, level_of(use, passed)) for name, use in uses if use is not None],
        lasts=_LASTS,
        errors=errors,
        once=visit.new_once(),
    )


async def _raise(visit: Visit) -> web.StreamResponse:
    form = visit.form()
    account_id = visit.id("account_id")
    body: dict[str, Any] = {
        "requests": form.number("requests") or 0,
        "bytes": form.number("bytes") or 0,
        "lasts": form.text("lasts"),
        "reason": form.text("reason"),
    }
    try:
        changed = await visit.act(
            "quota.raise",
            QuotaChanged,
            ids={"account_id": account_id},
            body=body,
            once=mark_of(form),
        )
    except Unfit as unfit:
        if unfit.is_repeated:
            return visit.redirect(f"/accounts/{account_id}/quota", unfit.words, tone="warn")
        return await _page(visit, account_id, unfit.errors)
    return visit.redirect(
        f"/accounts/{account_id}/quota", told("More is allowed.", changed.enforced)
    )


async def _end(visit: Visit) -> web.StreamResponse:
    account_id = visit.id("account_id")
    changed = await visit.act(
        "quota.end_raise",
        QuotaChanged,
        ids={"account_id": account_id, "raise_id": visit.id("raise_id")},
        body={},
    )
    return visit.redirect(
        f"/accounts/{account_id}/quota", told("The raise has ended.", changed.enforced)
    )


_QUOTA = "/accounts/{account_id}/quota"
QUOTA_PAGES = (
    Page("GET", "/quota", Permission.USAGE_READ, _own),
    Page("GET", _QUOTA, Permission.USAGE_READ, _of_account),
    Page("POST", f"{_QUOTA}/raises", Permission.QUOTAS_WRITE, _raise, is_operators=True),
    Page(
        "POST",
        f"{_QUOTA}/raises/{{raise_id}}/end",
        Permission.QUOTAS_WRITE,
        _end,
        is_operators=True,
    ),
)
