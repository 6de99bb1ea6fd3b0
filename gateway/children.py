"""Child processes that do not outlive their parent, what they tell it when they start, and what they leave."""

__all__ = [
    "LISTENING",
    "REFUSED",
    "bound_to_parent",
    "last_words",
    "leave_last_words",
    "read_word",
    "tell_parent",
]

import contextlib
import ctypes
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

LISTENING: Final = "listening"
REFUSED: Final = "refused"

_PR_SET_PDEATHSIG = 1
_LAST_WORDS: Final = ".last"


def bound_to_parent(sent: signal.Signals, *, umask: int | None = None) -> Callable[[], None] | None:
    """What a child does between fork and exec (`preexec_fn`): it gets `sent` when this process ends, even if killed.

    With `umask`, it also keeps others out of the files it makes. None where the kernel has no such
    promise (not Linux).
    """
    if not sys.platform.startswith("linux"):
        return None
    parent = os.getpid()
    # Looked up before the fork: a child of a threaded process may not take locks.
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def set_up() -> None:
        prctl(_PR_SET_PDEATHSIG, sent)
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)
        if umask is not None:
            os.umask(umask)

    return set_up


def tell_parent(word: str, text: str) -> None:
    """Say on stdout how the start has ended: LISTENING with an address, or REFUSED with words for the operator.

    Once, and nothing after it: what a library prints later goes where the log goes, because nobody reads
    on, and a full pipe would stop us.
    """
    with contextlib.suppress(OSError):  # it has gone, and so will we
        sys.stdout.write(json.dumps({word: text}) + "\n")
        sys.stdout.flush()
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())


def read_word(line: bytes) -> tuple[str, str] | None:
    """What `tell_parent` has written; None for any other line."""
    try:
        said = json.loads(line)
    except ValueError:
        return None
    for word in (LISTENING, REFUSED):
        if isinstance(said, dict) and isinstance(said.get(word), str):
            return word, said[word]
    return None


def leave_last_words(socket: Path, metrics: bytes) -> None:
    """What a process that ends has counted, beside the socket on which it told of itself, for who adds it up."""
    kept = socket.with_name(f"{socket.stem}.{os.getpid()}{_LAST_WORDS}")
    draft = kept.with_suffix(".draft")
    with contextlib.suppress(OSError):  # the supervisor has gone, and its folder
        draft.write_bytes(metrics)
        draft.rename(kept)


def last_words(folder: Path) -> list[tuple[str, Path]]:
    """The names of processes that have left their last words in this folder, and where."""
    found = sorted(folder.glob(f"*{_LAST_WORDS}"))
    return [(path.name.partition(".")[0], path) for path in found]
