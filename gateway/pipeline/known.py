"""L1: the keys that this worker knows, bounded, and never older than the last change it heard of (design §3)."""

__all__ = ["KnownKeys", "UnknownDigests"]

import math
from collections import OrderedDict
from collections.abc import Callable, Collection
from itertools import islice
from typing import Final, NamedTuple, TypeAlias

from gateway.core.changes import Change
from gateway.core.keys import Key, KeyDigest
from gateway.pipeline.terms import KnownKey
from gateway.ports import Clock

# One worker serves no more keys than this in the 200 ms after which a lease is given back (design §5): a key that
# comes back later than that has to ask the store in any case.
_PREPARED_MAX: Final = 16_384
# What is taken out at once when there is no more room, as a part of what rests: a dict that is emptied from its
# front is searched from there each time.
_PART_EVICTED: Final = 64

# Nearly every key has one digest, and a set of one takes four times as much as what it holds.
_Digests: TypeAlias = KeyDigest | set[KeyDigest]


class _Floor(NamedTuple):
    """A change as later look-ups have to mind it: its number in our order of hearing, and its version."""

    number: int
    version: int


class UnknownDigests:
    """Digests that a look-up, a moment ago, found to be of no key."""

    def __init__(self, clock: Clock, *, size_max: int = 10_000, seconds: float = 10.0) -> None:
        """Room for `size_max`, for `seconds` each; the oldest goes first."""
        self._clock = clock
        self._size_max = size_max
        self._seconds = seconds
        self._until: OrderedDict[KeyDigest, float] = OrderedDict()

    def __len__(self) -> int:
        """How many are remembered."""
        return len(self._until)

    def __contains__(self, digest: KeyDigest) -> bool:
        """Whether it is still good for a refusal."""
        until = self._until.get(digest)
        return until is not None and self._clock.monotonic() < until

    def add(self, digest: KeyDigest) -> None:
        """Remember this one from now on."""
        self._until.pop(digest, None)
        self._until[digest] = self._clock.monotonic() + self._seconds
        if len(self._until) > self._size_max:
            self._until.popitem(last=False)

    def discard(self, digest: KeyDigest) -> None:
        """Forget this one, if it is here."""
        self._until.pop(digest, None)

    def clear(self) -> None:
        """Forget all."""
        self._until.clear()


