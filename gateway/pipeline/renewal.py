"""Digests of imported keys move to the current pepper, beside the requests that use them."""

__all__ = ["DigestRenewal"]

import asyncio
from collections import OrderedDict

from gateway.core.errors import StoreError
from gateway.core.keys import KeyDigest
from gateway.ports import ImportedDigests

_WAITING_MAX = 10_000
_RETRY_SECONDS = 5.0
_DEADLINE_SECONDS = 5.0


class DigestRenewal:
    """Writes offered digests one after the other; nobody waits for it, and no request fails with it."""

    def __init__(
        self,
        digests: ImportedDigests,
        *,
        waiting_max: int = _WAITING_MAX,
        retry_seconds: float = _RETRY_SECONDS,
    ) -> None:
        """At most `waiting_max` wait to be written; `retry_seconds` pass after a failure."""
        self._digests = digests
        self._waiting_max = waiting_max
        self._retry_seconds = retry_seconds
        self._waiting: OrderedDict[KeyDigest, str] = OrderedDict()
        self._work = asyncio.Event()

    def offer(self, digest: KeyDigest, secret_id: str) -> None:
        """Have `digest`, under the current pepper, written soon; left for its next use if too many wait."""
        if len(self._waiting) < self._waiting_max:
            self._waiting[digest] = secret_id
            self._work.set()

    async def run(self) -> None:
        """Write for ever; for a Crew."""
        while True:
            await self._work.wait()
            digest, secret_id = next(iter(self._waiting.items()))
            try:
                async with asyncio.timeout(_DEADLINE_SECONDS):
                    await self._digests.add(digest, secret_id)
            except (StoreError, TimeoutError):
                # Others are not held up by one that fails for a reason of its own.
                self._waiting.move_to_end(digest)
                await asyncio.sleep(self._retry_seconds)
            else:
                del self._waiting[digest]
            if not self._waiting:
                self._work.clear()
