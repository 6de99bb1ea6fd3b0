"""L1: the keys that this worker knows, bounded, and never older than the last change it heard of (design §3)."""

__all__ = ["KnownKeys"]

from collections import OrderedDict
from typing import NamedTuple

from gateway.core.changes import Change
from gateway.core.keys import Key, KeyDigest
from gateway.pipeline.terms import KnownKey
from gateway.ports import Clock


class _Floor(NamedTuple):
    """A change as later look-ups have to mind it: its number in our order of hearing, and its version."""

    number: int
    version: int


class KnownKeys:
    """Verified keys by digest, least recently used first to go; and digests known to be of no key.

    A look-up takes a `ticket` before it reads anything. If a change of that key or account is heard
    before the look-up ends, what it has read may be older than the change, and is not kept.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        size_max: int = 20_000,
        unknown_max: int = 10_000,
        unknown_seconds: float = 10.0,
    ) -> None:
        """Room for `size_max` keys and `unknown_max` refused digests, these for `unknown_seconds` each."""
        self._clock = clock
        self._size_max = size_max
        self._keys: OrderedDict[KeyDigest, KnownKey] = OrderedDict()
        self._digests_of: dict[str, set[KeyDigest]] = {}
        self._unconfirmed: dict[KeyDigest, KnownKey] = {}
        self._unknown: OrderedDict[KeyDigest, float] = OrderedDict()
        self._unknown_max = unknown_max
        self._unknown_seconds = unknown_seconds
        self._changes = 0
        self._floors: OrderedDict[str, _Floor] = OrderedDict()
        # Look-ups with a ticket below this have outlived our memory of changes.
        self._horizon = 0

    def __len__(self) -> int:
        """How many keys are known."""
        return len(self._keys)

    def get(self, digest: KeyDigest) -> KnownKey | None:
        """The key of this digest, in whatever state it is; None if it has to be looked up."""
        known = self._keys.get(digest)
        if known is not None:
            self._keys.move_to_end(digest)
        return known

    def is_unknown(self, digest: KeyDigest) -> bool:
        """Whether a look-up found, a moment ago, that no key has this digest."""
        until = self._unknown.get(digest)
        return until is not None and self._clock.monotonic() < until

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
        self._unknown.pop(digest, None)
        if len(self._keys) >= self._size_max:
            self._drop(next(iter(self._keys)))
        self._keys[digest] = known
        for owner in (known.key.id, known.key.account.id):
            self._digests_of.setdefault(owner, set()).add(digest)
        if not is_confirmed:
            self._unconfirmed[digest] = known
        return True

    def put_unknown(self, digest: KeyDigest) -> None:
        """Remember, for a moment, that no key has this digest."""
        self._unknown.pop(digest, None)
        if len(self._unknown) >= self._unknown_max:
            self._unknown.popitem(last=False)
        self._unknown[digest] = self._clock.monotonic() + self._unknown_seconds

    def forget(self, change: Change) -> None:
        """Drop every copy that the change concerns, and what look-ups under way will bring of it."""
        self._changes += 1
        if change.key_id is None and change.account_id is None:
            self._forget_all()
            return
        for owner in (change.key_id, change.account_id):
            if owner is not None:
                self._raise_floor(owner, change.version)
                for digest in tuple(self._digests_of.get(owner, ())):
                    self._drop(digest)

    def copies(self, *, only_unconfirmed: bool = False) -> list[tuple[KeyDigest, KnownKey]]:
        """The keys as they are now, to be compared with SQL."""
        return list((self._unconfirmed if only_unconfirmed else self._keys).items())

    def confirm(self, digest: KeyDigest, known: KnownKey) -> None:
        """SQL has just this copy; nothing happens if another one stands here by now."""
        if self._unconfirmed.get(digest) is known:
            del self._unconfirmed[digest]

    def _forget_all(self) -> None:
        self._horizon = self._changes
        self._keys.clear()
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

    def _drop(self, digest: KeyDigest) -> None:
        known = self._keys.pop(digest, None)
        if known is None:
            return
        self._unconfirmed.pop(digest, None)
        for owner in (known.key.id, known.key.account.id):
            digests = self._digests_of[owner]
            digests.discard(digest)
            if not digests:
                del self._digests_of[owner]
