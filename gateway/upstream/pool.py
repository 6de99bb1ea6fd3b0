"""Connections to one upstream for the express lane: kept, bounded in number, given out in order.

Reference for what is right is the aiohttp lane (`client.py`): targets, bounds, what a failure means and what
may be tried again are the same.
"""

__all__ = ["UpstreamPool"]

import asyncio
import ssl
from collections import OrderedDict, deque
from typing import Any, cast

from gateway.core.refusal import Refusal
from gateway.upstream.bounds import UpstreamBounds, UpstreamError
from gateway.upstream.connection import Receiver, UpstreamConnection
from gateway.upstream.targets import Target, Targets


class UpstreamPool:
    """The idle connections of one upstream, and those who wait for one."""

    def __init__(self, name: str, targets: Targets, bounds: UpstreamBounds) -> None:
        """`targets` are shared with the aiohttp lane: both know which of them rest."""
        self.name = name
        self._targets = targets
        self._bounds = bounds
        self._idle: dict[Target, deque[UpstreamConnection]] = {}
        self._open: set[UpstreamConnection] = set()
        self._connecting: dict[Receiver, asyncio.Task[None]] = {}
        # Who waits, in order, and until when.
        self._waiting: OrderedDict[Receiver, float] = OrderedDict()
        self._loop = asyncio.get_running_loop()
        self._tls: ssl.SSLContext | None = None
        self._is_closed = False

    def ask(self, receiver: Receiver, *, is_fresh: bool = False) -> None:
        """Give `receiver` a connection: now if one is idle, else as soon as there is one.

        With `is_fresh` none that has been used before: an idle one may have been closed by the other end.
        """
        now = self._loop.time()
        target = self._targets.pick(now)
        idle = None if target is None or is_fresh else self._take_idle(target, now)
        if idle is not None:
            receiver.connected(idle)
        elif self._has_room():
            # Owned by the pool, which cancels it when it closes or when the receiver has gone.
            self._connecting[receiver] = self._loop.create_task(self._connect(receiver, target))
        else:
            self._waiting[receiver] = now + self._bounds.connect_seconds

    def forget(self, receiver: Receiver) -> None:
        """Whoever waits for a connection wants none any more."""
        _ = self._waiting.pop(receiver, None)
        task = self._connecting.pop(receiver, None)
        if task is not None:
            task.cancel()
            self._next()

    def check(self, now: float) -> None:
        """Close what has been idle for too long, and refuse who has waited for too long; called by a timer."""
        for idle in self._idle.values():
            while idle and now - idle[0].idle_since >= self._bounds.keepalive_seconds:
                idle.popleft().close()
        while self._waiting:
            receiver, until = next(iter(self._waiting.items()))
            if now < until:
                break
            del self._waiting[receiver]
            receiver.unreachable(
                UpstreamError(Refusal.OVERLOADED, "all connections in use", self.name)
            )

    async def close(self) -> None:
        """Close every connection, and whatever is being connected."""
        self._is_closed = True
        tasks = tuple(self._connecting.values())
        for task in tasks:
            task.cancel()
        _ = await asyncio.gather(*tasks, return_exceptions=True)
        for connection in tuple(self._open):
            connection.close()

    def opened(self, connection: UpstreamConnection) -> None:
        """It is there."""
        self._open.add(connection)

    def released(self, connection: UpstreamConnection) -> None:
        """Its answer is whole: the next one may have it."""
        if self._is_closed:
            connection.close()
            return
        if self._waiting:
            receiver, _ = self._waiting.popitem(last=False)
            receiver.connected(connection)
            return
        connection.idle_since = self._loop.time()
        idle = self._idle.get(connection.target)
        if idle is None:
            idle = self._idle[connection.target] = deque()
        idle.append(connection)

    def closed(self, connection: UpstreamConnection) -> None:
        """It has gone; there is room for another."""
        self._open.discard(connection)
        idle = self._idle.get(connection.target)
        if idle is not None and connection in idle:
            idle.remove(connection)
        self._next()

    def _next(self) -> None:
        """There is room for a connection: whoever has waited longest may have it."""
        if self._waiting and not self._is_closed and self._has_room():
            receiver, _ = self._waiting.popitem(last=False)
            self.ask(receiver, is_fresh=True)

    def _has_room(self) -> bool:
        """Whether one more connection may be opened; an idle one makes room, its target was not wanted."""
        if len(self._open) + len(self._connecting) < self._bounds.max_connections:
            return True
        for idle in self._idle.values():
            if idle:
                oldest = idle.popleft()
                self._open.discard(oldest)
                oldest.close()
                return True
        return False

    def _take_idle(self, target: Target, now: float) -> UpstreamConnection | None:
        """The one used last: the others may then grow old, and be closed."""
        idle = self._idle.get(target)
        while idle:
            connection = idle.pop()
            transport = connection.transport
            is_young = now - connection.idle_since < self._bounds.keepalive_seconds
            if is_young and transport is not None and not transport.is_closing():
                return connection
            connection.close()
        return None

    async def _connect(self, receiver: Receiver, first: Target | None) -> None:
        """Connect to `first`, or to another target if that cannot be had."""
        tried: list[Target] = []
        target = first
        error = UpstreamError(Refusal.UPSTREAM_UNREACHABLE, "no target", self.name)
        while target is not None and len(tried) < len(self._targets):
            try:
                connection = await self._connect_to(target)
            except TimeoutError:
                error = UpstreamError(Refusal.UPSTREAM_TIMEOUT, "connecting", target.name)
            except OSError as exc:
                error = UpstreamError(Refusal.UPSTREAM_UNREACHABLE, type(exc).__name__, target.name)
            else:
                self._targets.reached(target)
                self._connecting.pop(receiver, None)
                receiver.connected(connection)
                return
            self._targets.rest(target, self._loop.time())
            tried.append(target)
            target = self._targets.pick(self._loop.time(), tried)
        self._connecting.pop(receiver, None)
        receiver.unreachable(error)
        self._next()

    async def _connect_to(self, target: Target) -> UpstreamConnection:
        url = target.url
        is_tls = url.scheme == "https"
        if is_tls and self._tls is None:
            self._tls = ssl.create_default_context()
        async with asyncio.timeout(self._bounds.connect_seconds):
            made: tuple[object, UpstreamConnection] = await self._loop.create_connection(
                lambda: cast("Any", UpstreamConnection(self._loop, self, target)),
                url.host or "",
                url.port or 0,
                ssl=self._tls if is_tls else None,
                server_hostname=url.host if is_tls else None,
            )
        return made[1]
