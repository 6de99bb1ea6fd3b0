"""Upstream failures in the log: at once, but never one line per request."""

__all__ = ["Complaints"]

import structlog

from gateway.ports import Clock

log = structlog.get_logger(__name__)

_PAUSE_SECONDS = 1.0


class Complaints:
    """Tells of failures by upstream and kind; a further one within a second is only counted."""

    def __init__(self, clock: Clock) -> None:
        """Nothing has failed yet."""
        self._clock = clock
        self._quiet_until: dict[tuple[str, str], float] = {}
        self._kept_back: dict[tuple[str, str], int] = {}

    def tell(self, upstream: str, target: str | None, cause: str, request_id: str) -> None:
        """`cause` comes from a small set of words, and holds nothing of the request."""
        now = self._clock.monotonic()
        kind = (upstream, cause)
        if now < self._quiet_until.get(kind, now):
            self._kept_back[kind] = self._kept_back.get(kind, 0) + 1
            return
        self._quiet_until[kind] = now + _PAUSE_SECONDS
        log.warning(
            "upstream_failed",
            upstream=upstream,
            target=target,
            cause=cause,
            request_id=request_id,
            more_like_this=self._kept_back.pop(kind, 0),
        )
