"""One worker, put together: a door, the proxy listener before it, the upstreams behind it, the operator's endpoints."""

__all__ = ["Supervised", "Worker", "assembled"]

import contextlib
import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from gateway.app.admitting import Door, admitting
from gateway.app.plain import lane_terms, upstreams
from gateway.children import LISTENING, leave_last_words, tell_parent
from gateway.core.readiness import Readiness
from gateway.http.front import Front
from gateway.http.lane import Lane
from gateway.http.listener import Manner, ProxyListener
from gateway.http.operations import operations_app
from gateway.listening import AppListener
from gateway.pipeline.exchange import Reports
from gateway.settings import Settings
from gateway.stores.valkey import PrivateValkey
from gateway.tasks import Crew

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Supervised:
    """What a supervisor gives its worker: the `path` of a socket to tell of itself on, and `sockets` for the proxy."""

    path: Path
    sockets: Sequence[socket.socket] = ()


class Worker:
    """What runs. `stop` ends it in order: no new work, and what is under way finishes."""

    def __init__(
        self, settings: Settings, door: Door, proxy: ProxyListener, supervised: Supervised | None
    ) -> None:
        """Nothing listens yet."""
        app = operations_app(render_metrics=door.metrics.render, readiness=self.readiness)
        self.proxy = proxy
        self.operations = AppListener(app)
        self._settings = settings
        self._door = door
        self._supervised = supervised
        self._is_draining = False

    async def start(self) -> None:
        """Listen. Raises Misuse when an address cannot be had."""
        await self._door.joined()
        if self._supervised is not None:
            await self.operations.listen_on(self._supervised.path)
            await self.proxy.start()
            tell_parent(LISTENING, self._proxy_address)
            log.info("worker_listening", worker=self._door.name, proxy=self._proxy_address)
            return
        host, port = self._settings.admin.host, self._settings.admin.port
        port = await self.operations.listen_at(host, port, "admin")
        await self.proxy.start()
        log.info("listening", proxy=self._proxy_address, admin=f"{host}:{port}")

    @property
    def _proxy_address(self) -> str:
        return f"{self._settings.listen.host}:{self.proxy.port}"

    async def stop(self) -> None:
        """Drain within the configured time."""
        self._is_draining = True
        seconds = self._settings.listen.drain_deadline_seconds
        log.info("draining", connections=self.proxy.connection_count, deadline_seconds=seconds)
        is_clean = await self.proxy.drain(seconds)
        if self._supervised is not None:
            leave_last_words(self._supervised.path, self._door.metrics.render())
        log.info("drained", cut_connections=not is_clean)

    def readiness(self) -> tuple[Readiness, dict[str, str]]:
        """Whether to be given traffic, and how each store is."""
        away = self._door.condition.away
        stores = {store: "away" if store in away else "ok" for store in ("redis", "sql")}
        if self._is_draining:
            return Readiness.NOT_READY, {"reason": "draining", **stores}
        return (Readiness.DEGRADED if away else Readiness.READY), stores


@contextlib.asynccontextmanager
async def assembled(
    settings: Settings, *, supervised: Supervised | None = None, ships: bool = True
) -> AsyncIterator[Worker]:
    """A worker that is ready to start; leaving the block closes everything it opened.

    By itself it runs the private Valkey and listens on the admin port. With `supervised` both are others',
    and it tells of itself on a socket of its own. It `ships` usage to SQL unless another process does.

    Raises Misuse and StoreError with words for the operator when something it needs is not there.
    """
    async with contextlib.AsyncExitStack() as stack:
        if settings.redis.url is None and supervised is None:
            valkey = await stack.enter_async_context(PrivateValkey(settings.data_dir))
            crew = await stack.enter_async_context(Crew())
            _ = crew.start("valkey", valkey.run())
        door = await stack.enter_async_context(admitting(settings, is_worker=True, ships=ships))
        proxy = await _proxy(stack, settings, door, supervised)
        worker = Worker(settings, door, proxy, supervised)
        stack.push_async_callback(worker.operations.close)
        yield worker


async def _proxy(
    stack: contextlib.AsyncExitStack,
    settings: Settings,
    door: Door,
    supervised: Supervised | None,
) -> ProxyListener:
    behind = upstreams(settings)
    for upstream in behind.values():
        await upstream.open()
        stack.push_async_callback(upstream.close)
    reports = Reports(door.usage, door.metrics.request_finished)
    lane = Lane(door.admission, behind, Front(lane_terms(settings), door.clock, reports))
    listen = settings.listen
    sockets = () if supervised is None else supervised.sockets
    manner = Manner(is_express=listen.express, sockets=sockets)
    proxy = ProxyListener(lane, host=listen.host, port=listen.port, manner=manner)
    stack.push_async_callback(proxy.close)
    return proxy
