"""A WebSocket as a tunnel of bytes: frames are the peers' business, and are neither parsed nor inflated here."""

__all__ = ["is_upgrade", "tunnel"]

import asyncio
from typing import cast

import aiohttp
from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import StreamWriter, WebSocketReader

from gateway.core.headers import response_lines
from gateway.core.refusal import Refusal, Refused
from gateway.http.call import Call
from gateway.http.render import head

_SWITCHED = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
_SWITCHING = 101


def is_upgrade(request: web.BaseRequest) -> bool:
    """Whether the client asks for a WebSocket in the way of RFC 6455 §4.1; any other upgrade is ignored."""
    if "Upgrade" not in request.headers or request.method != "GET":
        return False
    connection = ",".join(request.headers.getall("Connection", ())).lower()
    is_named = "upgrade" in {word.strip() for word in connection.split(",")}
    return is_named and request.headers["Upgrade"].lower() == "websocket"


class _End:
    """Takes the place of a parser on one connection and queues its bytes, with the connection's flow control."""

    def __init__(self, protocol: BaseProtocol, limit: int) -> None:
        self.incoming = aiohttp.StreamReader(protocol, limit, loop=asyncio.get_running_loop())

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Called by aiohttp with each piece that arrives."""
        self.incoming.feed_data(data)
        return False, b""

    def feed_eof(self) -> None:
        """Called by aiohttp when the connection is gone."""
        self.incoming.feed_eof()


async def tunnel(call: Call, response: aiohttp.ClientResponse, ours: bytes) -> Refused | None:
    """Carry bytes both ways until either side ends, or nothing moves for the connection's idle time."""
    lines = response_lines(response.raw_headers, ours)
    upstream = None if response.connection is None else response.connection.protocol
    if isinstance(lines, str) or upstream is None or response.status != _SWITCHING:
        return call.refused(Refusal.UPSTREAM_INVALID)
    call.keeps_alive = False
    call.exchange.answered(_SWITCHING)
    call.write(head(_SWITCHING, lines, _SWITCHED))
    call.is_head_sent = True
    connection = call.connection
    limit = connection.bounds.read_bytes
    idle_seconds = connection.bounds.tunnel_idle_seconds
    from_client, from_upstream = _End(connection, limit), _End(upstream, limit)
    connection.set_parser(cast("WebSocketReader", from_client))
    upstream.set_parser(from_upstream, from_upstream.incoming)
    to_upstream = StreamWriter(upstream, asyncio.get_running_loop())

    async def carry(source: aiohttp.StreamReader, sink: AbstractStreamWriter) -> None:
        while chunk := await source.readany():
            connection.watch(idle_seconds, Refusal.REQUEST_TIMEOUT)
            _count(call, sink, chunk)
            await sink.write(chunk)

    connection.watch(idle_seconds, Refusal.REQUEST_TIMEOUT)
    try:
        async with asyncio.TaskGroup() as group:
            up = group.create_task(carry(from_client.incoming, to_upstream))
            down = group.create_task(carry(from_upstream.incoming, call.request.writer))
            up.add_done_callback(lambda _: down.cancel())
            down.add_done_callback(lambda _: up.cancel())
    except* (OSError, aiohttp.ClientError):
        # A side that breaks off has ended, too.
        pass
    return None


def _count(call: Call, sink: AbstractStreamWriter, chunk: bytes) -> None:
    if sink is call.request.writer:
        call.exchange.bytes_out += len(chunk)
    else:
        call.exchange.bytes_in += len(chunk)
