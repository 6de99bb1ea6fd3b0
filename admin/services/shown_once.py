"""Secrets on their way to the one page that shows them."""

__all__ = ["ShownOnce"]

from admin.core.caller import Caller
from admin.services.repeats import Earlier, Repeats
from gateway.ports import Clock


class ShownOnce:
    """What a request with an Idempotency-Key has made can be fetched by whoever made it, once, within ten minutes.

    So a page that makes a key can lead to another page that shows it: on whichever node that is
    served, and not a second time on any.
    """

    def __init__(self, repeats: Repeats, clock: Clock) -> None:
        """`repeats` keeps the secrets sealed until then."""
        self._repeats = repeats
        self._clock = clock

    async def take(self, caller: Caller) -> Earlier | None:
        """What was made, with its secret; None for whoever comes second, late, or had nothing made."""
        return await self._repeats.taken(caller, self._clock.now())
