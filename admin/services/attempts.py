"""How often somebody may be wrong about a password or a code, without anybody being locked out of their account.

Three things are counted: an address, a name, and a browser that the user has signed in with before. An address
that is wrong too often waits. A name that is guessed at from many addresses does not: its owner must still get
in. Its attempts go one after another instead, each after a pause, so that guessing stays slow; and a browser
that is known is counted by itself, so that its owner does not even notice.

Six digits bear fewer guesses than a password: who knows somebody's password gets a few an hour.
"""

__all__ = ["PER_ADDRESS", "PER_BROWSER", "PER_CODE", "PER_NAME", "Attempts", "TooMany"]

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from gateway.core.errors import KeywrightError
from gateway.pipeline.throttle import FailureThrottle
from gateway.ports import Clock

PER_ADDRESS = 15
PER_NAME = 15
PER_BROWSER = 10
PER_CODE = 10
_HOUR_SECONDS = 3600
_PAUSE_SECONDS = 1.0
_WAITING_MAX = 10


class TooMany(KeywrightError):
    """Too many attempts were wrong; `retry_after` is in whole seconds."""

    def __init__(self, retry_after: int) -> None:
        """`retry_after` is at least 1."""
        super().__init__(f"too many attempts; again after {retry_after} s")
        self.retry_after = retry_after


class Attempts:
    """Counts the wrong attempts of one control plane; a minute gives `PER_…` of them back, an hour `PER_CODE`."""

    def __init__(
        self, clock: Clock, pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        """`pause(seconds)` is what an attempt at a name waits for that is guessed at."""
        self._addresses = FailureThrottle(clock, failures_per_minute=PER_ADDRESS)
        self._names = FailureThrottle(clock, failures_per_minute=PER_NAME)
        self._browsers = FailureThrottle(clock, failures_per_minute=PER_BROWSER)
        self._codes = FailureThrottle(
            clock, failures_per_minute=PER_CODE, window_seconds=_HOUR_SECONDS
        )
        self._pause = pause
        self._lanes: dict[str, _Lane] = {}

    @asynccontextmanager
    async def password(self, name: str, address: str, browser: str | None) -> AsyncIterator[None]:
        """The time for one attempt at a password; `browser` names one that this user has signed in with before.

        Raises TooMany when there is none now.
        """
        if browser is not None:
            _check(self._browsers, browser)
            yield
            return
        _check(self._addresses, address)
        if self._names.retry_after_seconds(name) == 0:
            yield
            return
        async with self._turn(name):
            await self._pause(_PAUSE_SECONDS)
            yield

    def password_failed(self, name: str, address: str, browser: str | None) -> None:
        """The attempt was wrong."""
        if browser is not None:
            self._browsers.failed(browser)
            return
        self._addresses.failed(address)
        self._names.failed(name)

    def check_code(self, user_id: str, browser: str | None) -> None:
        """Return if this user, whose password was right, may try a code. Raises TooMany."""
        _check(self._codes, browser or user_id)

    def code_failed(self, user_id: str, browser: str | None) -> None:
        """The code was wrong."""
        self._codes.failed(browser or user_id)

    @asynccontextmanager
    async def _turn(self, name: str) -> AsyncIterator[None]:
        lane = self._lanes.setdefault(name, _Lane())
        if lane.waiting >= _WAITING_MAX:
            raise TooMany(math.ceil(_WAITING_MAX * _PAUSE_SECONDS))
        lane.waiting += 1
        try:
            async with lane.lock:
                yield
        finally:
            lane.waiting -= 1
            if not lane.waiting:
                del self._lanes[name]


class _Lane:
    """Those who wait for one name."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.waiting = 0


def _check(throttle: FailureThrottle, name: str) -> None:
    seconds = throttle.retry_after_seconds(name)
    if seconds > 0:
        raise TooMany(max(1, math.ceil(seconds)))
