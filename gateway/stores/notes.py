"""What a worker remembers of its buckets: what the store last said, what it lent, and what is owed to it."""

__all__ = ["Note", "Notes", "Ready", "share", "with_held"]

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from struct import Struct
from typing import Final

from gateway.core.leases import Lease
from gateway.core.limits import MICRO, Bucket, BucketLevel, Grant, Limit, LimitState, filled

# One worker serves no more buckets than this in the time after which a lease is given back.
_AWAKE_MAX: Final = 16_384
# What is forgotten at once, as a part of what rests: a dict that is emptied from its front is searched from there.
_PART_FORGOTTEN: Final = 64
# A level, and when it was seen.
_LEVEL: Final = Struct("<qqq")


@dataclass(slots=True)
class Note:
    """What this worker remembers of one bucket.

    `level` is what the store last said, on its own clock, and `seen_us` when that was on ours;
    `share` is what this worker may still let through by itself in an outage; `debt` is what it has
    let through since and not yet told the store, in tokens. `lease` is None where nothing is lent.
    `under_way` batches will still write here.
    """

    level: BucketLevel | None = None
    seen_us: int = 0
    share: BucketLevel | None = None
    debt: int = 0
    lease: Lease | None = None
    under_way: int = 0

    @property
    def is_quiet(self) -> bool:
        """Whether there is nothing in it but what the store has said, and nobody is about to say more."""
        is_pending = self.under_way or self.debt or self.share is not None
        return not is_pending and (self.lease is None or self.lease.is_empty)


# As the class itself does it, but for a Python function between: each request makes two of these tuples.
_made: Final = tuple.__new__


class Notes:
    """The notes of the buckets used last, each bucket's once.

    Of a quiet bucket that was not used lately only the level rests here, which takes a quarter of the memory.
    """

    def __init__(self, size_max: int, awake_max: int = _AWAKE_MAX) -> None:
        """Room for `size_max`, of which `awake_max` need not be quiet to stay as they are."""
        self._size_max = size_max
        self._awake_max = awake_max
        self._awake: OrderedDict[str, Note] = OrderedDict()
        self._resting: dict[str, bytes] = {}

    def find(self, name: str) -> Note | None:
        """The note, if there is more in it than a level."""
        return self._awake.get(name)

    def of(self, name: str) -> Note:
        """The note of this bucket; a new one, and one that has rested, has no lease."""
        note = self._awake.get(name)
        if note is not None:
            self._awake.move_to_end(name)
            return note
        rested = self._resting.pop(name, None)
        if rested is None and len(self._awake) + len(self._resting) >= self._size_max:
            self._forget()
        if len(self._awake) >= self._awake_max:
            self._rest()
        note = self._awake[name] = Note() if rested is None else _woken(rested)
        return note

    def _rest(self) -> None:
        """Let the note that was used longest ago rest; one that is not quiet has another turn instead."""
        name, note = next(iter(self._awake.items()))
        if not note.is_quiet:
            self._awake.move_to_end(name)
            return
        del self._awake[name]
        _end_lease(note)
        if note.level is not None:
            self._resting[name] = _LEVEL.pack(*note.level, note.seen_us)

    def _forget(self) -> None:
        if self._resting:
            count = max(1, len(self._resting) // _PART_FORGOTTEN)
            for name in tuple(islice(self._resting, count)):
                del self._resting[name]
        else:
            _, forgotten = self._awake.popitem(last=False)
            _end_lease(forgotten)


def _woken(rested: bytes) -> Note:
    microtokens, at_microseconds, seen_us = _LEVEL.unpack(rested)
    return Note(BucketLevel(microtokens, at_microseconds), seen_us)


def _end_lease(note: Note) -> None:
    # A bucket has one lease at most: what two of them said of it would not add up.
    if note.lease is not None:
        note.lease.forget()


class Ready:
    """The leases of one set of buckets, side by side: all that a request needs that is decided from memory."""

    __slots__ = ("_notes", "_rows", "buckets", "is_low")

    def __init__(self, buckets: tuple[Bucket, ...], notes: Sequence[Note]) -> None:
        """`notes` are those of `buckets`."""
        self.buckets = buckets
        # Whether one of the leases should borrow more.
        self.is_low = False
        self._notes = notes
        self._rows = [
            (note, note.lease, bucket.limit)
            for note, bucket in zip(notes, buckets, strict=True)
            if note.lease is not None
        ]

    def is_of(self, notes: Sequence[Note]) -> bool:
        """Whether these are the notes that it was made of: forgotten ones are made anew."""
        return all(one is other for one, other in zip(self._notes, notes, strict=True))

    def holds_any(self) -> bool:
        """Whether there are tokens in one of the leases."""
        return any(lease.tokens for _, lease, _ in self._rows)

    def take(self, cost: int, now: float) -> Grant | None:
        """Spend `cost` tokens of every lease, or of none: None.

        The caller is told what the store had when it was last asked, and what has been minted since.
        """
        rows = self._rows
        for _, lease, _ in rows:
            if lease.tokens < cost or now >= lease.until:
                return None
        is_low = False
        now_us = int(now * MICRO)
        states: list[LimitState] = []
        for note, lease, limit in rows:
            is_low = lease.spend(cost, now) or is_low
            states.append(_state(note, lease.tokens, limit, now_us))
        self.is_low = is_low
        return _made(Grant, (True, tuple(states), 0.0, (), False, False, ()))


def with_held(grant: Grant, notes: Sequence[Note]) -> Grant:
    """The store's grant, with what this worker holds counted as left."""
    held = [0 if note.lease is None else note.lease.tokens for note in notes]
    if not any(held):
        return grant
    states = [
        state._replace(
            remaining=state.remaining + tokens,
            full_in_seconds=max(
                0.0,
                state.full_in_seconds - tokens * state.limit.window_seconds / state.limit.quota,
            ),
        )
        for state, tokens in zip(grant.states, held, strict=True)
    ]
    return grant._replace(states=tuple(states))


def _state(note: Note, tokens: int, limit: Limit, now_us: int) -> LimitState:
    _, quota, window_seconds, _ = limit
    held = tokens * MICRO
    level = note.level
    if level is not None:
        held += level.microtokens + (now_us - note.seen_us) * quota // window_seconds
    missing = quota * MICRO - held
    if missing <= 0:
        return _made(LimitState, (limit, quota, 0.0))
    remaining = held // MICRO if held > 0 else 0
    return _made(LimitState, (limit, remaining, missing * window_seconds / quota / MICRO))


def share(note: Note, slowed: Limit, workers: int, cost: int, now_us: int) -> BucketLevel:
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
