"""How many requests a worker would have ahead of callers, and whether it has any use for those that it holds."""

__all__ = ["Appetite"]

from typing import Final

# A worker borrows what it uses in this time.
_SECONDS: Final = 0.5
_SECONDS_LEAST: Final = 0.001
# And of a large quota at least a little, so that slow accounts need no round trip for each request.
_PART_AT_LEAST: Final = 1000
_AT_LEAST_MAX: Final = 64
# When one held request stands for less than this many that are left, holding it harms nobody.
_PLENTY: Final = 1000
_IDLE_TICKS: Final = 20


class Appetite:
    """Goes by what was used since the store was asked last, at `asked_at`. Times are monotonic seconds."""

    __slots__ = ("_idle_ticks", "_left", "_used", "asked_at")

    def __init__(self) -> None:
        """Nothing was asked."""
        self.begin()

    def begin(self) -> None:
        """It is another month."""
        self.asked_at = 0.0
        self._used = self._left = self._idle_ticks = 0

    def asks(self, used: int, limit: int | None, left: int, now: float) -> int:
        """The store is asked now: how many to have ahead, of a quota of `limit`, when `left` are held."""
        since, seconds = used - self._used, max(now - self.asked_at, _SECONDS_LEAST)
        self._used, self.asked_at = used, now
        if limit is None:
            return 0
        least = min(limit // _PART_AT_LEAST, _AT_LEAST_MAX)
        wanted = max(least, min(int(since / seconds * _SECONDS), 4 * since))
        return max(0, wanted - left)

    def forgets(self, used: int) -> None:
        """So much of what was used is not counted any more."""
        self._used -= used

    def ticks(self, left: int) -> None:
        """Called a few times a second: so many are left now."""
        self._idle_ticks = self._idle_ticks + 1 if left == self._left else 0
        self._left = left

    def is_idle(self, room: int, left: int) -> bool:
        """Whether what is held has not been used for a while, when `room` is what nobody holds."""
        is_plenty = room > _PLENTY * left
        return self._idle_ticks >= (_IDLE_TICKS if is_plenty else 1)
