"""The admin listener's socket. Its life is the process's: it answers while the proxy drains."""

__all__ = ["OperationsListener"]

import os

from aiohttp import web

from gateway.core.errors import Misuse


class OperationsListener:
    """Serves an app of the operator's endpoints."""

    def __init__(self, app: web.Application, host: str, port: int) -> None:
        """Nothing listens yet."""
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)
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