class KnownKeys:
    """Verified keys by digest, least recently used first to go; `unknown` are the digests of no key.

    Those used last are prepared for their next request. The others rest: only the key itself is kept, which
    takes a third of the memory, and it is prepared again when it is used.

    A look-up takes a `ticket` before it reads anything. If a change of that key or account is heard
    before the look-up ends, what it has read may be older than the change, and is not kept.
    """

    def __init__(
        self,
        prepare: Callable[[Key, float], KnownKey],
        unknown: UnknownDigests,
        *,
        size_max: int = 20_000,
        prepared_max: int = _PREPARED_MAX,
    ) -> None:
        """Room for `size_max` keys, of which `prepared_max` do not rest.

        `prepare` is `Terms.known`, under the terms by which the keys that are put here were prepared.
        """
        self._unknown = unknown
        self._prepare = prepare
        self._size_max = size_max
        self._prepared_max = prepared_max
        self._prepared: OrderedDict[KeyDigest, KnownKey] = OrderedDict()
        # Each of these was used before any that is prepared, in this order.
        self._resting: dict[KeyDigest, Key] = {}
        self._digests_of: dict[str, _Digests] = {}
        self._unconfirmed: dict[KeyDigest, Key] = {}
        self._changes = 0
        self._floors: OrderedDict[str, _Floor] = OrderedDict()
        # Look-ups with a ticket below this have outlived our memory of changes.
        self._horizon = 0

    def __len__(self) -> int:
        """How many keys are known."""
        return len(self._prepared) + len(self._resting)

    def get(self, digest: KeyDigest) -> KnownKey | None:
        """The key of this digest, in whatever state it is; None if it has to be looked up."""
        known = self._prepared.get(digest)
        if known is None:
            return self._wake(digest)
        self._prepared.move_to_end(digest)
        return known

    def is_unknown(self, digest: KeyDigest) -> bool:
        """Whether a look-up found, a moment ago, that no key has this digest."""
        return digest in self._unknown

    def ticket(self) -> int:
        """To be taken before a look-up reads anything."""
        return self._changes

    def accepts(self, key: Key, ticket: int) -> bool:
        """Whether a copy read under `ticket` is still the newest that this worker can know of."""
        return ticket >= self._horizon and all(
            floor is None or ticket >= floor.number
            for floor in (self._floors.get(key.id), self._floors.get(key.account.id))
        )

    def is_outdated(self, key: Key) -> bool:
        """Whether a cached copy is older than a change heard before it was read (SQL's own never is)."""
        floor = self._floors.get(key.id)
        return floor is not None and key.version < floor.version

    def put(
        self, digest: KeyDigest, known: KnownKey, ticket: int, *, is_confirmed: bool = True
    ) -> bool:
        """Keep the key unless `ticket` is too old for it; False if so.

        A copy that was not read from SQL itself (`is_confirmed` False) is among `unconfirmed` until
        someone has asked SQL.
        """
        if not self.accepts(known.key, ticket):
            return False
        self._drop(digest)
        self._unknown.discard(digest)
        if len(self) >= self._size_max:
            self._make_room()
        self._keep_prepared(digest, known)
        for owner in (known.key.id, known.key.account.id):
            self._index(owner, digest)
        if not is_confirmed:
            self._unconfirmed[digest] = known.key
        return True

    def put_unknown(self, digest: KeyDigest) -> None:
        """Remember, for a moment, that no key has this digest."""
        self._unknown.add(digest)

    def forget(self, change: Change) -> None:
        """Drop every copy that the change concerns, and what look-ups under way will bring of it."""
        self._changes += 1
        if change.key_id is None and change.account_id is None:
            self._forget_all()
            return
        for owner in (change.key_id, change.account_id):
            if owner is not None:
                self._raise_floor(owner, change.version)
                for digest in self._all_of(owner):
                    self._drop(digest)

    def copies(self, *, only_unconfirmed: bool = False) -> list[tuple[KeyDigest, Key]]:
        """The keys as they are now, to be compared with SQL."""
        if only_unconfirmed:
            return list(self._unconfirmed.items())
        prepared = ((digest, known.key) for digest, known in self._prepared.items())
        return [*self._resting.items(), *prepared]

    def confirm(self, digest: KeyDigest, key: Key) -> None:
        """SQL has just this copy; nothing happens if another one stands here by now."""
        if self._unconfirmed.get(digest) is key:
            del self._unconfirmed[digest]

    def _forget_all(self) -> None:
        self._horizon = self._changes
        self._prepared.clear()
        self._resting.clear()
        self._digests_of.clear()
        self._unconfirmed.clear()
        self._unknown.clear()
        self._floors.clear()

    def _raise_floor(self, owner: str, version: int) -> None:
        self._floors.pop(owner, None)
        self._floors[owner] = _Floor(self._changes, version)
        # As many as there are keys is enough for any look-up that is not absurdly slow; those that
        # are start again.
        if len(self._floors) > self._size_max:
            self._horizon = self._floors.popitem(last=False)[1].number

    def _wake(self, digest: KeyDigest) -> KnownKey | None:
        key = self._resting.pop(digest, None)
        if key is None:
            return None
        # When it was read is forgotten: it counts as read before anything that was heard since.
        known = self._prepare(key, -math.inf)
        self._keep_prepared(digest, known)
        return known

    def _keep_prepared(self, digest: KeyDigest, known: KnownKey) -> None:
        prepared = self._prepared
        if len(prepared) >= self._prepared_max:
            tired, least = prepared.popitem(last=False)
            self._resting[tired] = least.key
        prepared[digest] = known

    def _make_room(self) -> None:
        count = max(1, len(self._resting) // _PART_EVICTED)
        for digest in tuple(islice(self._resting or self._prepared, count)):
            self._drop(digest)

    def _drop(self, digest: KeyDigest) -> None:
        known = self._prepared.pop(digest, None)
        key = self._resting.pop(digest, None) if known is None else known.key
        if key is None:
            return
        self._unconfirmed.pop(digest, None)
        for owner in (key.id, key.account.id):
            self._unindex(owner, digest)

    def _all_of(self, owner: str) -> Collection[KeyDigest]:
        found = self._digests_of.get(owner)
        if found is None:
            return ()
        return tuple(found) if isinstance(found, set) else (found,)

    def _index(self, owner: str, digest: KeyDigest) -> None:
        others = self._digests_of.get(owner)
        if isinstance(others, set):
            others.add(digest)
        elif others is None:
            self._digests_of[owner] = digest
        else:
            self._digests_of[owner] = {others, digest}

    def _unindex(self, owner: str, digest: KeyDigest) -> None:
        found = self._digests_of[owner]
        if isinstance(found, set):
            found.discard(digest)
            if found:
                return
        del self._digests_of[owner]
