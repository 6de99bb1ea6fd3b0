"""What one worker tells of itself: metrics, liveness, readiness (design §9, §10)."""

__all__ = ["operations_app"]

from collections.abc import Callable

from aiohttp import web

from gateway.core.readiness import Readiness

_EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"


def operations_app(
    *,
    render_metrics: Callable[[], bytes],
    readiness: Callable[[], tuple[Readiness, dict[str, str]]],
) -> web.Application:
    """`readiness` also says what it found, by name; `/healthz` asks nobody, so that no outage restarts the process."""

    async def metrics(_request: web.Request) -> web.Response:  # noqa: RUF029 -- the shape of a handler
        return web.Response(body=render_metrics(), headers={"Content-Type": _EXPOSITION})

    async def healthz(_request: web.Request) -> web.Response:  # noqa: RUF029
        return web.json_response({"status": "alive"}, headers={"Cache-Control": "no-store"})

    async def readyz(_request: web.Request) -> web.Response:  # noqa: RUF029
        state, details = readiness()
        return web.json_response(
            {"status": state.word, **details},
            status=state.status,
            headers={"Cache-Control": "no-store"},
        )

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    return app
