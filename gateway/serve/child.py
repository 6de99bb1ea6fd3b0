"""One life of one process that the supervisor has started."""

__all__ = ["Child", "StartFailed", "ending", "run_python"]

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from typing import Final, Self

from gateway.children import LISTENING, bound_to_parent, read_word
from gateway.core.errors import KeywrightError

# Only a process that hangs takes as long: each store has a deadline of its own.
_START_SECONDS: Final = 60.0
_FAILED: Final = 1


class StartFailed(KeywrightError):
    """A process did not come up; its text is for the operator."""

    def __init__(self, text: str, code: int) -> None:
        """`code` is what the process ended with."""
        super().__init__(text)
        self.code = code


class Child:
    """A Python process in a session of its own, so that a Ctrl-C in the terminal reaches the supervisor alone.

    It gets SIGTERM when the supervisor ends in any way. Its log goes where ours goes.
    """

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        """`name` is for people; `process` was made by `run_python`."""
        self._name = name
        self._process = process
        self._is_asked_to_end = False

    @classmethod
    async def start(
        cls,
        name: str,
        module: str,
        words: Sequence[str],
        environment: Mapping[str, str],
        sockets: Sequence[socket.socket] = (),
    ) -> Self:
        """Run `module` with the arguments `words`; returns at once. It is given `sockets` to listen with."""
        listens = (f"--listen-fd={each.fileno()}" for each in sockets)
        process = await run_python(module, (*words, *listens), environment, sockets=sockets)
        return cls(name, process)

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    async def listening(self) -> str:
        """The address where it listens, once it does. Raises StartFailed; then the process has ended."""
        try:
            async with asyncio.timeout(_START_SECONDS):
                said = await self._first_word()
        except TimeoutError:
            await self.stop(0)
            raise StartFailed(
                f"keywright: {self._name} did not start within {_START_SECONDS:g} s", _FAILED
            ) from None
        if said is not None and said[0] == LISTENING:
            return said[1]
        code = await self.wait()
        if said is not None:
            raise StartFailed(said[1], code)
        raise StartFailed(f"keywright: {self._name} ended at its start ({ending(code)})", _FAILED)

    async def _first_word(self) -> tuple[str, str] | None:
        """None when it ends without one. Other lines are a library's, and nobody's business."""
        output = self._process.stdout
        while output is not None and (line := await output.readline()):
            if (said := read_word(line)) is not None:
                return said
        return None

    async def wait(self) -> int:
        """Its exit code, once it has ended; negative for the number of a signal."""
        return await self._process.wait()

    def terminate(self) -> None:
        """Ask it to end; asked again, it hurries."""
        self._is_asked_to_end = True
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()

    async def stop(self, deadline_seconds: float) -> int:
        """Ask it to end, make it after `deadline_seconds`, and return its exit code."""
        if not self._is_asked_to_end:
            self.terminate()
        try:
            async with asyncio.timeout(deadline_seconds):
                return await self.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            return await self.wait()


async def run_python(
    module: str,
    words: Sequence[str],
    environment: Mapping[str, str],
    *,
    stdin: int = asyncio.subprocess.DEVNULL,
    sockets: Sequence[socket.socket] = (),
) -> asyncio.subprocess.Process:
    """A process that runs `module` and is bound to this one; it inherits `sockets`, under their numbers."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        "-m",
        module,
        *words,
        pass_fds=tuple(each.fileno() for each in sockets),
        stdin=stdin,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
        preexec_fn=bound_to_parent(signal.SIGTERM),
        env=environment,
    )


def ending(code: int) -> str:
    """How a process has ended, in words."""
    if code >= 0:
        return f"exit code {code}"
    with contextlib.suppress(ValueError):
        return f"killed by {signal.Signals(-code).name}"
    return f"killed by signal {-code}"
