"""Starts processes: from nothing, or at once, from one that waits to take the place of a process that has died.

Nearly all of a start is importing: a second of processor time, in which callers would wait for a dead worker.
The standby has that behind it. It knows no configuration until it is told which worker it is, and holds no store.
"""

__all__ = ["Start", "Starter"]

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from gateway.children import tell_child
from gateway.serve.child import Child, run_python

log = structlog.get_logger(__name__)

_WORDS = ("--standby",)

# A process by this name that runs a module with these arguments, and listens with these sockets.
Start = Callable[[str, str, Sequence[str], Sequence[socket.socket]], Awaitable[Child]]


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A process that has been told nothing yet, and the way to tell it."""

    process: asyncio.subprocess.Process
    channel: socket.socket


class Starter:
    """Starts processes with one environment. At most one waits; it ends with its supervisor, however that ends."""

    def __init__(self, module: str, environment: Mapping[str, str]) -> None:
        """Nothing runs yet. The one that waits can become any process that runs `module`."""
        self._module = module
        self._environment = environment
        self._waiting: _Waiting | None = None
        self._changing = asyncio.Lock()

    async def start(
        self, name: str, module: str, words: Sequence[str], sockets: Sequence[socket.socket]
    ) -> Child:
        """From nothing: it imports what lies on disk now."""
        return await Child.start(name, module, words, self._environment, sockets)

    async def start_at_once(
        self, name: str, module: str, words: Sequence[str], sockets: Sequence[socket.socket]
    ) -> Child:
        """By the one that waits, if it can become that; else from nothing."""
        waiting = self._waiting if module == self._module else None
        if waiting is not None:
            self._waiting = None
            if _is_told(waiting, words, sockets):
                return Child(name, waiting.process)
            log.warning("standby_was_gone")
        return await self.start(name, module, words, sockets)

    async def prepare(self) -> None:
        """Have one wait, if none does. A machine that cannot is told in the log; starts take longer then."""
        async with self._changing:
            if self._waiting is not None:
                return
            try:
                self._waiting = await self._started()
            except OSError as error:
                log.warning("standby_failed", exc_info=error)

    async def _started(self) -> _Waiting:
        ours, theirs = socket.socketpair()
        with theirs, contextlib.ExitStack() as stack:
            # Closed, it tells a process that nobody waits for to end.
            stack.callback(ours.close)
            process = await run_python(
                self._module, _WORDS, self._environment, stdin=theirs.fileno()
            )
            stack.pop_all()
        return _Waiting(process, ours)

    async def dismiss(self) -> None:
        """End the one that waits."""
        async with self._changing:
            waiting, self._waiting = self._waiting, None
            if waiting is None:
                return
            waiting.channel.close()
            _ = await Child("standby", waiting.process).stop(0)


def _is_told(waiting: _Waiting, words: Sequence[str], sockets: Sequence[socket.socket]) -> bool:
    """Whether it has become what it was told to be; not if it has died while nobody looked."""
    with waiting.channel:
        if waiting.process.returncode is not None:
            return False
        try:
            tell_child(waiting.channel, words, sockets)
        except OSError:
            return False
    return True
