"""The control plane as a process: the admin API, and what there is to know of all workers, on the admin port."""

__all__ = ["run"]

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator, Sequence
from functools import partial
from pathlib import Path

import structlog

from admin.api.app import api_app, malformed_answer
from admin.api.authorize import authorize_routes
from admin.plane.checking import forward_auth
from admin.plane.console_mounting import mount_console
from admin.plane.delivering import delivering
from admin.plane.gathering import Gatherer
from admin.plane.operations import operations_routes
from admin.plane.overview import Source, overview_of
from admin.plane.readiness import State
from admin.plane.retention import usage_retention
from admin.plane.wiring import opened
from gateway.app.admitting import Door, admitting
from gateway.children import LISTENING, tell_parent
from gateway.core.readiness import Readiness
from gateway.listening import AppListener
from gateway.memory import give_back_large_blocks
from gateway.settings import Settings
from gateway.tasks import Crew

log = structlog.get_logger(__name__)


async def run(
    settings: Settings,
    workers: Sequence[Path],
    sockets: Sequence[socket.socket] = (),
    source: Source | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is under way. `workers` are the sockets of the workers.

    `source` is where a reload would read from, for who wants to know what it would change.
    Without `sockets`, which are bound already, it listens on the admin port by itself.
    Raises Misuse, with words for the operator, when it cannot start.
    """
    # It ships usage, which is large batches all day.
    give_back_large_blocks()
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with _listening(settings, workers, sockets, source) as address:
        tell_parent(LISTENING, address)
        log.info("control_plane_listening", admin=address)
        await stop.wait()
    log.info("control_plane_stopped")


@contextlib.asynccontextmanager
async def _listening(
    settings: Settings,
    workers: Sequence[Path],
    sockets: Sequence[socket.socket],
    source: Source | None,
) -> AsyncIterator[str]:
    """All of it, listening at the address that the block is given."""
    async with contextlib.AsyncExitStack() as stack:
        door = await stack.enter_async_context(admitting(settings, is_worker=False, ships=True))
        gatherer = await stack.enter_async_context(
            Gatherer.opened(
                workers,
                render_own=door.metrics.render,
                own_state=lambda: _state_of(door),
                busiest_keys=settings.metrics.busiest_keys,
            )
        )
        services = await stack.enter_async_context(opened(settings, door))
        crew = await stack.enter_async_context(Crew())
        _ = crew.start("housekeeping", services.housekeeping.run())
        _ = crew.start("long-work", services.console.jobs.run())
        _ = crew.start("usage-retention", usage_retention(settings, door).run())
        await stack.enter_async_context(delivering(settings, door))
        _ = crew.start("alerts", services.alerting.run())
        app = api_app(
            services,
            door.clock,
            docs_url=settings.docs_url,
            trusted_proxies=settings.listen.trusted_proxies,
        )
        app.add_routes(authorize_routes(forward_auth(settings, door)))
        app.add_routes(operations_routes(gatherer))
        mount_console(app, settings, services, door.clock, overview_of(settings, gatherer, source))
        listener = AppListener(app, partial(malformed_answer, settings.docs_url))
        stack.push_async_callback(listener.close)
        await door.joined()
        host, port = settings.admin.host, settings.admin.port
        if sockets:
            await listener.listen_with(sockets)
            port = sockets[0].getsockname()[1]
        else:
            port = await listener.listen_at(host, port, "admin")
        yield f"{host}:{port}"


def _state_of(door: Door) -> State:
    away = door.condition.away
    stores = {store: "away" if store in away else "ok" for store in ("redis", "sql")}
    return {"status": (Readiness.DEGRADED if away else Readiness.READY).word, **stores}
