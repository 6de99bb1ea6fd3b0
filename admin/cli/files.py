"""Files of keys: read piece by piece from a disk or a pipe, and written so that only their owner can read them."""

__all__ = ["Source", "opened", "private_file"]

import contextlib
import io
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, TextIO

from admin.core.transfer.formats import HEAD_BYTES
from admin.core.transfer.lines import LINE_BYTES_MAX
from gateway.core.errors import Misuse

_STDIN = Path("-")
_OWNER_ONLY = 0o600


class Source:
    """A stream of lines whose beginning can be looked at first. `position` is how many bytes were read so far."""

    def __init__(self, stream: BinaryIO) -> None:
        """Reads the beginning."""
        self._stream = stream
        self.head = stream.read(HEAD_BYTES)
        self.position = 0
        self.size = _size(stream)

    def lines(self) -> Iterator[bytes]:
        """Every line with its end; one that is too long comes in pieces, of which the first says so."""
        beginning = io.BytesIO(self.head)
        while piece := beginning.readline():
            if not piece.endswith(b"\n"):
                piece += self._stream.readline(LINE_BYTES_MAX + 1)
            yield self._counted(piece)
        while piece := self._stream.readline(LINE_BYTES_MAX + 1):
            yield self._counted(piece)

    def _counted(self, piece: bytes) -> bytes:
        self.position += len(piece)
        return piece


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Source]:
    """The file, or standard input for `-`. Raises OSError naming it, Misuse for a folder."""
    if path == _STDIN:
        yield Source(sys.stdin.buffer)
        return
    if path.is_dir():
        raise Misuse(f"{path} is a folder; name a file")
    with path.open("rb") as file:
        yield Source(file)


@contextlib.contextmanager
def private_file(path: Path) -> Iterator[TextIO]:
    """A text file of mode 0600 in the place of `path`, which is there as a whole, or as it was before."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _size(stream: BinaryIO) -> int | None:
    """How long a file is; None for a pipe."""
    with contextlib.suppress(OSError):
        found = os.fstat(stream.fileno())
        return found.st_size if stat.S_ISREG(found.st_mode) else None
    return None
