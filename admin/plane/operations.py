"""The operator's endpoints of the whole gateway: metrics, liveness, readiness. They need no token (design §9, §10)."""

__all__ = ["OPERATIONS_PATHS", "operations_routes"]

from collections.abc import Sequence
from typing import Final

from aiohttp import web

from admin.plane.gathering import Gatherer

OPERATIONS_PATHS: Final = ("/metrics", "/healthz", "/readyz")

_EXPOSITION: Final = "text/plain; version=0.0.4; charset=utf-8"
_NOT_KEPT: Final = {"Cache-Control": "no-store"}


def operations_routes(gatherer: Gatherer) -> Sequence[web.RouteDef]:
    """`/healthz` asks nobody, so that no outage of a store or a worker restarts this process."""

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(body=await gatherer.metrics(), headers={"Content-Type": _EXPOSITION})

    async def healthz(_request: web.Request) -> web.Response:  # noqa: RUF029 -- the shape of a handler
        return web.json_response({"status": "alive"}, headers=_NOT_KEPT)

    async def readyz(_request: web.Request) -> web.Response:
        state, document = await gatherer.readiness()
        return web.json_response(document, status=state.status, headers=_NOT_KEPT)

    handlers = (metrics, healthz, readyz)
    return [
        web.get(path, handler) for path, handler in zip(OPERATIONS_PATHS, handlers, strict=True)
    ]
