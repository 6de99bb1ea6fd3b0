"""How far this worker may trust what it remembers (design §3, §9).

The change feed says what to forget. While it cannot be heard, SQL is polled instead; while neither can,
copies are good up to the staleness budget. Copies that came out of Redis are compared with SQL at the
next poll in any case, because a revocation made while Redis was away left no tombstone there.
"""

__all__ = ["Freshness"]

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.core.changes import Change
from gateway.core.errors import StoreError
from gateway.core.keys import Key, KeyDigest
from gateway.pipeline.health import SqlHealth
from gateway.pipeline.known import KnownKeys
from gateway.pipeline.terms import KnownKey
from gateway.ports import ChangeFeed, Clock, KeyReader

# Bound variables in one statement; SQLite's limit was 999 for long.
_IDS_MAX = 500


@dataclass(slots=True, kw_only=True)
class Freshness:
    """Trusts copies as long as changes are heard, and polls SQL when they are not.

    `silence_seconds` is how long the feed may say nothing before it counts as not heard. Every
    `sweep_seconds` all copies are compared, heard or not: a revocation by a process that alone was cut
    off from Redis is found by then.
    """

    known: KnownKeys
    feed: ChangeFeed
    reader: KeyReader
    clock: Clock
    sql_health: SqlHealth
    staleness_budget_seconds: float = 600.0
    poll_seconds: float = 1.0
    silence_seconds: float = 1.0
    sweep_seconds: float = 30.0
    deadline_seconds: float = 5.0
    _polled_at: float = field(default=-math.inf, init=False)
    # All copies are trusted at least until then; what is heard later only moves it on.
    _trusted_until: float = field(default=-math.inf, init=False)
    # Whether changes may have been missed since the last poll of every key.
    _has_gap: bool = field(default=False, init=False)

    def is_trusted(self, known: KnownKey) -> bool:
        """Whether this copy was up to date at some moment within the staleness budget."""
        now = self.clock.monotonic()
        if now <= self._trusted_until:
            return True
        heard_at = max(self.feed.heard_at, self._polled_at)
        self._trusted_until = heard_at + self.staleness_budget_seconds
        return now - max(heard_at, known.checked_at) <= self.staleness_budget_seconds

    async def run(self) -> None:
        """Poll for ever; for a Crew."""
        while True:
            await asyncio.sleep(self.poll_seconds)
            await self.poll()

    async def poll(self) -> None:
        """Compare with SQL what has to be compared now. An outage of SQL is left for the next time."""
        started = self.clock.monotonic()
        is_silent = started - self.feed.heard_at > self.silence_seconds
        is_swept = started - self._polled_at < self.sweep_seconds
        # Once more after the feed has come back: what it could not carry is never sent again.
        needs_all = self._has_gap or is_silent or not is_swept
        self._has_gap = True
        try:
            async with asyncio.timeout(self.deadline_seconds):
                await self._compare(self.known.copies(only_unconfirmed=not needs_all))
        except TimeoutError:
            self.sql_health.failed(StoreError("sql", "poll", "no answer in time"))
        except StoreError as error:
            self.sql_health.failed(error)
        else:
            self._has_gap = is_silent
            self._polled_at = started if needs_all else self._polled_at

    async def _compare(self, copies: Sequence[tuple[KeyDigest, Key]]) -> None:
        """Forget those of which SQL has another version, or none."""
        for start in range(0, len(copies), _IDS_MAX):
            some = copies[start : start + _IDS_MAX]
            versions = await self.reader.versions([key.secret_id for _, key in some])
            self.sql_health.answered()
            for digest, key in some:
                self._compare_one(digest, key, versions.get(key.secret_id))

    def _compare_one(self, digest: KeyDigest, key: Key, version: int | None) -> None:
        if version == key.version:
            self.known.confirm(digest, key)
        else:
            # At least one more than ours, also when SQL was restored from a backup and has less:
            # the copy that Redis may hold is not to be taken for the newer one.
            floor = max(version or 0, key.version + 1)
            self.known.forget(Change(floor, key_id=key.id))
