"""The limiter's stated answer to an outage: this worker's share of the rate (design §9)."""

__all__ = ["ExactLimiter", "GuardedLimiter"]

import asyncio
import math
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from gateway.core.leases import Ask, Lease, Tally
from gateway.core.limits import MICRO, Bucket, BucketLevel, Grant, spend
from gateway.ports import Clock
from gateway.stores.limiter import Batch, Takes
from gateway.stores.notes import Note, Notes, Ready, share, with_held

_BUCKETS_MAX: Final = 50_000
# Sets of buckets that may be decided from memory, each because something was lent.
_READY_MAX: Final = 16_384
# A batch that is full leaves at once, so that nobody ever waits for more than one answer before the
# question; and a script that decides this many keeps nobody else in Redis waiting.
_BATCH_MAX: Final = 64
# What is told to wait at most while nobody knows how long an outage lasts.
_GUESS_SECONDS_MAX: Final = 30.0
# How soon after an outage all workers' debts are told.
_SETTLE_SECONDS: Final = 0.1
# Nothing is borrowed so soon after an outage: what others let through meanwhile may not be told yet, and
# the store would lend it a second time.
_UNSETTLED_SECONDS: Final = 1.0


class ExactLimiter(Protocol):
    """Buckets that hold across the cluster, as long as their store answers."""

    def ask(self, batch: Batch) -> None:
        """As `stores.limiter.RedisLimiter.ask`."""
        ...


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

    __slots__ = (
        "_guard",
        "answers",
        "asks",
        "buckets",
        "costs",
        "debts",
        "is_asked",
        "line",
        "notes",
    )

    def __init__(
        self,
        guard: "GuardedLimiter",
        line: _Line,
        buckets: tuple[Bucket, ...],
        notes: Sequence[Note],
    ) -> None:
        self._guard = guard
        for note in notes:
            note.under_way += 1
        self.line = line
        self.buckets = buckets
        self.notes = notes
        self.costs: list[int] = []
        self.answers: list[asyncio.Future[Grant]] = []
        self.debts: Sequence[int] = ()
        self.asks: Sequence[Ask | None] = ()
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
        self.asks = self._guard.asks(self)
        return Takes(self.costs, [note.level for note in notes], self.debts, self.asks)

    def answered(
        self, left: tuple[BucketLevel, ...], grants: Sequence[Grant], lent: Sequence[int]
    ) -> None:
        for answer, grant in zip(self.answers, grants, strict=True):
            if not answer.done():  # its caller has gone
                answer.set_result(with_held(grant, self.notes))
        self._guard.heard(self, left, lent)
        self._guard.ended(self)

    def failed(self) -> None:
        if self.line.gathering is self:
            self.line.gathering = None
        for note, debt in zip(self.notes, self.debts, strict=False):
            note.debt += debt
        for note, ask in zip(self.notes, self.asks, strict=False):
            if ask is not None and note.lease is not None:
                note.lease.failed()
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
    together, in their order. With `leases`, a busy worker borrows ahead (core/leases.py), and its
    requests are decided from memory; without, nothing is taken for a request that has not come yet.
    """

    def __init__(
        self,
        inner: ExactLimiter,
        clock: Clock,
        live_workers: Callable[[], int],
        *,
        buckets_max: int = _BUCKETS_MAX,
        leases: Tally | None = None,
    ) -> None:
        """At most `buckets_max` buckets are remembered, those used last; `leases` counts what is borrowed."""
        self._inner = inner
        self._clock = clock
        self._live_workers = live_workers
        self._leases = leases
        self._notes = Notes(buckets_max)
        # By identity: hashing a tuple of buckets costs more than all the rest of a decision from memory.
        self._ready: dict[int, Ready] = {}
        self._lent: dict[str, Bucket] = {}
        self._is_leaving = False
        self._failed_at = -math.inf
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lines: dict[tuple[Bucket, ...], _Line] = {}
        self._indebted: dict[str, Bucket] = {}

    def take_nowait(self, buckets: Sequence[Bucket], cost: int) -> Grant | None:
        """From what this worker has borrowed; None: the store has to be asked. Without buckets all is allowed."""
        if not buckets:
            return _UNLIMITED
        ready = self._ready.get(id(buckets))
        if ready is None or ready.buckets is not buckets:
            return None
        grant = ready.take(cost, self._clock.monotonic())
        if grant is not None and ready.is_low:
            self._borrow(ready.buckets)
        return grant

    async def take(self, buckets: Sequence[Bucket], cost: int) -> Grant:
        """Take `cost` tokens from every bucket, or none from any. Never raises for a store that is away.

        Who is cancelled may have had his tokens taken; those who wait beside him do not notice.
        """
        if not buckets:
            return _UNLIMITED
        named = tuple(buckets)
        batch = self._gather(named)
        if self._loop is None:
            # Kept, because finding it is a system call on CPython 3.11.
            self._loop = asyncio.get_running_loop()
        if self._leases is not None:
            self._count_use(batch.notes, cost)
        answer: asyncio.Future[Grant] = self._loop.create_future()
        batch.costs.append(cost)
        batch.answers.append(answer)
        is_full = len(batch.costs) == _BATCH_MAX
        if is_full:
            batch.line.gathering = None
        if not batch.is_asked and (is_full or not batch.line.under_way):
            self._ask(batch)
        grant = await answer
        if self._leases is not None:
            self._get_ready(named, batch.notes)
        return grant

    async def run(self) -> None:
        """Tell the store of debts as soon as it is back; for a Crew.

        Otherwise it would hear of them with each bucket's next request here, and let others have until
        then what this worker has given away already.
        """
        while True:
            await asyncio.sleep(_SETTLE_SECONDS)
            self.give_back()
            await self.settle()

    async def settle(self) -> None:
        """Tell the store of every debt; what it cannot hear stays owed."""
        for name, bucket in tuple(self._indebted.items()):
            grant = await self.take([bucket], 0)
            if grant.is_degraded:
                return
            note = self._notes.find(name)
            if note is None or not note.debt:
                self._indebted.pop(name, None)

    def give_back(self) -> None:
        """Return what has been borrowed and is wanted no more."""
        now = self._clock.monotonic()
        for name, bucket in tuple(self._lent.items()):
            note = self._notes.find(name)
            if (
                note is None
                or note.lease is None
                or not (note.lease.tokens or note.lease.is_asking)
            ):
                del self._lent[name]
            elif self._is_leaving or note.lease.is_idle(now):
                self._borrow((bucket,))

    async def leave(self) -> None:
        """Return everything, for good; at most a moment's work. Nothing is decided from memory any more."""
        self._is_leaving = True
        self._ready.clear()
        self._leases = None
        lent = tuple(self._lent.values())
        for bucket in lent:
            await self.take((bucket,), 0)

    def asks(self, batch: _Together) -> Sequence[Ask | None]:
        """What a batch says of the leases of its buckets, now that it departs."""
        now = self._clock.monotonic()
        is_unsettled = now - self._failed_at < _UNSETTLED_SECONDS
        asks: list[Ask | None] = []
        for note, bucket in zip(batch.notes, batch.buckets, strict=True):
            if note.lease is None or note.lease.is_asking:
                asks.append(None)
            else:
                ask = note.lease.ask(bucket.limit, now, is_leaving=self._is_leaving)
                asks.append(ask._replace(ahead=0) if is_unsettled else ask)
        return asks

    def heard(self, batch: _Together, left: Sequence[BucketLevel], lent: Sequence[int]) -> None:
        """The store has answered a batch."""
        for note, bucket, ask, tokens in zip(
            batch.notes, batch.buckets, batch.asks, lent, strict=True
        ):
            if ask is not None and note.lease is not None:
                note.lease.lent(tokens)
                if tokens:
                    self._lent[bucket.name] = bucket
        seen_us = self._now_us()
        for note, level in zip(batch.notes, left, strict=True):
            note.level, note.seen_us, note.share = level, seen_us, None

    def take_share(self, batch: _Together, cost: int) -> Grant:
        """Decide one request of a batch that the store has not answered."""
        workers = max(1, self._live_workers())
        self._failed_at = self._clock.monotonic()
        now_us = self._now_us()
        # A window as many times as long is exactly a rate as many times lower.
        slowed = [
            limit._replace(window_seconds=limit.window_seconds * workers)
            for _, limit in batch.buckets
        ]
        held = [
            share(note, limit, workers, cost, now_us)
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
        # The outage may be over long before this share has saved up for it.
        wait_seconds = min(grant.retry_after_seconds, _GUESS_SECONDS_MAX)
        return grant._replace(states=states, retry_after_seconds=wait_seconds, is_degraded=True)

    def ended(self, batch: _Together) -> None:
        """A batch is through, whichever way: who has gathered meanwhile is next."""
        for note in batch.notes:
            note.under_way -= 1
        line = batch.line
        line.under_way -= 1
        if line.under_way:
            return
        if line.gathering is not None:
            self._ask(line.gathering)
        elif self._lines.get(batch.buckets) is line:
            del self._lines[batch.buckets]

    def _gather(self, named: tuple[Bucket, ...]) -> _Together:
        """The batch that takes in who comes now."""
        line = self._lines.get(named)
        if line is None:
            line = self._lines[named] = _Line()
        batch = line.gathering
        if batch is None:
            notes = [self._note(bucket.name) for bucket in named]
            batch = line.gathering = _Together(self, line, named, notes)
        return batch

    def _count_use(self, notes: Sequence[Note], cost: int) -> None:
        now = self._clock.monotonic()
        for note in notes:
            if note.lease is not None:
                note.lease.used(cost, now)

    def _get_ready(self, named: tuple[Bucket, ...], notes: Sequence[Note]) -> None:
        """From its next request on, this set of buckets may be decided from memory, if anything was lent."""
        if not any(note.lease is not None and note.lease.tokens for note in notes):
            return
        ready = self._ready.get(id(named))
        if ready is None or not ready.is_of(notes):
            if len(self._ready) >= _READY_MAX:
                self._drop_unready()
            self._ready[id(named)] = Ready(named, notes)

    def _drop_unready(self) -> None:
        held = {place: ready for place, ready in self._ready.items() if ready.holds_any()}
        # Where nearly all hold something this would be gone through again at once.
        self._ready = held if len(held) <= _READY_MAX // 2 else {}

    def _borrow(self, named: tuple[Bucket, ...]) -> None:
        """Ask for more without making anybody wait."""
        batch = self._gather(named)
        if not batch.is_asked and not batch.line.under_way:
            self._ask(batch)

    def _ask(self, batch: _Together) -> None:
        batch.line.under_way += 1
        batch.is_asked = True
        self._inner.ask(batch)

    def _note(self, name: str) -> Note:
        note = self._notes.of(name)
        if note.lease is None and self._leases is not None:
            note.lease = Lease(self._clock.monotonic(), self._leases)
        return note

    def _now_us(self) -> int:
        return int(self._clock.monotonic() * MICRO)


_UNLIMITED: Final = Grant(allowed=True, states=(), retry_after_seconds=0.0)
