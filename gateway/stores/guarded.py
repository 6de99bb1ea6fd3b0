"""The limiter's stated answer to an outage: this worker's share of the rate (design §9)."""

__all__ = ["ExactLimiter", "GuardedLimiter"]

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from gateway.core.limits import MICRO, Bucket, BucketLevel, Grant, Limit, filled, spend
from gateway.ports import Clock
from gateway.stores.limiter import Batch, Takes

_BUCKETS_MAX: Final = 50_000
# A batch that is full leaves at once, so that nobody ever waits for more than one answer before the
# question; and a script that decides this many keeps nobody else in Redis waiting.
_BATCH_MAX: Final = 64
# How soon after an outage all workers' debts are told.
_SETTLE_SECONDS: Final = 0.25


class ExactLimiter(Protocol):
    """Buckets that hold across the cluster, as long as their store answers."""

    def ask(self, batch: Batch) -> None:
        """As `stores.limiter.RedisLimiter.ask`."""
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


class _Line:
    """The requests on one set of buckets, of which at least one waits for its answer."""

    __slots__ = ("gathering", "under_way")

    def __init__(self) -> None:
        # How many batches have been asked and not answered.
        self.under_way = 0
        # The batch that takes in who comes now.
        self.gathering: _Together | None = None


class _Together:
    """Requests that are asked about together; implements `limiter.Batch`."""

    __slots__ = ("_guard", "answers", "buckets", "costs", "debts", "is_asked", "line", "notes")

    def __init__(
        self,
        guard: "GuardedLimiter",
        line: _Line,
        buckets: tuple[Bucket, ...],
        notes: Sequence[_Note],
    ) -> None:
        self._guard = guard
        self.line = line
        self.buckets = buckets
        self.notes = notes
        self.costs: list[int] = []
        self.answers: list[asyncio.Future[Grant]] = []
        self.debts: Sequence[int] = ()
        self.is_asked = False

    def depart(self) -> Takes:
        line = self.line
        if line.gathering is self:
            line.gathering = None
        notes = self.notes
        self.debts = [note.debt for note in notes]
        # Taken out before the wait: of two batches at once only one may carry the debt.
        for note in notes:
            note.debt = 0
        return Takes(self.costs, [note.level for note in notes], self.debts)

    def answered(self, left: tuple[BucketLevel, ...], grants: Sequence[Grant]) -> None:
        self._guard.heard(self, left)
        for answer, grant in zip(self.answers, grants, strict=True):
            if not answer.done():  # its caller has gone
                answer.set_result(grant)
        self._guard.ended(self)

    def failed(self) -> None:
        if self.line.gathering is self:
            self.line.gathering = None
        for note, debt in zip(self.notes, self.debts, strict=False):
            note.debt += debt
        for answer, cost in zip(self.answers, self.costs, strict=True):
            if not answer.done():
                answer.set_result(self._guard.take_share(self, cost))
        self._guard.ended(self)


class GuardedLimiter:
    """Implements the Limiter port: exact while the store answers, and a fair share while it does not.

    During an outage each of the live workers refills its own bucket with rate / workers, from what
    it last knew was left / workers; of a bucket it has never seen it starts with one second's share,
    at least one token. Such grants are marked `is_degraded`. What was let through meanwhile is
    charged as debt when the store is back: with the bucket's next request, or by `run`.

    Requests on the same buckets that come while an answer for these is on its way are asked about
    together, in their order. Nothing is taken for a request that has not come yet.
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
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lines: dict[tuple[Bucket, ...], _Line] = {}
        self._indebted: dict[str, Bucket] = {}

    def take_nowait(self, buckets: Sequence[Bucket], cost: int) -> Grant | None:
        """None: an exact answer needs the store. Without buckets there is nothing to ask."""
        return None if buckets else _UNLIMITED

    async def take(self, buckets: Sequence[Bucket], cost: int) -> Grant:
        """Take `cost` tokens from every bucket, or none from any. Never raises for a store that is away.

        Who is cancelled may have had his tokens taken; those who wait beside him do not notice.
        """
        if not buckets:
            return _UNLIMITED
        named = tuple(buckets)
        line = self._lines.get(named)
        if line is None:
            line = self._lines[named] = _Line()
        batch = line.gathering
        if batch is None:
            notes = [self._note(bucket.name) for bucket in named]
            batch = line.gathering = _Together(self, line, named, notes)
        if self._loop is None:
            # Kept, because finding it is a system call on CPython 3.11.
            self._loop = asyncio.get_running_loop()
        answer: asyncio.Future[Grant] = self._loop.create_future()
        batch.costs.append(cost)
        batch.answers.append(answer)
        is_full = len(batch.costs) == _BATCH_MAX
        if is_full:
            line.gathering = None
        if not batch.is_asked and (is_full or not line.under_way):
            self._ask(batch)
        return await answer

    async def run(self) -> None:
        """Tell the store of debts as soon as it is back; for a Crew.

        Otherwise it would hear of them with each bucket's next request here, and let others have until
        then what this worker has given away already.
        """
        while True:
            await asyncio.sleep(_SETTLE_SECONDS)
            await self.settle()

    async def settle(self) -> None:
        """Tell the store of every debt; what it cannot hear stays owed."""
        for name, bucket in tuple(self._indebted.items()):
            grant = await self.take([bucket], 0)
            if grant.is_degraded:
                return
            note = self._notes.get(name)
            if note is None or not note.debt:
                self._indebted.pop(name, None)

    def heard(self, batch: _Together, left: Sequence[BucketLevel]) -> None:
        """The store has answered a batch."""
        seen_us = self._now_us()
        for note, level in zip(batch.notes, left, strict=True):
            note.level, note.seen_us, note.share = level, seen_us, None

    def take_share(self, batch: _Together, cost: int) -> Grant:
        """Decide one request of a batch that the store has not answered."""
        workers = max(1, self._live_workers())
        now_us = self._now_us()
        # A window as many times as long is exactly a rate as many times lower.
        slowed = [
            limit._replace(window_seconds=limit.window_seconds * workers)
            for _, limit in batch.buckets
        ]
        held = [
            _share(note, limit, workers, cost, now_us)
            for note, limit in zip(batch.notes, slowed, strict=True)
        ]
        left, grant = spend(held, slowed, cost, now_us)
        for note, level, bucket in zip(batch.notes, left, batch.buckets, strict=True):
            note.share = level
            if grant.allowed and cost:
                note.debt += cost
                self._indebted[bucket.name] = bucket
        states = tuple(
            state._replace(limit=bucket.limit)
            for state, bucket in zip(grant.states, batch.buckets, strict=True)
        )
        return grant._replace(states=states, is_degraded=True)

    def ended(self, batch: _Together) -> None:
        """A batch is through, whichever way: who has gathered meanwhile is next."""
        line = batch.line
        line.under_way -= 1
        if line.under_way:
            return
        if line.gathering is not None:
            self._ask(line.gathering)
        elif self._lines.get(batch.buckets) is line:
            del self._lines[batch.buckets]

    def _ask(self, batch: _Together) -> None:
        batch.line.under_way += 1
        batch.is_asked = True
        self._inner.ask(batch)

    def _note(self, name: str) -> _Note:
        notes = self._notes
        note = notes.get(name)
        if note is not None:
            notes.move_to_end(name)
            return note
        if len(notes) >= self._buckets_max:
            forgotten, _ = notes.popitem(last=False)
            self._indebted.pop(forgotten, None)
        note = notes[name] = _Note()
        return note

    def _now_us(self) -> int:
        return int(self._clock.monotonic() * MICRO)


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
