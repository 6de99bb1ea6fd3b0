"""Whether a process should be given traffic: a status for the balancer, a word for a person (design §9)."""

__all__ = ["Readiness"]

import enum


class Readiness(enum.Enum):
    """Degraded means yes, with a store away."""

    READY = ("ready", 200)
    DEGRADED = ("degraded", 200)
    NOT_READY = ("not_ready", 503)

    def __init__(self, word: str, status: int) -> None:
        """Unpack the row."""
        self.word = word
        self.status = status
