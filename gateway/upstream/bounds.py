"""What is asked of an upstream, and how it can fail: the same for both lanes."""

__all__ = ["UpstreamBounds", "UpstreamError"]

from dataclasses import dataclass

from gateway.core.errors import KeywrightError
from gateway.core.refusal import Refusal


class UpstreamError(KeywrightError):
    """The upstream gave no answer that could be passed on; `reason` is what the caller is told."""

    def __init__(self, reason: Refusal, cause: str, target: str | None = None) -> None:
        """`cause` names the kind of fault, never the request; `target` is host:port."""
        super().__init__(f"{reason.code}: {cause}")
        self.reason = reason
        self.target = target


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamBounds:
    """`connect_seconds` bound waiting for a connection, `response_seconds` the wait for the first byte of an
    answer, `idle_seconds` every pause within it. `max_connections` is the cap over all targets; an unused
    connection is kept for `keepalive_seconds`, an unreachable target left out for `cooldown_seconds`.
    """

    connect_seconds: float = 5.0
    response_seconds: float = 60.0
    idle_seconds: float = 60.0
    max_connections: int = 512
    keepalive_seconds: float = 15.0
    cooldown_seconds: float = 2.0
