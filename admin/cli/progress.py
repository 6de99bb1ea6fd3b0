"""A bar on stderr for what takes long, at a terminal; nothing for what is soon done or not looked at."""

__all__ = ["LongWork", "waiting"]

import contextlib
import sys
import threading
from collections.abc import Iterator
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from gateway.ports import Clock

_PATIENCE_SECONDS = 2.0


class LongWork:
    """Shown once the work has taken two seconds."""

    def __init__(self, total: int | None, clock: Clock, console: Console | None = None) -> None:
        """`total` is how far there is to go; None if nobody knows."""
        self._clock = clock
        self._began = clock.monotonic()
        self._task: TaskID | None = None
        self._total = total
        self._bar = Progress(
            TextColumn("{task.fields[said]}", markup=False),
            BarColumn(),
            TimeRemainingColumn(),
            console=console or Console(file=sys.stderr),
            transient=True,
        )

    def __enter__(self) -> "LongWork":
        """Nothing is shown yet."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the bar away."""
        if self._task is not None:
            self._bar.stop()

    def reached(self, position: int, said: str, total: int | None = None) -> None:
        """Show that the work has come this far; `total` if that became known only now."""
        if self._task is None:
            is_long = self._clock.monotonic() - self._began > _PATIENCE_SECONDS
            if not (is_long and self._bar.console.is_terminal):
                return
            self._task = self._bar.add_task("", total=self._total, said=said)
            self._bar.start()
        self._bar.update(self._task, completed=position, said=said, total=total or self._total)


@contextlib.contextmanager
def waiting(doing: str, console: Console | None = None) -> Iterator[None]:
    """Show a terminal that one question is still being worked on, and for how long, once it takes two seconds."""
    shown_on = console or Console(file=sys.stderr)
    if not shown_on.is_terminal:
        yield
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    bar = Progress(*columns, console=shown_on, transient=True)
    bar.add_task(doing, total=None)
    timer = threading.Timer(_PATIENCE_SECONDS, bar.start)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        bar.stop()
