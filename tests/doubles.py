"""In-memory implementations of the ports. They keep the ports' promises (`tests/contracts`), and can be
held up, broken, or silenced at will."""

__all__ = [
    "Gate",
    "ManualClock",
    "MemoryFeed",
    "MemoryKeyCache",
    "MemoryKeyReader",
    "MemoryLimiter",
    "MemoryQuotas",
]

import asyncio
from collections.abc import Callable, Sequence

from gateway.core.changes import Change
from gateway.core.errors import StoreError, StoreName
from gateway.core.keys import KeyDigest
from gateway.core.limits import MICRO, Bucket, BucketLevel, Grant, take_all
from gateway.core.meter import Meter
from gateway.core.quota import NO_EXTRA, Granted, Heard, Pot, lend, month_at
from gateway.ports import CachedKey, FoundImported, StoredKey


class ManualClock:
    """Stands still until it is moved."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        """Both clocks start at round numbers, so that a sum in a test can be read."""
        self._now = now
        self._monotonic = 1_000.0

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now += seconds
        self._monotonic += seconds


class Gate:
    """A place where a call can be held: before it does its work, or with the result in its hands."""

    def __init__(self) -> None:
        """Open."""
        self._open = asyncio.Event()
        self._open.set()
        self._arrived = asyncio.Event()

    def close(self) -> None:
        """Hold whoever comes next."""
        self._open.clear()
        self._arrived.clear()

    def open(self) -> None:
        """Let everyone go on."""
        self._open.set()

    async def wait_for_arrival(self) -> None:
        """Until somebody stands here."""
        async with asyncio.timeout(5):
            await self._arrived.wait()

    async def wait_to_pass(self) -> None:
        self._arrived.set()
        await self._open.wait()


class _Store:
    """What all stores here have in common: they can be away, and their calls can be held and counted."""

    store: StoreName

    def __init__(self) -> None:
        self.is_away = False
        self.calls = 0
        self.before = Gate()
        self.after = Gate()

    async def _enter(self) -> None:
        self.calls += 1
        await self.before.wait_to_pass()
        if self.is_away:
            raise StoreError(self.store, "call", "away")


class MemoryQuotas:
    """Quotas: one pot for each account and month, in memory, which is the month that the clock says."""

    def __init__(self, clock: ManualClock) -> None:
        """Nothing is used."""
        self._clock = clock
        self.taken: dict[str, int] = {}
        self.bytes: dict[str, int] = {}
        self.asked = 0
        self.is_away = False
        self.before = Gate()

    async def fill(self, meter: Meter) -> None:
        """Lend one for each that waits."""
        meter.waiting += 1
        try:
            await self.before.wait_to_pass()
            if meter.left <= 0 and not meter.is_over:
                self._ask(meter)
        finally:
            meter.waiting -= 1

    async def look(self, meter: Meter) -> None:
        """Take nothing."""
        self._ask(meter, is_last=True)

    def _ask(self, meter: Meter, *, is_last: bool = False) -> None:
        self.asked += 1
        now_us = int(self._clock.now() * 1e6)
        month = month_at(now_us)
        if month != meter.month:
            meter.turn(month)
        asked = meter.ask(self._clock.monotonic(), is_last=is_last)
        if self.is_away:
            meter.got_alone(Granted(0, now_us), self._clock.monotonic())
            meter.shut(self._clock.monotonic())
            return
        name, told = f"{meter.account_id}/{month.name}/{asked.life}", asked.told
        self.taken[name] = told.spent + told.held
        self.bytes[name] = told.bytes
        mine = f"{meter.account_id}/{month.name}/"
        taken = sum(count for one, count in self.taken.items() if one.startswith(mine))
        size = sum(count for one, count in self.bytes.items() if one.startswith(mine))
        limit = meter.quota.requests
        lent = lend(Pot(taken, limit or 0, size), limit, asked.need, 0)
        self.taken[name] += lent
        meter.heard(asked, Heard(now_us, taken + lent, limit or 0, size, lent, NO_EXTRA))


class MemoryKeyReader(_Store):
    """KeyReader: the truth, in a dict by secret id."""

    store: StoreName = "sql"

    def __init__(self) -> None:
        """Empty."""
        super().__init__()
        self.rows: dict[str, StoredKey] = {}
        self.imported: dict[KeyDigest, str] = {}

    async def find(self, secret_id: str) -> StoredKey | None:
        await self._enter()
        row = self.rows.get(secret_id)
        await self.after.wait_to_pass()
        return row

    async def find_imported(self, digests: Sequence[KeyDigest]) -> FoundImported | None:
        await self._enter()
        found = next((digest for digest in digests if digest in self.imported), None)
        await self.after.wait_to_pass()
        return found and FoundImported(self.rows[self.imported[found]], found.pepper_id)

    async def add(self, digest: KeyDigest, secret_id: str) -> None:
        """ImportedDigests."""
        await self._enter()
        if secret_id in self.rows:
            self.imported.setdefault(digest, secret_id)

    async def versions(self, secret_ids: Sequence[str]) -> dict[str, int]:
        await self._enter()
        found = {name: self.rows[name].key.version for name in secret_ids if name in self.rows}
        await self.after.wait_to_pass()
        return found


class MemoryKeyCache(_Store):
    """KeyCache: L2 with its tombstones. An entry without a copy is a tombstone."""

    store: StoreName = "redis"

    def __init__(self) -> None:
        """Empty."""
        super().__init__()
        self.entries: dict[str, tuple[int, CachedKey | None]] = {}
        self.pointers: dict[KeyDigest, str] = {}

    async def find(self, secret_id: str) -> CachedKey | None:
        await self._enter()
        _, cached = self.entries.get(secret_id, (0, None))
        await self.after.wait_to_pass()
        return cached

    async def fill(self, cached: CachedKey) -> bool:
        await self._enter()
        version, _ = self.entries.get(cached.key.secret_id, (0, None))
        is_newest = version <= cached.key.version
        if is_newest:
            self.entries[cached.key.secret_id] = (cached.key.version, cached)
        await self.after.wait_to_pass()
        return is_newest

    async def pointed(self, digest: KeyDigest) -> str | None:
        await self._enter()
        return self.pointers.get(digest)

    async def point(self, digest: KeyDigest, secret_id: str) -> None:
        await self._enter()
        self.pointers[digest] = secret_id

    def leave_tombstone(self, secret_id: str, version: int) -> None:
        """As a revocation does: no copy older than `version` may be written from now on."""
        self.entries[secret_id] = (version, None)


class MemoryLimiter(_Store):
    """Limiter: one process's buckets. It answers from memory unless `is_instant` is False."""

    store: StoreName = "redis"

    def __init__(self, clock: ManualClock) -> None:
        """Every bucket is full."""
        super().__init__()
        self._clock = clock
        self.levels: dict[str, BucketLevel | None] = {}
        self.is_instant = True

    def take_nowait(self, buckets: Sequence[Bucket], cost: int) -> Grant | None:
        return self._take(buckets, cost) if self.is_instant else None

    async def take(self, buckets: Sequence[Bucket], cost: int) -> Grant:
        self.calls += 1
        await self.before.wait_to_pass()
        grant = self._take(buckets, cost)
        await self.after.wait_to_pass()
        return grant._replace(is_degraded=self.is_away)

    def _take(self, buckets: Sequence[Bucket], cost: int) -> Grant:
        levels, grant = take_all(
            [self.levels.get(bucket.name) for bucket in buckets],
            [bucket.limit for bucket in buckets],
            cost,
            int(self._clock.now() * MICRO),
        )
        self.levels.update(zip((bucket.name for bucket in buckets), levels, strict=True))
        return grant


class MemoryFeed:
    """ChangeFeed: news are heard at once, until the feed is silenced."""

    def __init__(self, clock: ManualClock) -> None:
        """Heard."""
        self._clock = clock
        self._forget: list[Callable[[Change], None]] = []
        self._silent_since: float | None = None

    def on_change(self, forget: Callable[[Change], None]) -> None:
        self._forget.append(forget)

    @property
    def heard_at(self) -> float:
        return self._clock.monotonic() if self._silent_since is None else self._silent_since

    def announce(self, change: Change) -> None:
        """Tell everyone who listens; nobody hears it while the feed is silent."""
        if self._silent_since is None:
            for forget in self._forget:
                forget(change)

    def silence(self) -> None:
        """From now on nothing is heard."""
        self._silent_since = self._clock.monotonic()

    def resume(self) -> None:
        """News are heard again; those missed meanwhile are lost."""
        self._silent_since = None
