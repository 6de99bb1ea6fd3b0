"""Request ids, and what is believed of a client's trace (design §7, W3C Trace Context)."""

__all__ = ["request_id", "traceparent_ok"]

import re
from collections.abc import Callable

_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
# Version 00 is known whole. Of a later version only the first 55 characters are, and more may
# follow after a dash. Version ff and ids of nothing but zeros are invalid (Trace Context §3.2).
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:(?<!\A00.{53})-.*)?"
)


def request_id(sent: str | None, fresh: Callable[[], str]) -> str:
    """The client's id when it is sane (1-128 of A-Z a-z 0-9 . _ -), else a fresh one."""
    return sent if sent is not None and _SANE_ID.fullmatch(sent) else fresh()


def traceparent_ok(text: str) -> bool:
    """Whether a traceparent may be passed on; if not, the tracestate must not be either."""
    return _TRACEPARENT.fullmatch(text) is not None
