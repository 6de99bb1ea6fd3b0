"""Telling every worker of a change, and the proof that they heard it (design §3)."""

__all__ = ["RedisAnnouncer"]

import asyncio
from collections.abc import Sequence
from typing import Final

from gateway.core.changes import Change, Receipt
from gateway.core.errors import StoreError
from gateway.ports import Clock
from gateway.stores.feed import acknowledgements, entry_words
from gateway.stores.key_cache import bury
from gateway.stores.redis_client import RedisStore
from gateway.stores.workers import WorkerRegistry

_WAIT_SECONDS: Final = 2.0


class RedisAnnouncer:
    """Implements the Announcer port; to be called once the change is committed in SQL."""

    def __init__(self, store: RedisStore, clock: Clock) -> None:
        """`store` is open."""
        self._store = store
        self._clock = clock
        self._registry = WorkerRegistry(store, clock, "")

    async def announce(self, change: Change, buried: Sequence[tuple[str, int]]) -> Receipt:
        """Leave tombstones, tell the feed, wait up to two seconds for the answers. Never raises: see Receipt.

        `buried` are the secrets concerned, each with the version that its key has reached.
        """
        began = self._clock.monotonic()
        try:
            # Whoever comes to life later has nothing old in its memory, and is not waited for.
            live = await self._registry.live()
            # Before the news: who forgets must not find the old copy here.
            await bury(self._store, buried)
            entry = await self._store.write("announce", *entry_words(change))
        except StoreError:
            return Receipt(0, 0, self._since(began), is_announced=False)
        missing = await self._wait_for_all(entry, set(live))
        return Receipt(
            workers=len(live),
            acknowledged=len(live) - len(missing),
            milliseconds=self._since(began),
            missing=tuple(sorted(missing)),
        )

    def _since(self, began: float) -> int:
        return round((self._clock.monotonic() - began) * 1000)

    async def _wait_for_all(self, entry: bytes, live: set[str]) -> set[str]:
        """Those of `live` that have not acknowledged within two seconds."""
        missing = set(live)
        if not missing:
            return missing
        try:
            names = acknowledgements(entry)
            async with (
                self._store.connection("acks", names) as connection,
                asyncio.timeout(_WAIT_SECONDS),
            ):
                while missing:
                    # The server's wait ends after ours: nothing is taken off the list unread.
                    await connection.send_command("BLPOP", names, _WAIT_SECONDS + 1)
                    _, worker = await connection.read_response()
                    missing.discard(worker.decode(errors="replace"))
        except StoreError:
            return missing  # time is up, or Redis went away meanwhile
        return missing
