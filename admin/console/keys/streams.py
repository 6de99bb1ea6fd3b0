"""A key's requests as a file, and as they come in."""

__all__ = ["STREAM_PAGES"]

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Final

from aiohttp import hdrs, web

from admin.console.arrival import SIGN_IN
from admin.console.guarding import HEADERS
from admin.console.keys.life import shown_key
from admin.console.keys.single import followed, kept, request_filter
from admin.console.page import Page, Unfit, Visit
from admin.core.caller import Permission
from admin.operations.usage_streams import EXPORTS, TAILS, ArrivedDocuments
from admin.wire.events import FOLLOWING, event
from admin.wire.streams import EVENTS, FILE_TYPES, RequestExportQuery, RequestTailQuery

# A browser comes back by itself, with what it has seen last: so who is signed out is noticed at the latest then.
_FOLLOWED_SECONDS: Final = 30.0
_ASKED_EVERY_SECONDS: Final = 2.0
_WRITE_SECONDS: Final = 30.0
_OPEN_MAX: Final = 4
_POSITION_MAX: Final = 2**63

_following: Counter[str] = Counter()


async def _file(visit: Visit) -> web.StreamResponse:
    form = visit.request.query.get("format", "csv")
    key_id = visit.id("key_id")
    query = {**kept(request_filter(visit.request.query)), "format": form}
    asked = visit.asking(RequestExportQuery, {"key_id": key_id}, query)
    lines = await EXPORTS["keys.export_requests"](visit.services, visit.caller, asked)
    async with aclosing(lines):
        # Before the status is sent: a database that is away is a page that says so, and no empty file.
        first = await anext(lines)
        answer = _answer(FILE_TYPES[form])
        answer.headers[hdrs.CONTENT_DISPOSITION] = (
            f'attachment; filename="requests-{key_id}.{form}"'
        )
        with _until_they_go(visit.request):
            await answer.prepare(visit.request)
            await _write(answer, first)
            async for part in lines:
                await _write(answer, part)
            await answer.write_eof()
    return answer


async def _tail(visit: Visit) -> web.StreamResponse:
    key_id = visit.id("key_id")
    if EVENTS not in visit.request.headers.get(hdrs.ACCEPT, ""):
        # No script has asked: somebody has opened the link.
        _ = await shown_key(visit)
        return visit.redirect(f"/keys/{key_id}/requests")
    if _following[visit.sign_in.id] >= _OPEN_MAX:
        raise Unfit({"": f"You follow {_OPEN_MAX} keys at once already. Close one of those pages."})
    query = {**followed(request_filter(visit.request.query)), "seconds": 0}
    asked = visit.asking(RequestTailQuery, {"key_id": key_id}, query)
    arrivals = await TAILS["keys.tail_requests"](
        visit.services, visit.caller, asked, _seen(visit.request)
    )
    _following[visit.sign_in.id] += 1
    try:
        answer = _answer(EVENTS)
        async with aclosing(arrivals):
            with _until_they_go(visit.request):
                await _send(visit, answer, arrivals)
        return answer
    finally:
        _following[visit.sign_in.id] -= 1


async def _send(
    visit: Visit, answer: web.StreamResponse, arrivals: AsyncGenerator[ArrivedDocuments, None]
) -> None:
    loop = asyncio.get_running_loop()
    begun = asked_at = loop.time()
    # A proxy that collects the answer before it passes it on would turn "now" into "later".
    answer.headers["X-Accel-Buffering"] = "no"
    arrived = await anext(arrivals)
    await answer.prepare(visit.request)
    await _write(answer, FOLLOWING + f"id: {arrived.position}\n\n".encode())
    async for arrived in arrivals:
        await _write(answer, b"".join(event(arrived.position, one) for one in arrived.requests))
        now = loop.time()
        if now - begun > _FOLLOWED_SECONDS or _has_gone(visit.request):
            break
        if now - asked_at > _ASKED_EVERY_SECONDS:
            asked_at = now
            if await visit.services.console.sign_ins.recognise(visit.cookie(SIGN_IN)) is None:
                break
    await answer.write_eof()


@contextlib.contextmanager
def _until_they_go(request: web.Request) -> Iterator[None]:
    """Whoever leaves in the midst of an answer is nobody's fault; what they have has no end then."""
    try:
        yield
    except (ConnectionError, TimeoutError):
        if request.transport is not None:
            request.transport.abort()


def _seen(request: web.Request) -> int | None:
    """Behind which request to go on; None for whoever begins."""
    text = request.headers.get("Last-Event-ID", "")
    if not (text.isascii() and text.isdecimal()) or int(text) >= _POSITION_MAX:
        return None
    return int(text)


def _answer(media_type: str) -> web.StreamResponse:
    headers = {**HEADERS, hdrs.CONTENT_TYPE: media_type, hdrs.CACHE_CONTROL: "no-store"}
    return web.StreamResponse(headers=headers)


async def _write(answer: web.StreamResponse, part: bytes) -> None:
    if part:
        async with asyncio.timeout(_WRITE_SECONDS):
            await answer.write(part)


def _has_gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


_REQUESTS = "/keys/{key_id}/requests"
STREAM_PAGES = (
    Page("GET", f"{_REQUESTS}/file", Permission.USAGE_READ, _file),
    Page("GET", f"{_REQUESTS}/tail", Permission.USAGE_READ, _tail),
)
