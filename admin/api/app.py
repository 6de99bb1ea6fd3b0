"""The admin API as an aiohttp application: its routes, who may pass, and how everything is answered.

What has no token learns nothing: under /v1 even an unknown path is a 401. /openapi.json and /docs hold no
data of the installation and are open, so that a client can be made before there is a token.
"""

__all__ = ["FAILURES_PER_MINUTE", "api_app", "malformed_answer"]

import re
import secrets
from collections.abc import Iterable, Sequence
from functools import partial
from http import HTTPStatus
from itertools import groupby

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from admin.api import serving, streaming
from admin.api.authentication import Doorkeeper
from admin.api.docs_page import docs_routes
from admin.api.exchange import ASK_AGAIN, CALLER, REQUEST_ID, Again, address_of, problem_answer
from admin.api.faults import declined
from admin.api.problems import Declined, Problem
from admin.api.terms import IMPORT_BYTES_MAX
from admin.core.forwarded import PREFIX
from admin.services.catalogue import Services
from admin.wire.endpoints import ENDPOINTS, Endpoint
from gateway.core.addresses import Networks
from gateway.core.errors import StoreError
from gateway.core.tracing import request_id
from gateway.ports import Clock

FAILURES_PER_MINUTE = 60

# Not aiohttp's, which names Python and both versions: that helps nobody but those who look for holes.
_SERVER = "Keywright"
_GUARDED = re.compile(r"/v1(?:/|$)")
_PLACEHOLDER = re.compile(r"\{(\w+)\}$")

_log = structlog.get_logger()


def api_app(  # noqa: PLR0913 -- all but the first three have a good default
    services: Services,
    clock: Clock,
    *,
    docs_url: str,
    trusted_proxies: Iterable[str] = (),
    failures_per_minute: int = FAILURES_PER_MINUTE,
    stream_pace: streaming.Pace = streaming.Pace(),  # noqa: B008 -- frozen
) -> web.Application:
    """The application; it starts nothing and ends nothing. Whoever mounts it may add routes of their own.

    `docs_url` is where the product's pages live, `trusted_proxies` whose X-Forwarded-For is believed.
    """
    doorkeeper = Doorkeeper(services.tokens.authenticate, clock, failures_per_minute)
    trusted = Networks(trusted_proxies)
    app = web.Application(
        middlewares=[
            _answering(docs_url),
            _authenticating(doorkeeper, trusted),
        ],
        client_max_size=IMPORT_BYTES_MAX,
    )
    app.on_response_prepare.append(_mark)
    app.add_routes(docs_routes(docs_url))
    by_path = sorted(ENDPOINTS, key=lambda one: one.path)
    for path, found in groupby(by_path, key=lambda one: one.path):
        _add(app, path, list(found), services)
    streaming.add_streams(app, services, stream_pace)
    return app


def malformed_answer(docs_url: str) -> web.Response:
    """The answer to what is no HTTP at all, so that this looks like every other refusal, too."""
    detail = "This is no HTTP/1.1 request, or its target or one of its fields is longer than 8 KiB."
    fresh_id = secrets.token_hex(16)
    answer = problem_answer(Declined(Problem.BAD_REQUEST, detail), fresh_id, docs_url)
    answer.headers.update(
        {"X-Request-Id": fresh_id, "Cache-Control": "no-store", hdrs.SERVER: _SERVER}
    )
    return answer


def _add(app: web.Application, path: str, found: Sequence[Endpoint], services: Services) -> None:
    resource = app.router.add_resource(_pattern(path))
    methods = {one.method for one in found} | {hdrs.METH_OPTIONS}
    if hdrs.METH_GET in methods:
        methods.add(hdrs.METH_HEAD)
    allow = ", ".join(sorted(methods))

    async def options(_request: web.Request) -> web.Response:  # noqa: RUF029 -- a handler
        return web.Response(status=HTTPStatus.NO_CONTENT, headers={hdrs.ALLOW: allow})

    resource.add_route(hdrs.METH_OPTIONS, options, expect_handler=_expect)
    for one in found:
        handle = serving.handler(one, services)
        resource.add_route(one.method, handle, expect_handler=_expect)
        if one.method == hdrs.METH_GET:
            resource.add_route(hdrs.METH_HEAD, handle, expect_handler=_expect)


def _pattern(path: str) -> str:
    """`path` for the router: an id is never taken for a word that stands in its place elsewhere."""
    stem = _PLACEHOLDER.sub("", path)
    words = [
        one.path.removeprefix(stem)
        for one in ENDPOINTS
        if one.path != path and re.fullmatch(re.escape(stem) + r"\w+", one.path)
    ]
    if stem == path or not words:
        return path
    return _PLACEHOLDER.sub(rf"{{\1:(?!(?:{'|'.join(words)})$)[^{{}}/]+}}", path)


async def _expect(_request: web.Request) -> None:
    """Nothing yet: whoever reads the body asks for it."""


def _answering(docs_url: str) -> Middleware:
    @web.middleware
    async def answering(request: web.Request, handler: Handler) -> web.StreamResponse:
        request[REQUEST_ID] = request_id(
            request.headers.get("X-Request-Id"), lambda: secrets.token_hex(16)
        )
        try:
            return await handler(request)
        except Exception as error:  # noqa: BLE001 -- the last one to see it: told to the operator, hidden from the caller
            _tell_operator(request, error)
            return problem_answer(declined(error), request[REQUEST_ID], docs_url)

    return answering


def _tell_operator(request: web.Request, error: Exception) -> None:
    told = {
        "request_id": request[REQUEST_ID],
        "method": request.method,
        "path": _place(request),
    }
    if isinstance(error, StoreError):
        _log.warning("admin request: a store did not answer", detail=str(error), **told)
    elif declined(error).problem.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.error("admin request failed", exc_info=error, **told)


def _place(request: web.Request) -> str:
    """The path as the router has it, with its placeholders; empty if nothing is served there."""
    resource = request.match_info.route.resource
    return "" if resource is None else resource.canonical


def _authenticating(doorkeeper: Doorkeeper, trusted: Networks) -> Middleware:
    @web.middleware
    async def authenticating(request: web.Request, handler: Handler) -> web.StreamResponse:
        if _is_guarded(request):
            again = partial(
                doorkeeper.caller,
                request.headers.getall(hdrs.AUTHORIZATION, []),
                address_of(request, trusted),
                request[REQUEST_ID],
            )
            request[ASK_AGAIN] = Again(again)
            request[CALLER] = await again()
        return await handler(request)

    return authenticating


def _is_guarded(request: web.Request) -> bool:
    """By the route that was found, so that no spelling of a path leads past the door; unknown paths are guarded."""
    resource = request.match_info.route.resource
    if resource is None:
        return _GUARDED.match(request.path) is not None
    path = resource.canonical
    return _GUARDED.match(path) is not None and not (path + "/").startswith(f"{PREFIX}/")


async def _mark(request: web.Request, answer: web.StreamResponse) -> None:  # noqa: RUF029 -- a signal
    answer.headers.setdefault("X-Request-Id", request.get(REQUEST_ID, "-"))
    answer.headers.setdefault("X-Content-Type-Options", "nosniff")
    answer.headers.setdefault("Cache-Control", "no-store")
    answer.headers[hdrs.SERVER] = _SERVER
