"""A file as numbered lines of text; a line that is none says why, and does not stop the rest."""

__all__ = ["LINE_BYTES_MAX", "Line", "numbered"]

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from gateway.core.errors import Misuse

# Many times what a line of keys can hold: a longer one is another kind of file.
LINE_BYTES_MAX = 1_048_576

_BOM = b"\xef\xbb\xbf"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


class Line(NamedTuple):
    """A line without its end, or why it cannot be read. Blank lines are left out, and counted."""

    number: int
    text: str
    problem: str | None = None

    def __repr__(self) -> str:
        """Never shows the text: it may hold a key."""
        return f"Line({self.number}, …)"


def numbered(lines: Iterable[bytes]) -> Iterator[Line]:
    """The lines as text. Raises Misuse for a file in UTF-16.

    A piece without a line's end that is longer than `LINE_BYTES_MAX` counts as the beginning of a long
    line: what follows, up to the line's end, belongs to it and is passed over.
    """
    number = 0
    is_rest = False
    for raw in lines:
        has_end = raw.endswith(b"\n")
        if is_rest:
            is_rest = not has_end
            continue
        number += 1
        is_rest = not has_end and len(raw) > LINE_BYTES_MAX
        line = _line(number, _start(raw) if number == 1 else raw)
        if line.text.strip() or line.problem:
            yield line


def _start(raw: bytes) -> bytes:
    if raw.startswith(_UTF_16):
        raise Misuse("The file is in UTF-16. Save it as UTF-8 and import that.")
    return raw.removeprefix(_BOM)


def _line(number: int, raw: bytes) -> Line:
    if len(raw) > LINE_BYTES_MAX:
        return Line(number, "", f"The line is longer than {LINE_BYTES_MAX} bytes.")
    if b"\0" in raw:
        return Line(
            number, "", "The line holds a NUL byte: this is no text file, or a damaged one."
        )
    try:
        return Line(number, raw.decode().rstrip("\r\n"))
    except UnicodeDecodeError as error:
        # The byte alone: those around it may be a key's.
        return Line(
            number,
            "",
            f"The line is not UTF-8 (byte 0x{raw[error.start]:02X} at position {error.start + 1});"
            " often that is Windows-1252. Save the file as UTF-8.",
        )
