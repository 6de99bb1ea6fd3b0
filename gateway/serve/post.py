"""A place that one process has to fill: when it dies, another takes it."""

__all__ = ["Post"]

import asyncio
import signal
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import structlog

from gateway.ports import Clock
from gateway.serve.child import Child, StartFailed, ending
from gateway.serve.pauses import Pauses

log = structlog.get_logger(__name__)

_FAILED: Final = 1
# Asked to end before it could listen to signals, a process has nothing to put in order.
_IN_ORDER: Final = frozenset({0, -signal.SIGTERM})


class Post:
    """One process, started, watched, replaced, stopped."""

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        environment: Callable[[str], Mapping[str, str]],
        clock: Clock,
    ) -> None:
        """`environment` is asked at each start, with the address of the last one (at first "")."""
        self.name = name
        self.address = ""
        self.failure: StartFailed | None = None
        self._arguments = arguments
        self._environment = environment
        self._clock = clock
        self._pauses = Pauses()
        self._child: Child | None = None
        self._started_at = 0.0

    async def start(self) -> None:
        """Fill it. Returns once the process listens, or with `failure` set if it ended instead."""
        self.failure = None
        self._started_at = self._clock.monotonic()
        self._child = await Child.start(self.name, self._arguments, self._environment(self.address))
        try:
            self.address = await self._child.listening()
        except StartFailed as failure:
            self.failure = failure

    async def keep(self) -> None:
        """Start the process again whenever it has ended; for a Crew, after `start`."""
        while self._child is not None:
            code = await self._child.wait()
            lived_seconds = self._clock.monotonic() - self._started_at
            pause = self._pauses.after(lived_seconds)
            log.error(
                "process_ended",
                process=self.name,
                ending=ending(code),
                text=str(self.failure) if self.failure else None,
                next_start_in_seconds=pause,
            )
            await asyncio.sleep(pause)
            await self.start()
            if self.failure is None:
                log.warning("process_replaced", process=self.name, pid=self._child.pid)

    def terminate(self) -> None:
        """Ask the process to end; asked again, it hurries."""
        if self._child is not None:
            self._child.terminate()

    async def stop(self, deadline_seconds: float) -> bool:
        """End the process, by force after `deadline_seconds`; whether it ended in order. `keep` must not run."""
        return self._child is None or await self._child.stop(deadline_seconds) in _IN_ORDER
