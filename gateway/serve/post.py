"""A place that one process has to fill: when it dies, another takes it; or it gives way to another in order."""

__all__ = ["Launch", "Post"]

import asyncio
import contextlib
import signal
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog

from gateway.core.errors import Misuse
from gateway.ports import Clock
from gateway.serve.binding import Binding
from gateway.serve.child import Child, StartFailed, ending
from gateway.serve.pauses import Pauses
from gateway.serve.starter import Start, Starter
from gateway.tasks import Crew

log = structlog.get_logger(__name__)

_FAILED: Final = 1
# Asked to end before it could listen to signals, a process has nothing to put in order.
_IN_ORDER: Final = frozenset({0, -signal.SIGTERM})


@dataclass(frozen=True, slots=True)
class Launch:
    """The module that a process runs and its arguments, and how long it may take to end in order."""

    module: str
    words: Sequence[str]
    stop_seconds: float


@dataclass(slots=True, eq=False)
class _Life:
    """One process from its start to its end; `left` is set once another has taken its place."""

    child: Child
    launch: Launch
    began: float
    left: asyncio.Event = field(default_factory=asyncio.Event)


class Post:
    """One process, started, watched, replaced, stopped."""

    def __init__(
        self,
        name: str,
        launch: Launch,
        starter: Starter,
        binding: Binding,
        clock: Clock,
    ) -> None:
        """Nothing runs yet. The process listens on the address of `binding`."""
        self.name = name
        self.failure: StartFailed | None = None
        self._launch = launch
        self._starter = starter
        self._binding = binding
        self._clock = clock
        self._pauses = Pauses()
        self._sockets: list[socket.socket] = []
        self._life: _Life | None = None
        # All that may still run: the present one, those that drain, one that is being started.
        self._lives: set[_Life] = set()
        self._changing = asyncio.Lock()

    @property
    def launch(self) -> Launch:
        """How its process is started now."""
        return self._launch

    async def start(self) -> None:
        """Fill it. Returns once the process listens, or with `failure` set if it ended instead."""
        async with self._changing:
            await self._start(self._starter.start)

    async def _start(self, start: Start) -> None:
        self._life, self.failure = await self._begun(self._launch, start)
        if self.failure is not None:
            # Nobody will accept on them for a while: the kernel is to ask the others.
            self._close_sockets()

    async def keep(self) -> None:
        """Start the process again whenever it has ended; for a Crew, after `start`."""
        while (life := self._life) is not None:
            code = await _end_of(life)
            if code is None:
                continue
            self._lives.discard(life)
            pause = self._pauses.after(self._clock.monotonic() - life.began)
            log.error(
                "process_ended",
                process=self.name,
                ending=ending(code),
                text=str(self.failure) if self.failure else None,
                next_start_in_seconds=pause,
            )
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    _ = await life.left.wait()
            if life.left.is_set():
                continue
            await self._refill(life)

    async def _refill(self, ended: _Life) -> None:
        async with self._changing:
            if self._life is not ended:
                return
            await self._start(self._starter.start_at_once)
        if self.failure is None and self._life is not None:
            log.warning("process_replaced", process=self.name, pid=self._life.child.pid)
            await self._starter.prepare()

    async def replace(self, launch: Launch) -> StartFailed | None:
        """Put another process in its place without a gap, and let the old one finish what it has begun.

        When the new one does not come up the old one stays, and what the new one said is returned.
        """
        async with self._changing:
            old = self._life
            life, failure = await self._begun(launch, self._starter.start)
            if failure is not None:
                return failure
            self._life, self._launch, self.failure = life, launch, None
        if old is not None:
            old.left.set()
            _ = await old.child.stop(old.launch.stop_seconds)
            self._lives.discard(old)
        return None

    async def _begun(self, launch: Launch, start: Start) -> tuple[_Life | None, StartFailed | None]:
        """A life that listens, or one that has ended and why; None when it could not even begin."""
        began = self._clock.monotonic()
        try:
            if not self._sockets:
                self._sockets = self._binding.sockets()
        except Misuse as fault:
            return self._life, StartFailed(f"keywright: {fault}", _FAILED)
        child = await start(self.name, launch.module, launch.words, self._sockets)
        life = _Life(child, launch, began)
        self._lives.add(life)
        try:
            _ = await child.listening()
        except StartFailed as failure:
            self._lives.discard(life)
            return life, failure
        return life, None

    def terminate(self) -> None:
        """Ask all its processes to end; asked again, they hurry."""
        for life in self._lives:
            life.child.terminate()

    async def stop(self, deadline_seconds: float | None = None) -> bool:
        """End all its processes, by force when they take too long; whether they ended in order.

        They have the time of their launch, or `deadline_seconds`. `keep` must not run.
        """
        # First: whoever comes while they drain is to be refused, not to wait for nobody.
        self._close_sockets()
        codes = await asyncio.gather(
            *(
                life.child.stop(
                    life.launch.stop_seconds if deadline_seconds is None else deadline_seconds
                )
                for life in tuple(self._lives)
            )
        )
        return _IN_ORDER.issuperset(codes)

    def _close_sockets(self) -> None:
        for each in self._sockets:
            each.close()
        self._sockets = []


async def _end_of(life: _Life) -> int | None:
    """The exit code, once it has ended; None once another has taken its place."""
    async with Crew() as crew:
        ended = crew.start("ended", _ended(life))
        left = crew.start("left", _left(life))
        _ = await asyncio.wait({ended, left}, return_when=asyncio.FIRST_COMPLETED)
    return None if life.left.is_set() else await life.child.wait()


async def _ended(life: _Life) -> None:
    _ = await life.child.wait()


async def _left(life: _Life) -> None:
    _ = await life.left.wait()
