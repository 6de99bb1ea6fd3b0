"""Child processes that do not outlive their parent, however it ends."""

__all__ = ["bound_to_parent"]

import ctypes
import os
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


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
