"""What processes had counted that have ended in order, in a file beside the sockets of those that run.

So it outlives the control plane, too. Two of these may be at work for a moment, while one replaces the other.
"""

__all__ = ["Ended"]

import contextlib
import fcntl
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from gateway.children import last_words

_SUM: Final = "ended.prom"
_DRAFT: Final = "ended.draft"
_LOCK: Final = "ended.lock"

# From the sum so far, and the expositions (with the names of their processes) that come to it: the new sum.
Fold: TypeAlias = Callable[[str, Sequence[tuple[str, str]]], str]


class Ended:
    """The file in one folder; None: nothing is kept."""

    def __init__(self, folder: Path | None) -> None:
        """Nothing is read yet."""
        self._folder = folder

    def taken_in(self, fold: Fold, own: Sequence[tuple[str, str]] = ()) -> str:
        """The sum of all that has ended: what was left since the last time, and `own`, are folded into it. Blocks."""
        if self._folder is None:
            return ""
        with contextlib.suppress(OSError), _locked(self._folder / _LOCK):
            return _taken_in(self._folder, fold, own)
        return ""  # the folder has gone with its supervisor


def _taken_in(folder: Path, fold: Fold, own: Sequence[tuple[str, str]]) -> str:
    before = _text(folder / _SUM)
    left = last_words(folder)
    said = [*((process, _text(path)) for process, path in left), *own]
    if not said:
        return before
    now = fold(before, said)
    draft = folder / _DRAFT
    draft.write_text(now)
    draft.rename(folder / _SUM)
    for _, path in left:
        path.unlink()
    return now


def _text(path: Path) -> str:
    with contextlib.suppress(FileNotFoundError):
        return path.read_text()
    return ""


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
