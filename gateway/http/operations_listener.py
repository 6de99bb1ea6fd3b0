"""The admin listener's socket. Its life is the process's: it answers while the proxy drains."""

__all__ = ["OperationsListener"]

import os
from http import HTTPStatus

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from gateway.core.errors import Misuse


class _Connection(web.RequestHandler):
    """aiohttp's own answer to what it cannot parse repeats it, credential and all; ours says nothing of it."""

    __slots__ = ()

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
        answer = web.Response(status=HTTPStatus.BAD_REQUEST, text="This is no valid request.\n")
        answer.force_close()
        return answer


class _Server(web.Server):
    def __call__(self) -> web.RequestHandler:
        return _Connection(self, loop=self._loop, access_log=None)  # type: ignore[arg-type]


class _Runner(web.AppRunner):
    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return _Server(made.request_handler, request_factory=made.request_factory)


class OperationsListener:
    """Serves an app of the operator's endpoints."""

    def __init__(self, app: web.Application, host: str, port: int) -> None:
        """Nothing listens yet."""
        self._runner = _Runner(app, handle_signals=False)
        self._host = host
        self._port = port

    @property
    def port(self) -> int:
        """The port in use; the configured one, or what the system chose for 0."""
        return self._port

    async def start(self) -> None:
        """Listen. Raises Misuse, with what to do, when the address cannot be had."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port)
        try:
            await site.start()
        except OSError as error:
            raise Misuse(
                f"Cannot listen on {self._host}:{self._port}: {os.strerror(error.errno or 0)}. "
                "Choose another admin.host or admin.port, or stop what uses it."
            ) from error
        self._port = self._runner.addresses[0][1]

    async def close(self) -> None:
        """Stop listening; answers under way are finished."""
        await self._runner.cleanup()
