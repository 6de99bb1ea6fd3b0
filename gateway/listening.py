"""Where an app of the operator's endpoints listens: a port of its own, or a socket that this user alone may open."""

__all__ = ["AppListener"]

import contextlib
import os
import socket
from collections.abc import Callable, Sequence
from http import HTTPStatus
from pathlib import Path

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from gateway.core.errors import Misuse

_OWNER_ONLY = 0o600
_FINISH_SECONDS = 10.0


class _Connection(web.RequestHandler):
    """aiohttp's own answer to what it cannot parse repeats it, credential and all; ours says nothing of it."""

    __slots__ = ("_malformed",)

    def __init__(self, server: web.Server, malformed: Callable[[], web.Response]) -> None:
        super().__init__(server, loop=server._loop, access_log=None)  # type: ignore[arg-type]
        self._malformed = malformed

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """As aiohttp's, but for malformed requests, which anybody may send: not worth a line of log."""
        if not isinstance(exc, HttpProcessingError):
            return super().handle_error(request, status, exc, message)
        answer = self._malformed()
        answer.force_close()
        return answer


class _Server(web.Server):
    malformed: Callable[[], web.Response]

    def __call__(self) -> web.RequestHandler:
        return _Connection(self, self.malformed)


class _Runner(web.AppRunner):
    def __init__(self, app: web.Application, malformed: Callable[[], web.Response]) -> None:
        super().__init__(app, handle_signals=False, shutdown_timeout=_FINISH_SECONDS)
        self._malformed = malformed

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        server = _Server(made.request_handler, request_factory=made.request_factory)
        server.malformed = self._malformed
        return server


def _plain() -> web.Response:
    return web.Response(status=HTTPStatus.BAD_REQUEST, text="This is no valid request.\n")


class AppListener:
    """Serves one app, from the first `listen_…` until `close`."""

    def __init__(
        self, app: web.Application, malformed: Callable[[], web.Response] = _plain
    ) -> None:
        """Nothing listens yet. `malformed` makes the answer to what cannot be parsed as HTTP."""
        self._runner = _Runner(app, malformed)
        self._socket: Path | None = None
        self._inode = 0

    async def listen_at(self, host: str, port: int, setting: str) -> int:
        """Listen on a port, and return it: the system chooses one for 0.

        Raises Misuse, with what to do, when the address cannot be had; `setting` is the section that names it.
        """
        await self._set_up()
        site = web.TCPSite(self._runner, host, port)
        try:
            await site.start()
        except OSError as error:
            raise Misuse(
                f"Cannot listen on {host}:{port}: {os.strerror(error.errno or 0)}. "
                f"Choose another {setting}.host or {setting}.port, or stop what uses it."
            ) from error
        chosen: int = self._runner.addresses[-1][1]
        return chosen

    async def listen_with(self, sockets: Sequence[socket.socket]) -> None:
        """Listen with sockets that are bound already."""
        await self._set_up()
        for each in sockets:
            await web.SockSite(self._runner, each).start()

    async def listen_on(self, path: Path) -> None:
        """Listen on a unix socket, in place of whoever had it before, dead or alive. Raises Misuse."""
        await self._set_up()
        try:
            bound, self._inode = _bound(path)
        except OSError as error:
            raise Misuse(
                f"Cannot listen on the socket {path}: {os.strerror(error.errno or 0)}."
            ) from error
        await web.SockSite(self._runner, bound).start()
        self._socket = path

    async def close(self) -> None:
        """Stop listening; answers under way are finished."""
        await self._runner.cleanup()
        if self._socket is not None:
            _remove(self._socket, self._inode)

    async def _set_up(self) -> None:
        if self._runner.server is None:
            await self._runner.setup()


def _bound(path: Path) -> tuple[socket.socket, int]:
    """A socket at this path that nobody but this user can ever connect to, and the path's inode. Raises OSError."""
    path.unlink(missing_ok=True)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        bound.bind(str(path))
        path.chmod(_OWNER_ONLY)  # before it listens: until then connections are refused
        return bound, path.stat().st_ino
    except OSError:
        bound.close()
        raise


def _remove(path: Path, inode: int) -> None:
    """Remove our socket, but not that of whoever has taken our place meanwhile."""
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_ino == inode:
            path.unlink()
