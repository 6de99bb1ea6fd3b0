"""The limiter's stated answer to an outage: this worker's share of the rate (design §9)."""

__all__ = ["ExactLimiter", "GuardedLimiter"]

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from gateway.core.errors import StoreError
from gateway.core.limits import MICRO, Bucket, BucketLevel, Grant, Limit, filled, spend
from gateway.ports import Clock

_BUCKETS_MAX: Final = 50_000


class ExactLimiter(Protocol):
    """Buckets that hold across the cluster, as long as their store answers."""

    async def take(
        self,
        buckets: Sequence[Bucket],
        cost: int,
        *,
        known: Sequence[BucketLevel | None] = (),
        debts: Sequence[int] = (),
    ) -> tuple[tuple[BucketLevel, ...], Grant]:
        """As `stores.limiter.RedisLimiter.take`. Raises StoreError."""
        ...


@dataclass(slots=True)
class _Note:
    """What this worker remembers of one bucket.

    `level` is what the store last said, on its own clock, and `seen_us` when that was on ours;
    `share` is what this worker may still let through by itself; `debt` is what it has let through
    since and not yet told the store, in tokens.
    """

    level: BucketLevel | None = None
    seen_us: int = 0
    share: BucketLevel | None = None
    debt: int = 0


class GuardedLimiter:
    """Implements the Limiter port: exact while the store answers, and a fair share while it does not.

    During an outage each of the live workers refills its own bucket with rate / workers, from what
    it last knew was left / workers; of a bucket it has never seen it starts with one second's share,
    at least one token. Such grants are marked `is_degraded`. What was let through meanwhile is
    charged as debt when the store is back.
    """

    def __init__(
        self,
        inner: ExactLimiter,
        clock: Clock,
        live_workers: Callable[[], int],
        *,
        buckets_max: int = _BUCKETS_MAX,
    ) -> None:
        """At most `buckets_max` buckets are remembered, those used last."""
        self._inner = inner
        self._clock = clock
        self._live_workers = live_workers
        self._buckets_max = buckets_max
        self._notes: OrderedDict[str, _Note] = OrderedDict()

    def take_nowait(self, buckets: Sequence[Bucket], cost: int) -> Grant | None:
        """None: an exact answer needs the store. Without buckets there is nothing to ask."""
        return None if buckets else _UNLIMITED

    async def take(self, buckets: Sequence[Bucket], cost: int) -> Grant:
        """Take `cost` tokens from every bucket, or none from any. Never raises for a store that is away."""
        if not buckets:
            return _UNLIMITED
        notes = [self._note(bucket.name) for bucket in buckets]
        debts = [note.debt for note in notes]
        # Taken out before the wait: of two requests at once only one may carry the debt.
        for note in notes:
            note.debt = 0
        try:
            left, grant = await self._inner.take(
                buckets, cost, known=[note.level for note in notes], debts=debts
            )
        except StoreError:
            for note, debt in zip(notes, debts, strict=True):
                note.debt += debt
            return self._take_share(buckets, notes, cost)
        seen_us = self._now_us()
        for note, level in zip(notes, left, strict=True):
            note.level, note.seen_us, note.share = level, seen_us, None
        return grant

    def _note(self, name: str) -> _Note:
        notes = self._notes
        note = notes.get(name)
        if note is not None:
            notes.move_to_end(name)
            return note
        if len(notes) >= self._buckets_max:
            notes.popitem(last=False)
        note = notes[name] = _Note()
        return note

    def _now_us(self) -> int:
        return int(self._clock.monotonic() * MICRO)

    def _take_share(self, buckets: Sequence[Bucket], notes: Sequence[_Note], cost: int) -> Grant:
        workers = max(1, self._live_workers())
        now_us = self._now_us()
        # A window as many times as long is exactly a rate as many times lower.
        slowed = [
            limit._replace(window_seconds=limit.window_seconds * workers) for _, limit in buckets
        ]
        held = [
            _share(note, limit, workers, cost, now_us)
            for note, limit in zip(notes, slowed, strict=True)
        ]
        left, grant = spend(held, slowed, cost, now_us)
        for note, level in zip(notes, left, strict=True):
            note.share = level
            note.debt += cost if grant.allowed else 0
        states = tuple(
            state._replace(limit=bucket.limit)
            for state, bucket in zip(grant.states, buckets, strict=True)
        )
        return grant._replace(states=states, is_degraded=True)


_UNLIMITED: Final = Grant(allowed=True, states=(), retry_after_seconds=0.0)


def _share(note: _Note, slowed: Limit, workers: int, cost: int, now_us: int) -> BucketLevel:
    """What this worker may let through of a bucket by itself; `slowed` has the rate of its share."""
    capacity = slowed.quota * MICRO // workers
    if note.share is not None:
        tokens = filled(note.share, slowed, now_us).microtokens
    elif note.level is not None:
        whole = slowed._replace(window_seconds=slowed.window_seconds // workers)
        seen = BucketLevel(note.level.microtokens, note.seen_us)
        tokens = filled(seen, whole, now_us).microtokens // workers
    else:
        tokens = max(capacity * workers // slowed.window_seconds, MICRO)
        capacity = max(capacity, MICRO)
    # A share too small to ever hold the cost still saves up for it: the rate stays the share's.
    return BucketLevel(min(tokens, max(capacity, cost * MICRO)), now_us)
