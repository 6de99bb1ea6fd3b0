"""What a worker remembers of its buckets: what the store last said, what it lent, and what is owed to it."""

__all__ = ["Note", "Notes", "Ready", "share", "with_held"]

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.core.leases import Lease
from gateway.core.limits import MICRO, Bucket, BucketLevel, Grant, Limit, LimitState, filled


@dataclass(slots=True)
class Note:
    """What this worker remembers of one bucket.

    `level` is what the store last said, on its own clock, and `seen_us` when that was on ours;
    `share` is what this worker may still let through by itself in an outage; `debt` is what it has
    let through since and not yet told the store, in tokens. `lease` is None where nothing is lent.
    """

    level: BucketLevel | None = None
    seen_us: int = 0
    share: BucketLevel | None = None
    debt: int = 0
    lease: Lease | None = None


class Notes:
    """The notes of the buckets used last, each bucket's once."""

    def __init__(self, size_max: int) -> None:
        """Room for `size_max`."""
        self._size_max = size_max
        self._notes: OrderedDict[str, Note] = OrderedDict()

    def find(self, name: str) -> Note | None:
        """The note, if there is one."""
        return self._notes.get(name)

    def of(self, name: str, lease: Lease | None) -> Note:
        """The note of this bucket; a new one gets `lease`."""
        note = self._notes.get(name)
        if note is not None:
            self._notes.move_to_end(name)
            return note
        if len(self._notes) >= self._size_max:
            _, forgotten = self._notes.popitem(last=False)
            # A bucket has one lease at most: what two of them said of it would not add up.
            if forgotten.lease is not None:
                forgotten.lease.forget()
        note = self._notes[name] = Note(lease=lease)
        return note


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
        return Grant(True, tuple(states), 0.0)  # noqa: FBT003 -- names would cost as much as the tuple


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
        return LimitState(limit, quota, 0.0)
    return LimitState(
        limit, held // MICRO if held > 0 else 0, missing * window_seconds / quota / MICRO
    )


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
