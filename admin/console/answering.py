"""How every page is answered alike: who asks, whether they may, what goes wrong, and the headers of it all."""

__all__ = ["console_routes"]

from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus

import structlog
from aiohttp import hdrs, web

from admin.console.arrival import SIGN_IN, Arrival, Console
from admin.console.assets import Assets
from admin.console.faults import fault_of, fault_page
from admin.console.guarding import HEADERS
from admin.console.page import FORM_BYTES_MAX, OpenPage, Page, Visit
from admin.console.provider import ProviderAway
from admin.console.proving import prove
from admin.console.receiving import sent_form
from admin.console.sign_in import sign_in_page
from admin.core.faults import NotAllowed
from gateway.core.errors import StoreError

_FOREVER = "public, max-age=31536000, immutable"

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]

_log = structlog.get_logger(__name__)


def console_routes(
    console: Console, assets: Assets, pages: Sequence[Page], open_pages: Sequence[OpenPage]
) -> Sequence[web.RouteDef]:
    """The pages, their files, and an answer for every path that nothing else is served at.

    To be added last: what the admin API answers stays its own.
    """
    return [
        *(_route(page.method, page.path, _answer(console, page)) for page in pages),
        *(_route(page.method, page.path, _open_answer(console, page)) for page in open_pages),
        web.get("/static/{name}", _file(assets)),
        web.route("*", r"/{rest:(?!v1(?:/|$))[\s\S]*}", _nothing_here(console)),
    ]


def _route(method: str, path: str, handle: Answer) -> web.RouteDef:
    return web.get(path, handle) if method == hdrs.METH_GET else web.post(path, handle)


def _answer(console: Console, page: Page) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        visitor = _Visitor(console, request)
        return await visitor.answered(visitor.visited(page))

    return answer


def _open_answer(console: Console, page: OpenPage) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        visitor = _Visitor(console, request)
        return await visitor.answered(visitor.arrived(page))

    return answer


def _nothing_here(console: Console) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        visitor = _Visitor(console, request)
        return await visitor.answered(visitor.lost())

    return answer


class _Visitor:
    """Answers one request; `arrival` is what is known of it so far."""

    def __init__(self, console: Console, request: web.Request) -> None:
        self._console = console
        self._request = request
        self._arrival = Arrival(console, request)

    async def answered(self, answering: Awaitable[web.StreamResponse]) -> web.StreamResponse:
        """The answer, or the page that says what was in the way of it."""
        try:
            answer = await answering
        except Exception as error:  # noqa: BLE001 -- the last one to see it: told to the operator, hidden from the reader
            answer = self._faulty(error)
        if not answer.prepared:
            self._arrival.finished(answer)
            answer.headers.update(HEADERS)
            answer.headers.setdefault("Cache-Control", "no-store")
        return answer

    async def arrived(self, page: OpenPage) -> web.StreamResponse:
        """The answer of a page for everybody."""
        if page.method == hdrs.METH_POST:
            form = await sent_form(self._request, FORM_BYTES_MAX)
            self._arrival = Arrival(self._console, self._request, form)
            self._arrival.check_form()
        return await page.handle(self._arrival)

    async def visited(self, page: Page) -> web.StreamResponse:
        """The answer of a page for those who are signed in."""
        visit = await self._recognised(page)
        if visit is None:
            return sign_in_page(self._arrival, is_refusal=True)
        if page.method == hdrs.METH_POST:
            visit.check_form()
        if self._console.services.console.sign_ins.has_other_rights(visit.signed_in):
            # A cookie that was taken must not have what its user has only now.
            await visit.renew()
        if visit.lacks_factor and not page.is_open_without_factor:
            return visit.render("me/second_factor_needed.html", status=HTTPStatus.FORBIDDEN)
        _check_rights(visit, page)
        if page.needs_reauthentication and not visit.has_proved:
            asking = await prove(visit, page)
            if asking is not None:
                return asking
        return await page.handle(visit)

    async def lost(self) -> web.StreamResponse:
        """Nothing is served at this path, or not by this method."""
        try:
            await self._recognised(None)
        except StoreError:
            # Then the page is shown without the menu.
            _log.info("console: nobody can be recognised now")
        allowed = await _methods_at(self._request)
        if allowed:
            raise web.HTTPMethodNotAllowed(self._request.method, allowed)
        raise web.HTTPNotFound

    async def _recognised(self, page: Page | None) -> Visit | None:
        token = self._arrival.cookie(SIGN_IN)
        signed_in = (
            await self._console.services.console.sign_ins.recognise(token) if token else None
        )
        if signed_in is None:
            if token:
                self._arrival.drop_cookie(SIGN_IN)
            return None
        form = None
        if page is not None and page.method == hdrs.METH_POST:
            form = await sent_form(self._request, page.body_bytes_max, takes_file=page.takes_file)
        visit = Visit(self._console, self._request, signed_in, form)
        self._arrival = visit
        return visit

    def _faulty(self, error: Exception) -> web.StreamResponse:
        fault = fault_of(error)
        told = {
            "request_id": self._arrival.request_id,
            "method": self._request.method,
            "page": _place(self._request),
        }
        if isinstance(error, StoreError):
            _log.warning("console: a store did not answer", detail=str(error), **told)
        elif isinstance(error, ProviderAway):
            _log.warning("console: single sign-on cannot be reached", detail=str(error), **told)
        elif fault.status == HTTPStatus.INTERNAL_SERVER_ERROR:
            _log.error("console page failed", exc_info=error, **told)
        return fault_page(self._arrival, fault)


def _check_rights(visit: Visit, page: Page) -> None:
    if page.permission is not None:
        visit.caller.require(page.permission)
    if page.is_operators and visit.caller.account_id is not None:
        raise NotAllowed("This page is for those who look after all accounts.")


async def _methods_at(request: web.Request) -> set[str]:
    """By which methods something else is served at this path."""
    allowed: set[str] = set()
    for resource in request.app.router.resources():
        if resource.canonical != "/{rest}":
            _, found = await resource.resolve(request)
            allowed |= found
    return allowed


def _place(request: web.Request) -> str:
    """The path as the router has it, with its placeholders."""
    resource = request.match_info.route.resource
    return "" if resource is None else resource.canonical


def _file(assets: Assets) -> Answer:
    async def file(request: web.Request) -> web.StreamResponse:  # noqa: RUF029 -- a handler
        found = assets.served(request.path)
        if found is None:
            return web.Response(
                status=HTTPStatus.NOT_FOUND, text="There is no such file.\n", headers=HEADERS
            )
        headers = {**HEADERS, hdrs.CONTENT_TYPE: found.media_type, "Cache-Control": _FOREVER}
        return web.Response(body=found.body, headers=headers)

    return file
