"""An address that keeps sending unknown keys is made to wait, before it costs another look-up (design §3)."""

__all__ = ["FailureThrottle"]

from collections import OrderedDict

from gateway.core.addresses import throttle_name
from gateway.core.limits import MICRO, BucketLevel, Limit, filled, take
from gateway.ports import Clock

_WINDOW_SECONDS = 60


class FailureThrottle:
    """One token bucket per address (IPv6: per /64), from which only failed look-ups take.

    Good keys cost nothing, so many customers behind one address do not throttle each other while
    they are being looked up. Failures that were under way together may overdraw the bucket; the
    debt is paid back before the next look-up.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        failures_per_minute: int = 300,
        window_seconds: int = _WINDOW_SECONDS,
        addresses_max: int = 10_000,
    ) -> None:
        """Remember at most `addresses_max` addresses; the one that failed longest ago is forgotten first.

        Another `window_seconds` than a minute's is what the failures are spread over instead.
        """
        self._clock = clock
        self._limit = Limit("failed_keys", failures_per_minute, window_seconds)
        self._levels: OrderedDict[str, BucketLevel] = OrderedDict()
        self._addresses_max = addresses_max

    def __len__(self) -> int:
        """How many addresses are remembered."""
        return len(self._levels)

    def retry_after_seconds(self, address: str) -> float:
        """How long this address has to wait before its next look-up; 0 if it need not."""
        level = self._levels.get(throttle_name(address))
        if level is None:
            return 0.0
        _, grant = take(level, self._limit, 1, self._now_us())
        return grant.retry_after_seconds

    def failed(self, address: str) -> None:
        """A look-up for this address found no key."""
        name = throttle_name(address)
        level = self._levels.pop(name, None)
        if len(self._levels) >= self._addresses_max:
            self._levels.popitem(last=False)
        now_us = self._now_us()
        held, _ = take(filled(level, self._limit, now_us), self._limit, 0, now_us, debt=1)
        if held is not None:
            self._levels[name] = held

    def _now_us(self) -> int:
        return int(self._clock.monotonic() * MICRO)
