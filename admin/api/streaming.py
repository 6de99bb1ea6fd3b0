"""Answers that come piece by piece: files of requests, and requests as they come in (server-sent events)."""

__all__ = ["Pace", "add_streams"]

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, NamedTuple

import structlog
from aiohttp import hdrs, web

from admin.api.exchange import ASK_AGAIN, CALLER, REQUEST_ID
from admin.api.problems import Declined, Problem
from admin.api.reading import checked_id, parsed_query
from admin.core.caller import Caller
from admin.operations.asked import Asked
from admin.operations.usage_streams import EXPORTS, TAILS, ArrivedDocuments
from admin.services.catalogue import Services
from admin.wire.events import FOLLOWING, ended, event, heartbeat
from admin.wire.streams import (
    EVENTS,
    FILE_TYPES,
    STREAMS,
    RequestExportQuery,
    RequestTailQuery,
    Stream,
)

# Who takes nothing for so long is taken for gone.
_WRITE_SECONDS: Final = 60.0
# How long a tail whose time is over goes on while there is more at once.
_OVERTIME_SECONDS: Final = 30.0

_log = structlog.get_logger()

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Pace:
    """How many long answers one caller may have at a time, and all together; and what a tail does how often."""

    per_caller: int = 8
    altogether: int = 64
    heartbeat_seconds: float = 10.0
    ask_again_seconds: float = 2.0


def add_streams(app: web.Application, services: Services, pace: Pace) -> None:
    """Make the app answer for all streams; those under way are ended when it shuts down."""
    places = _Places(pace)
    is_over = asyncio.Event()

    async def end(_app: web.Application) -> None:  # noqa: RUF029 -- a signal
        is_over.set()

    async def options(_request: web.Request) -> web.Response:  # noqa: RUF029 -- a handler
        return web.Response(status=204, headers={hdrs.ALLOW: "GET, HEAD, OPTIONS"})

    app.on_shutdown.append(end)
    for one in STREAMS:
        handle = (
            _tail(one, services, places, _Terms(pace, is_over))
            if one.is_endless
            else _export(one, services, places)
        )
        resource = app.router.add_resource(one.path)
        resource.add_route(hdrs.METH_OPTIONS, options)
        resource.add_route(hdrs.METH_GET, handle)
        resource.add_route(hdrs.METH_HEAD, handle)


