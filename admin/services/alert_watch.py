"""What a part that looks for alerts is to the one that tells them."""

__all__ = ["Again", "Watch"]

from collections.abc import AsyncIterator, Collection, Sequence
from typing import NamedTuple, Protocol

from admin.core.alerts.kinds import Finding, Rule, Subject


class Again(NamedTuple):
    """What a second look found; `gone` are the subjects there is nothing to look at in any more."""

    findings: Sequence[Finding]
    gone: Sequence[Subject]


class Watch(Protocol):
    """Looks at one sort of things. Both looks do a bounded amount of work, and raise StoreError."""

    @property
    def rules(self) -> Collection[Rule]:
        """What it looks for; no other watch does."""

    def fresh(self, now: float) -> AsyncIterator[Sequence[Finding]]:
        """What may have come about since the last round, part by part.

        A part has been told when the next is asked for.
        """

    async def again(self, subjects: Sequence[Subject], now: float) -> Again:
        """How it is now with what stands, so that what is over can end."""
