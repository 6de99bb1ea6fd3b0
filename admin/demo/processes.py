"""Processes that the demo starts, and that never outlive it."""

__all__ = ["Child"]

import asyncio
import contextlib
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from gateway.children import bound_to_parent
from gateway.core.errors import KeywrightError

_LAST_LINES = 5


class Child:
    """One process in a session of its own, so that a Ctrl-C in the terminal reaches the demo alone."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        """`name` is for people; `log` is where its output goes."""
        self.name = name
        self._process = process
        self._log = log

    @classmethod
    async def start(
        cls, name: str, arguments: Sequence[str], log: Path, *, is_heard: bool = False
    ) -> "Child":
        """Run Python with `arguments`. Its stdout goes to the log too, unless `is_heard` by `first_line`."""
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE if is_heard else output,
                stderr=output,
                start_new_session=True,
                preexec_fn=bound_to_parent(signal.SIGTERM),
            )
        return cls(name, process, log)

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    async def first_line(self, deadline_seconds: float) -> str:
        """The first line that it writes to stdout. Raises KeywrightError if it ends or is late."""
        said = self._process.stdout
        try:
            async with asyncio.timeout(deadline_seconds):
                line = await said.readline() if said else b""
        except TimeoutError:
            raise KeywrightError(
                f"{self.name} did not start within {deadline_seconds:g} s"
            ) from None
        if not line:
            await self._process.wait()
            self.check()
        return line.decode().strip()

    async def wait(self) -> None:
        """Return when it has ended."""
        await self._process.wait()

    def check(self) -> None:
        """Raise KeywrightError, with the last that it had to say, if it has ended."""
        if self._process.returncode is None:
            return
        with contextlib.suppress(OSError):
            lines = self._log.read_text(errors="replace").strip().splitlines()[-_LAST_LINES:]
            if lines:
                raise KeywrightError(
                    f"{self.name} has ended; its last words:\n  " + "\n  ".join(lines)
                )
        raise KeywrightError(
            f"{self.name} has ended without a word (exit code {self._process.returncode})"
        )

    async def stop(self, deadline_seconds: float) -> None:
        """Ask it to end; after `deadline_seconds` make it."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            async with asyncio.timeout(deadline_seconds):
                await self._process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
