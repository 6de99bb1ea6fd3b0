"""One key: what it is, its requests one by one, its limits, and why something would be refused."""

__all__ = ["SINGLE_PAGES", "followed", "kept", "request_filter"]

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from admin.console import words
from admin.console.keys.life import shown_key
from admin.console.keys.listing import next_page
from admin.console.offered import offered_plans
from admin.console.page import Page, Unfit, Visit
from admin.console.words import ScopeWords
from admin.core.caller import Permission
from admin.wire.checks import ExplainDocument
from admin.wire.keys import KeyDocument
from admin.wire.people import AccountDocument, PlanPage
from admin.wire.usage import RequestPage

_ROWS = 40
_FILTERS = (
    "since",
    "until",
    "status",
    "outcome",
    "route",
    "method",
    "path",
    "address",
    "request_id",
)
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


async def _show(visit: Visit) -> web.StreamResponse:
    key = await shown_key(visit)
    return visit.render("keys/show.html", key=key, scopes=await _scopes_of(visit, key), words=words)


async def _scopes_of(visit: Visit, key: KeyDocument) -> Sequence[ScopeWords]:
    offer = await offered_plans(visit)
    return [words.scope_words(one) for one in offer.scopes if one.name in key.effective_scopes]


async def _requests(visit: Visit) -> web.StreamResponse:
    key = await shown_key(visit)
    asked = request_filter(visit.request.query)
    errors: Mapping[str, str] = {}
    try:
        found = await visit.act(
            "keys.requests",
            RequestPage,
            ids={"key_id": key.id},
            query={**asked, "limit": _ROWS},
        )
    except Unfit as unfit:
        found, errors = RequestPage(requests=(), next_cursor=None), unfit.errors
    return visit.render(
        "keys/requests.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        key=key,
        requests=found.requests,
        asked=asked,
        more=next_page(f"/keys/{key.id}/requests", visit.request.query, found.next_cursor),
        is_narrowed=bool(asked.keys() - {"cursor"}),
        tail=f"/keys/{key.id}/requests/tail?{urlencode(followed(asked))}",
        export=f"/keys/{key.id}/requests/file?{urlencode(kept(asked))}",
        errors=errors,
        words=words,
        outcomes=[("", "Any"), *words.OUTCOMES.items()],
        method_filter=[("", "Any"), *((name, name) for name in _METHODS)],
    )


def kept(asked: Mapping[str, str]) -> dict[str, str]:
    """The filter of a file: that of the page, from its first request on."""
    return {name: text for name, text in asked.items() if name != "cursor"}


def followed(asked: Mapping[str, str]) -> dict[str, str]:
    """The filter of what comes in from now on."""
    return {name: text for name, text in kept(asked).items() if name not in {"since", "until"}}


def request_filter(query: Mapping[str, str]) -> dict[str, Any]:
    """Which requests the reader wants to see, from the address of the page."""
    names = (*_FILTERS, "cursor")
    return {name: text for name in names if (text := query.get(name, "").strip())}


async def _limits(visit: Visit) -> web.StreamResponse:
    """What the key may do at most, and how full its buckets are: asked of the same place as a request would."""
    key = await shown_key(visit)
    account = await visit.act("accounts.show", AccountDocument, ids={"account_id": key.account})
    offer = await offered_plans(visit)
    path = visit.asked("path") or visit.console.terms.example_path
    explained, errors = await _explained(visit, key, {"path": path})
    return visit.render(
        "keys/limits.html",
        key=key,
        account=account,
        plan=_plan_of(offer, account),
        explained=explained,
        errors=errors,
        tried_path=path,
        words=words,
    )


def _plan_of(offer: PlanPage, account: AccountDocument) -> Any:  # noqa: ANN401
    return next((one for one in offer.plans if one.name == account.plan), None)


async def _explain(visit: Visit) -> web.StreamResponse:
    """Each rule with its outcome for a request as the key's holder would make it. Nothing is taken."""
    key = await shown_key(visit)
    asked = {
        name: text
        for name in ("method", "path", "address", "origin")
        if (text := visit.asked(name)) is not None
    }
    explained, errors = None, dict[str, str]()
    if "path" in asked:
        explained, errors = await _explained(visit, key, asked)
    return visit.render(
        "keys/explain.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        key=key,
        explained=explained,
        asked=asked,
        errors=errors,
        words=words,
        method_choices=[(name, name) for name in _METHODS],
    )


async def _explained(
    visit: Visit, key: KeyDocument, asked: Mapping[str, str]
) -> tuple[ExplainDocument | None, dict[str, str]]:
    try:
        body = {"key_id": key.id, **asked}
        return await visit.act("explain", ExplainDocument, body=body), {}
    except Unfit as unfit:
        return None, unfit.errors


_KEY = "/keys/{key_id}"
SINGLE_PAGES = (
    Page("GET", _KEY, Permission.KEYS_READ, _show),
    Page("GET", f"{_KEY}/requests", Permission.USAGE_READ, _requests),
    Page("GET", f"{_KEY}/limits", Permission.KEYS_READ, _limits),
    Page("GET", f"{_KEY}/explain", Permission.KEYS_READ, _explain),
)
