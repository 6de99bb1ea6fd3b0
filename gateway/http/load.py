"""When a worker has too much to do: how many requests are under way, and how late the event loop is."""

__all__ = ["Load"]

# So many ticks in a row must come late: a single long step of the loop is no overload.
_LATE_TICKS = 3


class Load:
    """Counts requests from their first byte to their end; hears of each tick of the listener's timer."""

    __slots__ = ("_late_seconds", "_late_ticks", "_requests_max", "under_way")

    def __init__(self, requests_max: int, late_seconds: float) -> None:
        """Nothing is under way. A tick counts as late from `late_seconds` on."""
        self.under_way = 0
        self._requests_max = requests_max
        self._late_seconds = late_seconds
        self._late_ticks = 0

    @property
    def is_full(self) -> bool:
        """Whether more is under way than may be, the request that asks included."""
        return self.under_way > self._requests_max

    @property
    def is_late(self) -> bool:
        """Whether the loop has been late for a while: what waits now waits for too long already."""
        return self._late_ticks >= _LATE_TICKS

    def ticked(self, late_seconds: float) -> None:
        """The timer came so much later than it should; one that is on time ends all lateness."""
        self._late_ticks = self._late_ticks + 1 if late_seconds >= self._late_seconds else 0
