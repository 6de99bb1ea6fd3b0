"""Whether a call to the upstream that failed may be made again: only what cannot have happened, or may happen twice."""

__all__ = ["ATTEMPTS_MAX", "Failure", "may_retry"]

import enum

# How often one request is tried, the first time included.
ATTEMPTS_MAX = 3
# Idempotent by RFC 9110 §9.2.2, less TRACE, which is never passed on.
_SAFE_TO_REPEAT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})


class Failure(enum.Enum):
    """How far a call got before it failed."""

    NOT_CONNECTED = "not_connected"
    """There was no connection, so nothing was sent."""
    NOT_ANSWERED = "not_answered"
    """The connection ended after something may have been sent, before the first byte of an answer."""
    TIMED_OUT = "timed_out"
    """Time ran out. Asking again would double the wait, and the load on one that is slow already."""
    BROKEN_ANSWER = "broken_answer"
    """An answer had begun, or was not HTTP: the upstream has run the request."""
    CLIENT_GONE = "client_gone"
    """Nobody waits for the answer; no fault of the target."""


def may_retry(failure: Failure, method: str, attempts: int, *, is_body_read: bool) -> bool:
    """Whether to try again after `attempts` tries.

    `is_body_read` says that some of the client's body was taken: it is streamed, never kept, so
    it cannot be sent twice.
    """
    if attempts >= ATTEMPTS_MAX or is_body_read:
        return False
    match failure:
        case Failure.NOT_CONNECTED:
            return True
        case Failure.NOT_ANSWERED:
            return method in _SAFE_TO_REPEAT
        case Failure.TIMED_OUT | Failure.BROKEN_ANSWER | Failure.CLIENT_GONE:
            return False
