"""What an account is told of: thresholds of its quota, and which kinds of alert; and what stands now."""

__all__ = ["ALERT_PAGES"]

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web

from admin.console.page import Page, Unfit, Visit
from admin.core.caller import Permission
from admin.wire.alerts import AlertPage, AlertSettingsDocument

# What each kind is called, why somebody wants it, and whether it is recommended to leave it on.
_KINDS: Final[Mapping[str, tuple[str, str, bool]]] = {
    "quota.threshold": ("A threshold of the quota", "Told at each of the percentages above.", True),
    "quota.exceeded": ("The quota is used up", "Requests are refused from then on.", True),
    "quota.forecast": ("The quota will not last", "At the pace of the last days.", False),
    "key.expiring": ("A key is about to expire", "Its requests are refused afterwards.", True),
    "key.rotation_due": ("A key's secret is old", "Rotate it, with an overlap.", False),
    "key.new_address": ("A key is used from a new address", "It may have been taken.", True),
    "key.many_refusals": (
        "A key is refused again and again",
        "Something of yours does not work.",
        False,
    ),
    "key.unused": ("Nobody uses a key", "One that nobody needs can be revoked.", False),
    "usage.sudden_rise": (
        "Usage rises suddenly",
        "A mistake in a program, or somebody else.",
        False,
    ),
}
_SLIDERS: Final = 4
_SHOWN: Final = 50


async def _own(visit: Visit) -> web.StreamResponse:
    """An account's own; who looks after all accounts sees what stands in any of them."""
    if visit.caller.account_id is None:
        return await _standing(visit)
    return await _page(visit, visit.caller.account_id, {})


async def _of_account(visit: Visit) -> web.StreamResponse:
    return await _page(visit, visit.id("account_id"), {})


async def _standing(visit: Visit) -> web.StreamResponse:
    page = await visit.act("alerts.list", AlertPage, query={"limit": _SHOWN})
    return visit.render("alerts/standing.html", alerts=page.alerts)


async def _page(visit: Visit, account_id: str, errors: Mapping[str, str]) -> web.StreamResponse:
    wanted = await visit.act("alerts.show", AlertSettingsDocument, ids={"account_id": account_id})
    page = await visit.act("alerts.list", AlertPage, query={"limit": _SHOWN, "account": account_id})
    sliders = [*wanted.thresholds, *(0 for _ in range(_SLIDERS))][
        : max(_SLIDERS, len(wanted.thresholds))
    ]
    return visit.render(
        "alerts/account.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        wanted=wanted,
        sliders=sliders,
        kinds=[
            (kind, *_KINDS.get(kind, (kind, "", False)), is_on)
            for kind, is_on in wanted.kinds.items()
        ],
        alerts=page.alerts,
        errors=errors,
    )


async def _change(visit: Visit) -> web.StreamResponse:
    form = visit.form()
    account_id = visit.id("account_id")
    before = await visit.act("alerts.show", AlertSettingsDocument, ids={"account_id": account_id})
    body: dict[str, Any] = {
        "kinds": {
            kind: form.has(f"kind-{kind}")
            for kind, is_on in before.kinds.items()
            if form.has(f"kind-{kind}") is not is_on
        }
    }
    percents = sorted(
        {int(text) for text in form.all("threshold") if text.isdecimal() and int(text)}
    )
    if form.has("as_configured"):
        body["thresholds"] = None
    elif percents != list(before.thresholds):
        body["thresholds"] = percents
    try:
        await visit.act(
            "alerts.update",
            AlertSettingsDocument,
            ids={"account_id": account_id},
            body=body,
            expected=form.number("version"),
        )
    except Unfit as unfit:
        return await _page(visit, account_id, unfit.errors)
    own = visit.caller.account_id is not None
    return visit.redirect("/alerts" if own else f"/accounts/{account_id}/alerts", "Kept.")


_ACCOUNT = "/accounts/{account_id}/alerts"
ALERT_PAGES = (
    Page("GET", "/alerts", Permission.ALERTS_READ, _own),
    Page("GET", _ACCOUNT, Permission.ALERTS_READ, _of_account),
    Page("POST", _ACCOUNT, Permission.ALERTS_WRITE, _change),
)
