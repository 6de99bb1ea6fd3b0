"""What a worker has to tell of one account's month, and what of it the store has put down."""

__all__ = ["Tab"]

from itertools import count
from typing import Final

from gateway.core.quota import Told

# No two lives of a process are one to the store, nor one before and after it has left.
_LIVES: Final = count(1)


class Tab:
    """Sums since the month began, or since the store has put everything down and forgotten the worker.

    `got` requests were got to be let through, `direct` of them from SQL; `over` were let through beyond the quota.
    `bytes` have passed. The store knows it all by `life`, which `is_fresh` until the store has answered.
    """

    __slots__ = ("_serial", "acknowledged", "bytes", "direct", "got", "is_fresh", "life", "over")

    def __init__(self) -> None:
        """Nothing."""
        self._serial = 0
        self.begin()

    def begin(self) -> None:
        """Nothing of a new month is known."""
        self.got = self.over = self.direct = self.bytes = 0
        self._forgotten()

    def told(self, left: int, held: int, under_way: int) -> Told:
        """The whole, when `left` of what was got are left; `held` are those of them that nobody else may have."""
        self._serial += 1
        spent = self.got - left + self.over
        return Told(self._serial, spent, held, self.direct, max(0, under_way), self.bytes)

    def is_news(self, told: Told) -> bool:
        """Whether the store has not put this down."""
        return told._replace(serial=0) != self.acknowledged._replace(serial=0)

    def heard(self, told: Told) -> None:
        """The store has put this down."""
        self.acknowledged = told
        self.is_fresh = False

    def ended(self, told: Told) -> None:
        """The store has put this down as the last of this life, and forgotten who told it."""
        self.got -= told.spent
        self.direct -= told.direct
        self.bytes -= told.bytes
        self._forgotten()

    @property
    def untold_bytes(self) -> int:
        """Those that the store has not put down."""
        return self.bytes - self.acknowledged.bytes

    def _forgotten(self) -> None:
        self.acknowledged = Told(0)
        self.is_fresh = True
        self.life = next(_LIVES)
