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

    __slots__ = ("_notes", "buckets", "leases")

    def __init__(self, buckets: tuple[Bucket, ...], notes: Sequence[Note]) -> None:
        """`notes` are those of `buckets`."""
        self.buckets = buckets
        self._notes = notes
        self.leases = [note.lease for note in notes if note.lease is not None]

    def is_of(self, notes: Sequence[Note]) -> bool:
        """Whether these are the notes that it was made of: forgotten ones are made anew."""
        return all(one is other for one, other in zip(self._notes, notes, strict=True))

    def take(self, cost: int, now: float) -> bool:
        """Spend `cost` tokens of every lease, or of none."""
        for lease in self.leases:
            if lease.tokens < cost or now >= lease.until:
                return False
        for lease in self.leases:
            lease.spend(cost, now)
        return True

    @property
    def is_low(self) -> bool:
        """Whether one of them should borrow more."""
        for lease in self.leases:  # noqa: SIM110 -- a generator costs more than the rest of this
            if lease.is_low:
                return True
        return False

    def grant(self, now_us: int) -> Grant:
        """What the caller is told: what the store had when it was last asked, and has minted since."""
        states = [
            _state(note, bucket.limit, now_us)
            for note, bucket in zip(self._notes, self.buckets, strict=True)
        ]
        return Grant(allowed=True, states=tuple(states), retry_after_seconds=0.0)


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


def _state(note: Note, limit: Limit, now_us: int) -> LimitState:
    capacity = limit.quota * MICRO
    held = 0 if note.lease is None else note.lease.tokens * MICRO
    if note.level is not None:
        minted = (now_us - note.seen_us) * limit.quota // limit.window_seconds
        held += note.level.microtokens + minted
    held = max(0, min(held, capacity))
    seconds = (capacity - held) * limit.window_seconds / limit.quota / MICRO
    return LimitState(limit, held // MICRO, seconds)


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
