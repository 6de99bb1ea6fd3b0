"""The proxy's listening socket, its timer, and its orderly end."""

__all__ = ["Manner", "ProxyListener"]

import asyncio
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

from gateway.core.errors import Misuse
from gateway.http.connection import Connection, Connections
from gateway.http.express import ExpressConnections
from gateway.http.express_call import ExpressTerms
from gateway.http.lane import Lane

_Accepts: TypeAlias = Callable[[], asyncio.Protocol]

_BACKLOG = 1024
_POLL_SECONDS = 0.02
_AT_ONCE_SECONDS = 0.001
# A client may be sending its next request just as we stop: its connection is given this long to be used once more.
_GRACE_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a listener works.

    `tick_seconds` is how exactly deadlines are kept; with `is_express` the lane gets only what the express
    lane hands over. `sockets` are bound already, by whoever lets several workers listen on one port.
    """

    tick_seconds: float = 0.25
    is_express: bool = True
    sockets: Sequence[socket.socket] = ()


_USUAL = Manner()


class ProxyListener:
    """Accepts clients for a lane, from `start` until `drain` or `close`."""

    def __init__(
        self,
        lane: Lane,
        *,
        host: str,
        port: int,
        manner: Manner = _USUAL,
    ) -> None:
        """Nothing listens yet."""
        self._lane = lane
        self._host = host
        self._port = port
        self._manner = manner
        self._listening: list[asyncio.Server] = []
        self._connections: Connections | None = None
        self._express: ExpressConnections | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._tick_due = 0.0

    @property
    def port(self) -> int:
        """The port in use; the configured one, or what the system chose for 0."""
        return self._port

    @property
    def connection_count(self) -> int:
        """How many clients are connected."""
        ordinary = 0 if self._connections is None else len(self._connections.connections)
        return ordinary + (0 if self._express is None else len(self._express.connections))

    async def start(self) -> None:
        """Listen. Raises Misuse, with what to do, when the address cannot be had."""
        loop = asyncio.get_running_loop()
        lane = self._lane
        connections = Connections(lane.handle, lane, lane.bounds)
        if self._manner.is_express:
            terms = ExpressTerms(lane.judge, lane.upstreams, lane.front, loop)
            self._express = ExpressConnections(terms, connections)
        # A wire is a protocol in all but its base class.
        accepts = cast("_Accepts", self._express or connections)
        for each in self._manner.sockets:
            self._listening.append(await loop.create_server(accepts, sock=each, backlog=_BACKLOG))
        if not self._listening:
            self._listening.append(await self._listening_by_itself(accepts))
        self._connections = connections
        self._port = self._listening[0].sockets[0].getsockname()[1]
        self._wait_for_tick(loop)

    async def _listening_by_itself(self, accepts: _Accepts) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        try:
            return await loop.create_server(accepts, self._host, self._port, backlog=_BACKLOG)
        except OSError as error:
            raise Misuse(
                f"Cannot listen on {self._host}:{self._port}: {os.strerror(error.errno or 0)}. "
                "Choose another listen.host or listen.port, or stop what uses it."
            ) from error

    async def drain(self, seconds: float) -> bool:
        """Stop listening, let requests finish for up to `seconds`, then cut; True if nothing had to be cut.

        Answers say that the connection closes, and connections without a request are closed after a moment.
        """
        loop = asyncio.get_running_loop()
        self._lane.front.is_draining = True
        self._stop_listening()
        began = loop.time()
        while self.connection_count and loop.time() - began < seconds:
            if loop.time() - began >= min(_GRACE_SECONDS, seconds / 2):
                self._close_idle()
            await asyncio.sleep(_POLL_SECONDS)
        is_clean = not self.connection_count
        await self.close()
        return is_clean

    async def close(self) -> None:
        """Stop at once."""
        if self._timer is not None:
            self._timer.cancel()
        self._stop_listening()
        if self._express is not None:
            self._express.close()
        if self._connections is not None:
            # To aiohttp 0 would mean without end.
            await self._connections.shutdown(_AT_ONCE_SECONDS)

    def _stop_listening(self) -> None:
        for each in self._listening:
            each.close()

    def _close_idle(self) -> None:
        if self._express is not None:
            self._express.close_idle()
        if self._connections is not None:
            for connection in self._connections.connections:
                if isinstance(connection, Connection) and connection.is_idle:
                    connection.force_close()

    def _wait_for_tick(self, loop: asyncio.AbstractEventLoop) -> None:
        self._tick_due = loop.time() + self._manner.tick_seconds
        self._timer = loop.call_at(self._tick_due, self._tick)

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        self._lane.front.load.ticked(loop.time() - self._tick_due)
        self._wait_for_tick(loop)
        if self._connections is not None:
            self._connections.check(loop.time())
        if self._express is not None:
            self._express.check(loop.time())
