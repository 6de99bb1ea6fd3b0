"""What a client may ask of us: sizes and time."""

__all__ = ["ClientBounds"]

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientBounds:
    """Bounds on one client connection, in bytes and seconds, and on all of them together.

    `header_seconds` bound the wait for a whole request head, `body_idle_seconds` every pause of a client that
    sends a body or reads an answer, `body_seconds` (None: unbounded) a whole request body, `keepalive_seconds`
    a connection without a request, `tunnel_idle_seconds` a WebSocket on which nothing moves either way.
    `requests_max` bound what is under way on all connections; a listener whose timer is `late_seconds` late
    several times in a row takes on no request that would have to wait for a store.
    """

    target_bytes: int = 8_190
    header_bytes: int = 32_768
    fields: int = 128
    body_bytes: int | None = None
    header_seconds: float = 10.0
    body_idle_seconds: float = 30.0
    body_seconds: float | None = None
    keepalive_seconds: float = 75.0
    tunnel_idle_seconds: float = 600.0
    # A refused request's body up to this size is read and dropped, so that the connection can be used again.
    drained_bytes: int = 65_536
    # How long a connection that is being closed still takes in what the client sends: closing at once
    # would reset it, and the client might never read the answer (RFC 9112 §9.6).
    linger_seconds: float = 2.0
    read_bytes: int = 65_536
    requests_max: int = 4096
    late_seconds: float = 1.0
