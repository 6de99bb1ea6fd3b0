"""Threads in which foreign code can reach allowed addresses only, whatever library it uses to connect.

Python tells an audit hook (PEP 578) of every connection before it is made: here it is refused in threads that are
fenced. What would lead around the fence, another process or another thread, is refused there, too.
"""

__all__ = ["fence_this_thread"]

import sys
import threading
from typing import Final

from admin.core.notices.places import NetworkRules

_CONNECTS: Final = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_LEADS_AROUND: Final = frozenset(
    {
        "subprocess.Popen",
        "os.system",
        "os.exec",
        "os.fork",
        "os.forkpty",
        "os.posix_spawn",
        "os.spawn",
        "pty.spawn",
        # Told of by Python from 3.12 on.
        "_thread.start_new_thread",
        "_thread.start_joinable_thread",
    }
)
_thread: Final = threading.local()
_lock: Final = threading.Lock()
_hooks: Final[list[object]] = []


def fence_this_thread(rules: NetworkRules) -> None:
    """From now on this thread connects to what `rules` allow, or gets a PermissionError; there is no way back."""
    with _lock:
        if not _hooks:
            _hooks.append(_look)
            # For good: Python knows no way to take one off. It costs other threads one look for an attribute.
            sys.addaudithook(_look)
    _thread.rules = rules


def _look(event: str, arguments: tuple[object, ...]) -> None:
    rules: NetworkRules | None = getattr(_thread, "rules", None)
    if rules is None:
        return
    if event in _LEADS_AROUND:
        raise PermissionError(f"{event} is not allowed here")
    if event in _CONNECTS and not _is_allowed(arguments[-1], rules):
        raise PermissionError("not an address that notifications may be sent to")


def _is_allowed(address: object, rules: NetworkRules) -> bool:
    # A text or bytes is the path of a socket on this machine; None, in sendmsg, is whom a socket is connected to.
    if address is None:
        return True
    return isinstance(address, tuple) and rules.allows(str(address[0]))