class _Places:
    """How many long answers there may be at a time."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._taken: Counter[str] = Counter()

    @contextlib.contextmanager
    def one(self, caller: Caller) -> Iterator[None]:
        """A place until the block ends. Raises Declined when there is none."""
        if self._taken[caller.id] >= self._pace.per_caller:
            raise Declined(
                Problem.RATE_LIMITED,
                f"You have {self._pace.per_caller} exports and tails open, as many as one caller may."
                " End one of them first.",
                headers={"Retry-After": "5"},
            )
        if self._taken.total() >= self._pace.altogether:
            raise Declined(Problem.OVERLOADED, headers={"Retry-After": "5"})
        self._taken[caller.id] += 1
        try:
            yield
        finally:
            self._taken[caller.id] -= 1
            self._taken += Counter()  # leaves out those that have none


class _Out:
    """An answer that is sent in parts."""

    def __init__(self, request: web.Request, headers: Mapping[str, str]) -> None:
        """Nothing is sent yet."""
        self.request = request
        self._answer = web.StreamResponse(headers=headers)

    async def send(self, part: bytes) -> None:
        """Send a part, as fast as it is taken. Raises ConnectionError, TimeoutError for somebody who has gone."""
        if not part:
            # There is nothing to write, by which it would be noticed.
            if self.request.transport is None or self.request.transport.is_closing():
                raise ConnectionResetError
            return
        async with asyncio.timeout(_WRITE_SECONDS):
            await self._answer.write(part)

    async def run(self, work: Callable[[], Awaitable[None]]) -> web.StreamResponse:
        """Send the status, and then what `work` sends; whatever goes wrong there ends the connection.

        The answer has then no end: nobody takes a part for the whole.
        """
        await self._answer.prepare(self.request)
        if self.request.method == hdrs.METH_HEAD:
            return self._answer
        try:
            await work()
            await self._answer.write_eof()
        except (ConnectionError, TimeoutError):
            # They have gone, or take nothing any more.
            self._abort()
        except Exception as error:  # noqa: BLE001 -- a status was sent already: all that is left is to break off
            _log.warning(
                "stream broke off", request_id=self.request[REQUEST_ID], cause=type(error).__name__
            )
            self._abort()
        return self._answer

    def _abort(self) -> None:
        if self.request.transport is not None:
            self.request.transport.abort()


def _export(one: Stream, services: Services, places: _Places) -> Handler:
    act = EXPORTS[one.name]

    async def handle(request: web.Request) -> web.StreamResponse:
        asked = _asked(one, request)
        form = asked.the_query(RequestExportQuery).format
        file = f"requests-{next(iter(asked.ids.values()))}.{form}"
        headers: dict[str, str] = {
            hdrs.CONTENT_TYPE: FILE_TYPES[form],
            hdrs.CONTENT_DISPOSITION: f'attachment; filename="{file}"',
        }
        with places.one(request[CALLER]):
            lines = await act(services, request[CALLER], asked)
            return await _send_lines(_Out(request, headers), lines)

    return handle


async def _send_lines(out: _Out, lines: AsyncGenerator[bytes, None]) -> web.StreamResponse:
    async with aclosing(lines):
        # Before the status is sent: a database that is away is a 503, and no empty file.
        first = await anext(lines)

        async def work() -> None:
            await out.send(first)
            async for part in lines:
                await out.send(part)

        return await out.run(work)


class _Terms(NamedTuple):
    """Under which a tail goes on."""

    pace: Pace
    is_over: asyncio.Event


def _tail(one: Stream, services: Services, places: _Places, terms: _Terms) -> Handler:
    act = TAILS[one.name]

    async def handle(request: web.Request) -> web.StreamResponse:
        asked = _asked(one, request)
        seconds = asked.the_query(RequestTailQuery).seconds
        # A proxy that collects the answer before it passes it on would turn "now" into "later".
        out = _Out(request, {hdrs.CONTENT_TYPE: EVENTS, "X-Accel-Buffering": "no"})
        with places.one(request[CALLER]):
            arrivals = await act(services, request[CALLER], asked, _position(request))
            return await _send_arrivals(_Look(out, seconds, terms), arrivals)

    return handle


async def _send_arrivals(
    look: "_Look", arrivals: AsyncGenerator[ArrivedDocuments, None]
) -> web.StreamResponse:
    async with aclosing(arrivals):
        first = await anext(arrivals)

        async def work() -> None:
            await look.begin(first.position)
            async for arrived in arrivals:
                await look.tell(arrived)
                if (reason := await look.why_not_on(arrived)) is not None:
                    await look.end(reason)
                    return

        return await look.out.run(work)


class _Look:
    """One client that looks at what comes in."""

    def __init__(self, out: _Out, seconds: int, terms: _Terms) -> None:
        self.out = out
        self._terms = terms
        self._until = _now() + seconds
        self._asked_at = self._written_at = _now()

    async def begin(self, position: int) -> None:
        """Say from where on."""
        await self.out.send(FOLLOWING + heartbeat(position))

    async def tell(self, arrived: ArrivedDocuments) -> None:
        """Send what there is, or now and then that there is nothing."""
        part = b"".join(event(arrived.position, each) for each in arrived.requests)
        if not part and _now() - self._written_at >= self._terms.pace.heartbeat_seconds:
            part = heartbeat(arrived.position)
        await self.out.send(part)
        if part:
            self._written_at = _now()

    async def why_not_on(self, arrived: ArrivedDocuments) -> str | None:
        """The reason to end; None if it goes on."""
        if self._terms.is_over.is_set():
            return "shutdown"
        if _now() >= self._until + (_OVERTIME_SECONDS if arrived.requests else 0.0):
            return "time"
        if _now() - self._asked_at >= self._terms.pace.ask_again_seconds:
            self._asked_at = _now()
            try:
                _ = await self.out.request[ASK_AGAIN].caller()
            except Declined:
                return "token"
        return None

    async def end(self, reason: str) -> None:
        """Say why it ends."""
        await self.out.send(ended(reason))


def _now() -> float:
    return asyncio.get_running_loop().time()


def _asked(one: Stream, request: web.Request) -> Asked:
    ids = {name: checked_id(name, text) for name, text in request.match_info.items()}
    return Asked(ids, parsed_query(one.query, request.rel_url.raw_query_string))


def _position(request: web.Request) -> int | None:
    """Where the last tail ended. Raises Declined for what is no position."""
    fields = request.headers.getall("Last-Event-ID", [])
    if not fields or fields == [""]:
        return None
    text = fields[0]
    if len(fields) > 1 or not (text.isascii() and text.isdecimal() and len(text) < 19):  # noqa: PLR2004 -- 64 bits
        raise Declined(Problem.BAD_REQUEST, "Last-Event-ID is not one that a tail has given.")
    return int(text)
