"""What a command says: one JSON document for programs, or words and tables for people."""

__all__ = ["Grid", "Output", "Said", "plain", "table"]

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

# Where nobody looks, nothing may be cut off to fit: a pipe's reader wants whole ids.
_WIDTH_OF_A_PIPE = 200

# What is copied, and what reads badly in two lines.
_UNBROKEN = frozenset(
    {
        "id",
        "account",
        "key",
        "secret",
        "created",
        "used",
        "expires",
        "when",
        "took",
        "address",
        "status",
    }
)
# What is still good to read of anything else, folded.
_READABLE = 14
_GAP = 2

_STYLES = {
    "active": "green",
    "approved": "green",
    "disabled": "yellow",
    "requested": "yellow",
    "suspended": "yellow",
    "pass": "green",
    "refuse": "red",
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

    def show(self, document: Mapping[str, object], *said: "Said") -> None:
        """Write the document, or what is said to people."""
        if self.is_json:
            json.dump(document, self._stream, ensure_ascii=False, indent=2)
            self._stream.write("\n")
            self._stream.flush()
            return
        for each in said:
            # A secret or a command must be copied in one piece, whatever the window's width.
            if isinstance(each, Grid):
                self._print_table(each)
            else:
                self._console.print(each, soft_wrap=True)

    def line(self, said: str | Text) -> None:
        """Write one line to people, now."""
        self._console.print(said, soft_wrap=True)
        self._stream.flush()

    def warn(self, text: str) -> None:
        """Say on stderr what somebody should see to."""
        sys.stderr.write(f"warning: {plain(text).plain}\n")

    def note(self, text: str) -> None:
        """Say on stderr what is good to know, so that what is on stdout stays what was asked for."""
        sys.stderr.write(f"note: {plain(text).plain}\n")

    def _print_table(self, grid: "Grid") -> None:
        kept = grid.kept(self._console.width)
        # No id is broken, even if the window has less than that takes.
        self._console.width = max(self._console.width, grid.width(kept))
        self._console.print(grid.drawn(kept))


def plain(text: object) -> Text:
    """Text of somebody else's: shown as it is, and never able to steer the terminal."""
    shown = "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in str(text))
    return Text(shown, style=_STYLES.get(shown, ""))


def table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], spare: Sequence[str] = ()
) -> "Grid":
    """Rows under their headings, if they have any; values are shown with `plain`.

    In a window too narrow for all columns the `spare` ones are left out, the first of them first.
    """
    return Grid(columns, [[plain(value) for value in row] for row in rows], spare)


@dataclass(frozen=True, slots=True)
class Grid:
    """A table that knows what it can do without."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Text]]
    spare: Sequence[str]

    def kept(self, width: int) -> list[int]:
        """The columns that can be read in that width."""
        kept = list(range(len(self.columns) or max(map(len, self.rows), default=0)))
        for name in self.spare:
            if self.width(kept) <= width:
                break
            kept = [at for at in kept if self.columns[at] != name]
        return kept

    def width(self, kept: Sequence[int]) -> int:
        """What those columns need at least: what is copied stays whole, anything else may be folded."""
        return sum(self._readable(at) + _GAP for at in kept) - _GAP

    def drawn(self, kept: Sequence[int]) -> Table:
        """Those columns."""
        grid = Table(
            box=None,
            show_header=bool(self.columns),
            header_style="bold",
            pad_edge=False,
            padding=(0, _GAP, 0, 0),
        )
        for at in kept:
            name = self.columns[at] if self.columns else ""
            is_whole = name in _UNBROKEN
            width = self._readable(at)
            grid.add_column(name, no_wrap=is_whole, overflow="fold", min_width=width)
        for row in self.rows:
            grid.add_row(*(row[at] for at in kept))
        return grid

    def _readable(self, at: int) -> int:
        name = self.columns[at] if self.columns else ""
        width = max([cell_len(name), *(row[at].cell_len for row in self.rows)])
        return width if name in _UNBROKEN else min(width, max(_READABLE, cell_len(name)))


# What can be said: a line, or a table.
Said = str | Text | Grid
