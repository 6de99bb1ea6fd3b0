"""Whether SQL answers, told once at each change: an outage is one line of log, not one per request (design §9)."""

__all__ = ["SqlHealth"]

from collections.abc import Callable

from gateway.core.errors import StoreError


class SqlHealth:
    """What the request path has seen of SQL."""

    def __init__(self, tell: Callable[[StoreError | None], None]) -> None:
        """`tell` gets the first error of an outage, and None when it is over; it must not raise."""
        self._tell = tell
        self._is_away = False

    def answered(self) -> None:
        """SQL gave an answer, whatever it was."""
        if self._is_away:
            self._is_away = False
            self._tell(None)

    def failed(self, error: StoreError) -> None:
        """SQL gave none."""
        if not self._is_away:
            self._is_away = True
            self._tell(error)
