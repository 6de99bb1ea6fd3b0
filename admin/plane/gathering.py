"""Asking the workers, over their sockets, what they know of themselves."""

__all__ = ["Gatherer"]

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import aiohttp

from admin.plane.ended import Ended
from admin.plane.merging import CONTROL_PLANE, Expositions
from admin.plane.readiness import State, overall
from gateway.core.readiness import Readiness

# Shorter than the patience of whoever asks us: a worker that hangs is told as missing.
_DEADLINE_SECONDS: Final = 1.0


class Gatherer:
    """Knows the workers by the names of their sockets; a worker that does not answer in time is missing."""

    def __init__(
        self,
        workers: Mapping[str, aiohttp.ClientSession],
        render_own: Callable[[], bytes],
        own_state: Callable[[], State],
        ended: Ended,
        busiest_keys: int = 200,
    ) -> None:
        """`workers` are connected by `opened`; the control plane's own part comes from the two functions.

        `busiest_keys` keys, and as many accounts, have series of their own.
        """
        self._workers = workers
        self._render_own = render_own
        self._own_state = own_state
        self._expositions = Expositions(busiest_keys)
        self._ended = ended
        self._merging = asyncio.Lock()

    @classmethod
    @contextlib.asynccontextmanager
    async def opened(
        cls,
        sockets: Sequence[Path],
        *,
        render_own: Callable[[], bytes],
        own_state: Callable[[], State],
        busiest_keys: int = 200,
    ) -> AsyncIterator["Gatherer"]:
        """A gatherer for the workers on these sockets, for as long as the block.

        At its end it leaves, beside the sockets, what the next one needs to go on counting.
        """
        async with contextlib.AsyncExitStack() as stack:
            workers = {
                socket.stem: await stack.enter_async_context(_client(socket)) for socket in sockets
            }
            ended = Ended(sockets[0].parent if sockets else None)
            made = cls(workers, render_own, own_state, ended, busiest_keys)
            yield made
            await asyncio.to_thread(made._leave)

    async def metrics(self) -> bytes:
        """One exposition of all processes."""
        async with self._merging:
            # First: what a process says after its last words is known to be counted already.
            ended = await asyncio.to_thread(self._ended.taken_in, self._expositions.folded)
            texts = await self._ask_all("/metrics")
            own = self._render_own().decode()
            said = {**texts, CONTROL_PLANE: own}
            # Thousands of lines are parsed; what else this process answers does not wait for it.
            return await asyncio.to_thread(self._expositions.merged, said, ended)

    def _leave(self) -> None:
        own = (CONTROL_PLANE, self._render_own().decode())
        _ = self._ended.taken_in(self._expositions.closed, [own])

    async def readiness(self) -> tuple[Readiness, dict[str, Any]]:
        """Whether the whole is ready, and how each part is."""
        texts = await self._ask_all("/readyz")
        return overall({name: _state(text) for name, text in texts.items()}, self._own_state())

    async def _ask_all(self, path: str) -> dict[str, str | None]:
        answers = await asyncio.gather(*(_ask(client, path) for client in self._workers.values()))
        return dict(zip(self._workers, answers, strict=True))


def _client(socket: Path) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        base_url="http://worker",
        # Connections are not kept: whoever has taken the place of a worker has its socket, too.
        connector=aiohttp.UnixConnector(str(socket), limit=8, force_close=True),
        timeout=aiohttp.ClientTimeout(total=_DEADLINE_SECONDS),
    )


async def _ask(client: aiohttp.ClientSession, path: str) -> str | None:
    try:
        async with client.get(path) as answer:
            return await answer.text()
    except (aiohttp.ClientError, OSError, TimeoutError, UnicodeError):
        return None


def _state(text: str | None) -> State | None:
    """What a worker said; what cannot be read is as good as no answer."""
    try:
        said = json.loads(text or "")
    except ValueError:
        return None
    return (
        {str(name): str(value) for name, value in said.items()} if isinstance(said, dict) else None
    )
