"""Signing in by a provider of OpenID Connect: to it, and back."""

__all__ = ["SINGLE_SIGN_ON_PAGES"]

import hmac
from http import HTTPStatus

from aiohttp import web

from admin.console.arrival import Arrival
from admin.console.guarding import local_path
from admin.console.page import OpenPage
from admin.console.provider import Provider, Question
from admin.console.signing import signed_in
from admin.core.faults import NotAllowed, NotFound

_ASKED = "keywright-oidc"
_SECONDS = 600
_BACK = "/sign-in/with/done"


async def _go(arrival: Arrival) -> web.StreamResponse:
    provider, query = _provider(arrival), arrival.request.query
    question = Question.new(arrival.now, again="again" in query)
    where = await provider.way(question, f"{arrival.origin}{_BACK}")
    note = {**question._asdict(), "next": local_path(query.get("next"))}
    arrival.set_cookie(_ASKED, arrival.seal(_ASKED, note), seconds=_SECONDS)
    # The one address elsewhere that we ever send anybody to; it comes from the provider's own description.
    return web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": where})


async def _come_back(arrival: Arrival) -> web.StreamResponse:
    provider, query = _provider(arrival), arrival.request.query
    note = arrival.unseal(_ASKED, arrival.cookie(_ASKED))
    arrival.drop_cookie(_ASKED)
    next_ = str(note.pop("next", "/"))
    question = Question(**note) if note else None
    if question is None or not _belongs(arrival, question):
        raise NotAllowed("This was not begun in this browser, or too long ago. Sign in again.")
    if provider.is_other(query.get("iss")) or not query.get("code"):
        raise NotAllowed(f"{provider.terms.name} did not let you in. Sign in again.")
    identity = await provider.identity(question, query["code"], f"{arrival.origin}{_BACK}")
    identities = arrival.services.console.identities
    user = await identities.user_of(identity, arrival.address, arrival.request_id)
    return await signed_in(arrival, user, provider.terms.name, next_)


def _belongs(arrival: Arrival, question: Question) -> bool:
    sent = arrival.request.query.get("state", "").encode()
    is_fresh = 0 <= arrival.now - question.at <= _SECONDS
    return is_fresh and hmac.compare_digest(sent, question.state.encode())


def _provider(arrival: Arrival) -> Provider:
    if arrival.console.provider is None:
        raise NotFound("Single sign-on is not set up here.")
    return arrival.console.provider


SINGLE_SIGN_ON_PAGES = (
    OpenPage("GET", "/sign-in/with", _go),
    OpenPage("GET", _BACK, _come_back),
)
