"""A small server that speaks the wire of the admin API: it reads each request as its endpoint's models say.

It answers with the samples, and fails as it is told: `server.fail(drop, problem(503, Retry_After="2"))`.
"""

__all__ = ["Asked", "Fault", "WireServer", "drop", "problem", "text"]

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple

from aiohttp import web
from pydantic import BaseModel

from admin.wire.endpoints import ENDPOINTS, Endpoint
from tests.admin.samples import SAMPLES

Fault = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Asked(NamedTuple):
    """One request, as the server understood it."""

    name: str
    method: str
    path: str
    ids: Mapping[str, str]
    query: Mapping[str, str]
    body: BaseModel | None
    headers: Mapping[str, str]


async def drop(request: web.Request) -> web.StreamResponse:
    """The connection ends where an answer is expected."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def problem(status: int, **headers: str) -> Fault:
    """A problem document with this status."""

    async def answer(_: web.Request) -> web.StreamResponse:
        document = {
            "type": "https://keywright.dev/problems/sample",
            "title": "Sample",
            "status": status,
            "detail": "This is what is wrong.",
            "code": "sample",
            "errors": [{"field": "limits.0.quota", "message": "too large"}],
        }
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.json_response(document, status=status, headers={"X-Request-Id": "req-1", **more})

    return answer


def text(status: int, body: str) -> Fault:
    """What something else than a Keywright answers."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=body)

    return answer


class WireServer:
    """Listens on `url` while it is open; `asked` is what came."""

    def __init__(self) -> None:
        """Nothing listens yet."""
        self.url = ""
        self.asked: list[Asked] = []
        self.answers: dict[str, deque[BaseModel]] = {}
        self._faults: deque[Fault] = deque()

    def fail(self, *faults: Fault) -> None:
        """Answer the next requests so, one each."""
        self._faults += faults

    def answer(self, name: str, *documents: BaseModel) -> None:
        """Answer an endpoint's next requests with these documents."""
        self.answers[name] = deque(documents)

    @asynccontextmanager
    async def open(self) -> AsyncIterator["WireServer"]:
        """Listens on any free port."""
        app = web.Application()
        for one in ENDPOINTS:
            app.router.add_route(one.method, one.path, self._handler(one))
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()

    def _handler(self, endpoint: Endpoint) -> Fault:
        async def handle(request: web.Request) -> web.StreamResponse:
            self.asked.append(await _asked(endpoint, request))
            if self._faults:
                return await self._faults.popleft()(request)
            waiting = self.answers.get(endpoint.name)
            document = waiting.popleft() if waiting else SAMPLES[endpoint.answer]
            assert isinstance(document, endpoint.answer)
            return web.Response(
                status=endpoint.status,
                text=document.model_dump_json(),
                content_type="application/json",
            )

        return handle


async def _asked(endpoint: Endpoint, request: web.Request) -> Asked:
    content = await request.read()
    body = None
    if endpoint.body is not None:
        assert request.content_type == "application/json"
        body = endpoint.body.model_validate_json(content, strict=True)
    else:
        assert content == b""
    if endpoint.query is not None:
        endpoint.query.model_validate(dict(request.query))
    else:
        assert not request.query
    return Asked(
        endpoint.name,
        request.method,
        request.raw_path,
        dict(request.match_info),
        dict(request.query),
        body,
        request.headers,
    )
