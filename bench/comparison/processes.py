"""Processes on chosen processors that never outlive the benchmark, and what they use."""

__all__ = ["Log", "Process", "Resident", "running", "wait_until_idle"]

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import NamedTuple

import psutil

from gateway.children import bound_to_parent

_STOP_SECONDS = 20.0
_LOG_SHOWN = 2000
_WATCHED_SECONDS = 0.25
# Of one processor: what timers use while nothing is asked.
_IDLE_SHARE = 0.05


class Resident(NamedTuple):
    """Memory of one process in bytes: all that is resident, and what of it is not pages of files."""

    all: int
    own: int


class Process:
    """A started command with all that it has started since."""

    def __init__(self, pid: int) -> None:
        """`pid` is the first of them."""
        self.pid = pid
        self._first = psutil.Process(pid)

    def is_running(self) -> bool:
        """Whether the first of them has not ended."""
        return self._first.is_running() and self._first.status() != psutil.STATUS_ZOMBIE

    def cpu_seconds(self) -> float:
        """Processor time that all of them have used so far."""
        used = 0.0
        for each in self._family():
            with contextlib.suppress(psutil.NoSuchProcess):
                times = each.cpu_times()
                used += times.user + times.system
        return used

    def resident(self) -> Resident:
        """Memory of the first of them."""
        memory = self._first.memory_info()
        return Resident(memory.rss, memory.rss - memory.shared)

    def _family(self) -> list[psutil.Process]:
        return [self._first, *self._first.children(recursive=True)]

    def end(self) -> None:
        """End those that are left, one by one."""
        with contextlib.suppress(psutil.NoSuchProcess):
            for each in self._family():
                with contextlib.suppress(psutil.NoSuchProcess):
                    each.kill()


class Log(NamedTuple):
    """Where a command writes what it has to say."""

    path: Path

    def tail(self) -> str:
        """The end of it."""
        return self.path.read_text(errors="replace")[-_LOG_SHOWN:]


@contextlib.contextmanager
def running(
    command: Sequence[str],
    processors: AbstractSet[int],
    log: Log,
    variables: Mapping[str, str] | None = None,
) -> Iterator[Process]:
    """The command on these processors, for as long as the block; then SIGTERM, and SIGKILL if it does not heed that."""
    bind = bound_to_parent(signal.SIGTERM)

    def set_up() -> None:
        os.sched_setaffinity(0, processors)
        if bind is not None:
            bind()

    with log.path.open("ab") as output:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **(variables or {})},
            preexec_fn=set_up,  # noqa: PLW1509 -- no threads yet
        )
    process = Process(child.pid)
    try:
        yield process
    finally:
        child.terminate()
        try:
            child.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.end()
            child.wait()


def wait_until_idle(process: Process, at_most_seconds: float) -> bool:
    """Whether it came to rest: what it puts off until there is time belongs to the requests before."""
    give_up_at = time.monotonic() + at_most_seconds
    used = process.cpu_seconds()
    while time.monotonic() < give_up_at:
        time.sleep(_WATCHED_SECONDS)
        before, used = used, process.cpu_seconds()
        if used - before <= _IDLE_SHARE * _WATCHED_SECONDS:
            return True
    return False
