"""Child processes that do not outlive their parent, what they tell it when they start, and what they leave."""

__all__ = [
    "LISTENING",
    "REFUSED",
    "be_listed_as",
    "bound_to_parent",
    "last_words",
    "leave_last_words",
    "read_word",
    "tell_child",
    "tell_parent",
    "told_by_parent",
]

import contextlib
import ctypes
import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

LISTENING: Final = "listening"
REFUSED: Final = "refused"

_PR_SET_PDEATHSIG = 1
_LAST_WORDS: Final = ".last"
_STDIN: Final = 0
_ORDER_BYTES: Final = 65_536
# As many as the kernel hands over in one message (SCM_MAX_FD).
_SOCKETS_MAX: Final = 253


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


def tell_child(
    channel: socket.socket, words: Sequence[str], sockets: Sequence[socket.socket]
) -> None:
    """Say to a process that waits in `told_by_parent` what its arguments are, and hand it `sockets`.

    Raises OSError when it has gone. The channel is of no use afterwards.
    """
    with channel:
        numbers = [each.fileno() for each in sockets]
        _ = socket.send_fds(channel, [json.dumps(list(words)).encode()], numbers)


def told_by_parent() -> tuple[list[str], list[int]] | None:
    """Wait for `tell_child` on stdin, which is then empty: arguments and the numbers of sockets.

    None when the parent ends, or has no use for this process any more.
    """
    with socket.socket(fileno=os.dup(_STDIN)) as channel:
        said, numbers, _, _ = socket.recv_fds(channel, _ORDER_BYTES, _SOCKETS_MAX)
        while more := channel.recv(_ORDER_BYTES):
            said += more
    if not said:
        return None
    for number in numbers:
        os.set_inheritable(number, False)  # noqa: FBT003 -- has no other form
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, _STDIN)
    os.close(empty)
    return json.loads(said), numbers


def be_listed_as(name: str) -> None:
    """`ps` and `top` show this process under `name`, 15 bytes at most, where the kernel has such names (Linux)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text(name)


def leave_last_words(path: Path, metrics: bytes) -> None:
    """What a process that ends has counted, beside the socket on which it told of itself, for who adds it up."""
    kept = path.with_name(f"{path.stem}.{os.getpid()}{_LAST_WORDS}")
    draft = kept.with_suffix(".draft")
    with contextlib.suppress(OSError):  # the supervisor has gone, and its folder
        draft.write_bytes(metrics)
        draft.rename(kept)


def last_words(folder: Path) -> list[tuple[str, Path]]:
    """The names of processes that have left their last words in this folder, and where."""
    found = sorted(folder.glob(f"*{_LAST_WORDS}"))
    return [(path.name.partition(".")[0], path) for path in found]
