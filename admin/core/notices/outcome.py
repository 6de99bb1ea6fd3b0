"""What is sent to a channel, and what became of an attempt."""

__all__ = ["Done", "Outcome", "Parcel"]

from dataclasses import dataclass, field
from enum import StrEnum


class Done(StrEnum):
    """What became of one attempt."""

    DELIVERED = "delivered"
    # Try again later.
    FAILED = "failed"
    # This one will never be taken.
    REFUSED = "refused"
    # The receiver wants nothing more at all.
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Outcome:
    """`status` is the receiver's own, of HTTP or SMTP; `retry_after` are seconds that it asked for.

    `detail` is a sentence of ours: nothing that the receiver said, and no secret.
    """

    done: Done
    detail: str
    status: int | None = None
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Parcel:
    """One notice on its way to one channel. Times are seconds since the epoch.

    `id` is the same at each attempt. `secrets` are the present one and, for a while, the one before; of a chat
    service, its URL.
    """

    id: str
    kind: str
    severity: str
    title: str
    text: str
    body: str
    at: float
    url: str | None = None
    recipients: tuple[str, ...] = ()
    secrets: tuple[str, ...] = field(default=(), repr=False)
