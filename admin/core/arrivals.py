"""Which records have come in since: ids rise as records come in, but not strictly. Pure.

Several ledgers may write into one PostgreSQL, and the one that took its ids first may be done last. So for some
seconds it is looked again for ids below the highest.
"""

__all__ = ["Arrivals"]

from collections import deque
from collections.abc import Iterable


class Arrivals:
    """`last` is the highest id up to which all was looked at; what comes below it later is told by `missed`."""

    def __init__(self, last: int, patience_seconds: float) -> None:
        """Ids may come so many seconds late; 0 where there is one writer."""
        self.last = last
        self._patience_seconds = patience_seconds
        self._marks: deque[tuple[float, int]] = deque()
        self._seen: set[int] = set()
        self._low = last

    @property
    def low(self) -> int:
        """Above this, and up to `last`, something may still come."""
        return self._low

    def missed(self, ids: Iterable[int]) -> list[int]:
        """Those between `low` and `last` that were not there when it was looked before."""
        return sorted(
            each for each in ids if self._low < each <= self.last and each not in self._seen
        )

    def seen(self, ids: Iterable[int], last: int, now: float) -> None:
        """These were told, and all up to `last` was looked at. `now` is monotonic, in seconds."""
        self.last = max(self.last, last)
        if not self._patience_seconds:
            self._low = self.last
            return
        self._seen.update(ids)
        self._marks.append((now, self.last))
        while self._marks and self._marks[0][0] <= now - self._patience_seconds:
            _, self._low = self._marks.popleft()
        self._seen = {each for each in self._seen if each > self._low}
