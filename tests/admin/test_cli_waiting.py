"""What somebody at a terminal sees while one question takes long."""

import io
import time

import pytest
from rich.console import Console

from admin.cli.progress import waiting

PATIENCE_SECONDS = 30


def test_long_work_is_shown_and_then_gone() -> None:
    """Nobody wonders whether a long check still runs: after two seconds it says so, and for how long."""
    stream = io.StringIO()
    began = time.monotonic()
    with waiting("reading the audit log", Console(file=stream, force_terminal=True, width=80)):
        while "reading the audit log" not in stream.getvalue():
            assert time.monotonic() - began < PATIENCE_SECONDS
            time.sleep(0.02)
        shown_after = time.monotonic() - began

    assert shown_after >= 2
    assert "0:00:" in stream.getvalue()
    # The line is taken away again: the cursor goes back and erases it.
    assert stream.getvalue().endswith("\x1b[2K")


@pytest.mark.parametrize("is_terminal", [True, False])
def test_short_work_shows_nothing(is_terminal: bool) -> None:
    """What is done at once leaves no trace on the screen, and a pipe gets none ever."""
    stream = io.StringIO()
    with waiting("reading", Console(file=stream, force_terminal=is_terminal)):
        pass

    assert "reading" not in stream.getvalue()


def test_a_fault_goes_on_as_it_is() -> None:
    """What goes wrong meanwhile is told, not hidden behind the progress."""
    with (
        pytest.raises(ZeroDivisionError),
        waiting("reading", Console(file=io.StringIO(), force_terminal=True)),
    ):
        raise ZeroDivisionError
