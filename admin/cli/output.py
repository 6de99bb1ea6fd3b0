"""What a command says: one JSON document for programs, or words and tables for people."""

__all__ = ["Output", "plain", "table"]

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TextIO

from rich.console import Console, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

# Where nobody looks, nothing may be cut off to fit: a pipe's reader wants whole ids.
_WIDTH_OF_A_PIPE = 200

# What is copied, and what reads badly in two lines.
_UNBROKEN = frozenset({"id", "account", "key", "created", "expires", "when", "took", "address"})

_STYLES = {
    "active": "green",
    "approved": "green",
    "disabled": "yellow",
    "requested": "yellow",
    "denied": "red",
    "expired": "red",
    "revoked": "red",
}


class _Console(Console):
    """A console that leaves it to the command what a closed pipe means."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


class Output:
    """Standard output, in the form that was asked for."""

    def __init__(self, stream: TextIO, *, is_json: bool) -> None:
        """With `is_json` nothing but one document is written."""
        self.is_json = is_json
        self._stream = stream
        self._console = _Console(
            file=stream,
            highlight=False,
            markup=False,
            emoji=False,
            width=None if stream.isatty() else _WIDTH_OF_A_PIPE,
        )

    @classmethod
    def to_stdout(cls, *, is_json: bool) -> "Output":
        """What all commands use."""
        return cls(sys.stdout, is_json=is_json)

    def show(self, document: Mapping[str, object], *said: RenderableType) -> None:
        """Write the document, or what is said to people."""
        if self.is_json:
            json.dump(document, self._stream, ensure_ascii=False, indent=2)
            self._stream.write("\n")
            self._stream.flush()
            return
        for each in said:
            # A secret or a command must be copied in one piece, whatever the window's width.
            is_line = isinstance(each, str | Text)
            if not is_line:
                self._console.width = max(self._console.width, self._needed(each))
            self._console.print(each, soft_wrap=is_line)

    def _needed(self, said: RenderableType) -> int:
        """The least width in which no id is broken, even if the window has less."""
        options = self._console.options.update(max_width=_WIDTH_OF_A_PIPE)
        return Measurement.get(self._console, options, said).minimum


def plain(text: object) -> Text:
    """Text of somebody else's: shown as it is, and never able to steer the terminal."""
    shown = "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in str(text))
    return Text(shown, style=_STYLES.get(shown, ""))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> RenderableType:
    """Rows under their headings, if they have any; values are shown with `plain`."""
    grid = Table(
        box=None,
        show_header=bool(columns),
        header_style="bold",
        pad_edge=False,
        padding=(0, 2, 0, 0),
    )
    for column in columns:
        grid.add_column(column, no_wrap=column in _UNBROKEN, overflow="fold")
    for row in rows:
        grid.add_row(*(plain(value) for value in row))
    return grid
