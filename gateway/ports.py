"""What the request path needs from the outside, named by the need and not by the driver."""

__all__ = [
    "Announcer",
    "CachedKey",
    "ChangeFeed",
    "Clock",
    "FoundImported",
    "ImportedDigests",
    "KeyCache",
    "KeyReader",
    "Limiter",
    "Quotas",
    "StoredKey",
    "UsageRun",
    "UsageSink",
    "UsageStore",
]

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from gateway.core.changes import Change, Receipt
from gateway.core.keys import Key, KeyDigest
from gateway.core.limits import Bucket, Grant
from gateway.core.meter import Meter
from gateway.core.record import UsageRecord, UsageRow


class Clock(Protocol):
    """Time, handed in."""

    def now(self) -> float:
        """Seconds since the epoch, UTC: for what has a date."""
        ...

    def monotonic(self) -> float:
        """Seconds that never step back: for durations and deadlines."""
        ...


@dataclass(frozen=True, slots=True)
class StoredKey:
    """What the source of truth has under a secret id: the key, and argon2id(token) in PHC form.

    An imported secret is no token: it is whatever text somebody else made, and its id is not in it.
    """

    key: Key
    token_hash: str = field(repr=False)
    is_imported: bool = False


@dataclass(frozen=True, slots=True)
class FoundImported:
    """An imported secret, and the id of the pepper under which its digest was found."""

    stored: StoredKey
    pepper_id: str


@dataclass(frozen=True, slots=True)
class CachedKey:
    """What L2 has under a secret id: the key, and the digest of the one token that proves it."""

    key: Key
    digest: KeyDigest


class KeyReader(Protocol):
    """The source of truth (SQL), read-only."""

    async def find(self, secret_id: str) -> StoredKey | None:
        """The key that has this secret id, whatever its status; None if there is none. Raises StoreError."""
        ...

    async def find_imported(self, digests: Sequence[KeyDigest]) -> FoundImported | None:
        """The imported secret that one of these digests finds, the first before the next. Raises StoreError."""
        ...

    async def versions(self, secret_ids: Sequence[str]) -> dict[str, int]:
        """The present version behind each secret id that exists, to poll while the feed is away. Raises StoreError."""
        ...


class ImportedDigests(Protocol):
    """By which digests imported secrets are found (SQL)."""

    async def add(self, digest: KeyDigest, secret_id: str) -> None:
        """Let `digest` find this secret, if there is such a secret; once more changes nothing. Raises StoreError."""
        ...


class KeyCache(Protocol):
    """L2 (Redis): verified keys by secret id."""

    async def find(self, secret_id: str) -> CachedKey | None:
        """The cached key; None for a miss, a tombstone, or anything unreadable. Raises StoreError."""
        ...

    async def fill(self, cached: CachedKey) -> bool:
        """Write it unless a newer version (or a tombstone of one) stands there; False if so. Raises StoreError."""
        ...

    async def pointed(self, digest: KeyDigest) -> str | None:
        """The secret id that `point` left for an imported value; nothing is proved by it. Raises StoreError."""
        ...

    async def point(self, digest: KeyDigest, secret_id: str) -> None:
        """Remember, for as long as an entry lives, which secret an imported value is. Raises StoreError."""
        ...


class Limiter(Protocol):
    """Token buckets that hold across the cluster."""

    def take_nowait(self, buckets: Sequence[Bucket], cost: int) -> Grant | None:
        """As `take`, if it can be decided from memory; None when it needs I/O."""
        ...

    async def take(self, buckets: Sequence[Bucket], cost: int) -> Grant:
        """Take `cost` tokens from every bucket, or none from any. Never raises: an outage has a stated answer."""
        ...


class Quotas(Protocol):
    """What accounts may use in a month, across the cluster."""

    async def fill(self, meter: Meter) -> None:
        """Return when `meter` can say more than that a store has to be asked. Never raises."""
        ...

    async def look(self, meter: Meter) -> None:
        """Bring `meter` up to date, and take nothing. Never raises."""
        ...


class UsageSink(Protocol):
    """Where finished requests are recorded; the only call the proxy makes about usage."""

    def record(self, record: UsageRecord) -> None:
        """Take the record. Never waits and never raises; a record that cannot be kept is counted as lost."""
        ...


class ChangeFeed(Protocol):
    """News of changed keys, from whichever process made the change."""

    def on_change(self, forget: Callable[[Change], None]) -> None:
        """Call `forget` for each change, before it is acknowledged."""
        ...

    @property
    def heard_at(self) -> float:
        """Monotonic time at which this worker was last known to have heard everything."""
        ...


class Announcer(Protocol):
    """Tells every worker of a change, and waits until they have answered."""

    async def announce(self, change: Change, buried: Sequence[tuple[str, int]]) -> Receipt:
        """Leave tombstones, tell the feed, wait up to two seconds for the answers. Never raises: see Receipt.

        `buried` are the secrets concerned, each with the version that its key has reached.
        """
        ...


class UsageRun(NamedTuple):
    """Records of one worker, numbered upwards from `first_sequence` without a gap."""

    worker: str
    first_sequence: int
    records: Sequence[UsageRow]


class UsageStore(Protocol):
    """Where the ledger writes (SQL), and where what is written again changes nothing.

    A worker's records are written in the order of their numbers: behind what is stored of it, or again.
    """

    async def ship(self, runs: Sequence[UsageRun]) -> None:
        """Store what is not stored yet, with all that is counted of it, in one transaction. Raises StoreError."""
        ...

    async def count_refused(self, worker: str, totals: Mapping[tuple[int, str], int]) -> None:
        """Keep `worker`'s totals of unauthenticated refusals by (minute since the epoch, outcome). Raises StoreError.

        The highest total stands, so that they may be written again, and in any order.
        """
        ...
