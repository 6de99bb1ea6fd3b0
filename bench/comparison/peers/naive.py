"""The proxy that every tutorial for aiohttp shows: a handler that calls ClientSession. It knows who may, and no more.

python naive.py PORT UPSTREAM KEYS        (KEYS: a file with a key on each line)
"""

__all__: list[str] = []

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import uvloop
from aiohttp import web

_CLIENT = web.AppKey("client", aiohttp.ClientSession)
# RFC 9110 7.6.1, and what the library writes by itself.
_NOT_FORWARDED = frozenset(
    {
        *(
            "connection",
            "keep-alive",
            "proxy-connection",
            "te",
            "trailer",
            "transfer-encoding",
            "upgrade",
        ),
        *("host", "authorization"),
    }
)


class Proxy:
    """Sends what a known key asks for to one upstream."""

    def __init__(self, upstream: str, keys: frozenset[str]) -> None:
        """`upstream` is a URL without a path."""
        self._upstream = upstream
        self._keys = keys

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """The upstream's answer, or 401."""
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or key not in self._keys:
            return web.Response(status=401, headers={"WWW-Authenticate": "Bearer"})
        async with request.app[_CLIENT].request(
            request.method,
            self._upstream + request.path_qs,
            headers=[field for field in request.headers.items() if _is_forwarded(field[0])],
            data=request.content if request.can_read_body else None,
            allow_redirects=False,
        ) as answer:
            response = web.StreamResponse(status=answer.status)
            response.headers.extend(
                field for field in answer.headers.items() if _is_forwarded(field[0])
            )
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            await response.write_eof()
            return response


def _is_forwarded(name: str) -> bool:
    return name.lower() not in _NOT_FORWARDED


async def _with_client(app: web.Application) -> AsyncIterator[None]:
    # Without a limit of its own, as the other proxies have none that 256 connections would reach.
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as client:
        app[_CLIENT] = client
        yield


def main() -> None:
    """Serve until SIGTERM."""
    port, upstream, keys = sys.argv[1:]
    proxy = Proxy(f"http://127.0.0.1:{upstream}", frozenset(Path(keys).read_text().split()))
    app = web.Application()
    app.cleanup_ctx.append(_with_client)
    app.router.add_route("*", "/{path:.*}", proxy.handle)
    loop = uvloop.new_event_loop()
    web.run_app(app, host="127.0.0.1", port=int(port), access_log=None, print=None, loop=loop)


if __name__ == "__main__":
    main()
