"""How long to wait before a process that has ended is started again; no I/O."""

__all__ = ["Pauses"]

from dataclasses import dataclass
from typing import Final

_FIRST_SECONDS: Final = 0.1
_LONGEST_SECONDS: Final = 30.0
_SOUND_SECONDS: Final = 60.0


@dataclass(slots=True)
class Pauses:
    """At first none, because traffic waits; then a short one, and each twice as long as the one before."""

    _next_seconds: float = 0.0

    def after(self, lived_seconds: float) -> float:
        """The pause after a life of so many seconds. One that lasted a minute was sound: it begins anew."""
        if lived_seconds >= _SOUND_SECONDS:
            self._next_seconds = 0.0
        pause = self._next_seconds
        self._next_seconds = min(_LONGEST_SECONDS, max(_FIRST_SECONDS, pause * 2))
        return pause
