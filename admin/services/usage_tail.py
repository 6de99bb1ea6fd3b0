"""Requests as they come in, for as long as somebody looks."""

__all__ = ["Arrived", "Tail"]

import asyncio
import dataclasses
from collections.abc import AsyncGenerator, Sequence
from typing import Final, NamedTuple

from admin.core.arrivals import Arrivals
from admin.stores.usage_requests import Logged, RequestFilter, RequestStore, Whose
from gateway.ports import Clock

# What began longer ago and ends only now is in the log, and not told here.
_BEGAN_SECONDS: Final = 2 * 86_400.0
# How many records of all keys are looked at in one go, and how many are told at once.
_LOOKED_AT: Final = 100_000
_TOLD: Final = 200


class Arrived(NamedTuple):
    """Some requests in the order in which they came in; none where it was only looked.

    Whoever asks again behind `position` is told what comes next.
    """

    position: int
    requests: Sequence[Logged]


class Tail:
    """One look at what comes in. Raises StoreError when the database cannot answer."""

    def __init__(
        self, store: RequestStore, clock: Clock, whose: Whose, wanted: RequestFilter
    ) -> None:
        """Nothing is asked yet. Of `wanted` the times do not count."""
        self._store = store
        self._clock = clock
        self._whose = whose
        self._wanted = dataclasses.replace(wanted, since=None, until=None)

    async def follow(
        self, after: int | None, pause_seconds: float
    ) -> AsyncGenerator[Arrived, None]:
        """What has come in behind `after`, or from now on without it; for ever, looking once in each pause."""
        start = await self._store.newest_id() if after is None else after
        arrivals = Arrivals(start, self._store.late_seconds)
        yield Arrived(arrivals.last, ())
        while True:
            newest = await self._store.newest_id()
            late = await self._late(arrivals)
            found, last = await self._next(arrivals, newest)
            told = [*late, *found]
            arrivals.seen((each.place.id for each in told), last, self._clock.monotonic())
            yield Arrived(arrivals.last, told)
            if arrivals.last >= newest:
                await asyncio.sleep(pause_seconds)

    async def _next(self, arrivals: Arrivals, newest: int) -> tuple[Sequence[Logged], int]:
        last = min(newest, arrivals.last + _LOOKED_AT)
        if last <= arrivals.last:
            return (), arrivals.last
        found = await self._store.arrived(self._whose, self._since(), arrivals.last, last, _TOLD)
        return found, found[-1].place.id if len(found) == _TOLD else last

    async def _late(self, arrivals: Arrivals) -> Sequence[Logged]:
        if arrivals.low >= arrivals.last:
            return ()
        wanted = self._since()
        ids = await self._store.arrived_ids(self._whose, wanted, arrivals.low, arrivals.last)
        missed = arrivals.missed(ids)[:_TOLD]
        return await self._store.by_ids(missed, wanted.since or 0.0) if missed else ()

    def _since(self) -> RequestFilter:
        return dataclasses.replace(self._wanted, since=self._clock.now() - _BEGAN_SECONDS)
