"""Where a worker's meters are filled: from Redis; from SQL while Redis is away; from memory without both.

The stated answers to an outage (design §9, docs/quotas.md): without Redis each worker has requests set aside for
itself in SQL; without SQL Redis goes on beyond what was set aside; without both a worker lets its share of what
it last knew was left through, and tells of it later.
"""

__all__ = ["QuotaDesk"]

import asyncio
import math
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from gateway.core.errors import StoreError
from gateway.core.limits import MICRO
from gateway.core.meter import Meter
from gateway.core.meters import Meters
from gateway.core.quota import Ask, Granted, Heard, Month, block, month_at
from gateway.ports import Clock
from gateway.stores.quota_pots import Aside, Lost, OtherMonth, Where
from gateway.stores.sql_quotas import SetAside
from gateway.tasks import Crew

_TICK_SECONDS: Final = 0.25
# What one worker may take of what is left, while Redis does not say who else does.
_PART_ALONE: Final = 4
# A new month, a new pot, another part of it: each may take one more question.
_TRIES: Final = 5
_AT_ONCE: Final = 32
# So long SQL is not asked again by those who wait.
_SQL_AWAY_SECONDS: Final = 1.0
_UNSETTLED_EVERY_SECONDS: Final = 10.0
_UNCOUNTED: Final = 1 << 40


class Setter(Protocol):
    """Sets requests aside in SQL; see `stores.sql_quotas.SqlQuotas`."""

    async def set_aside(self, account_id: str, month: Month, wish: SetAside) -> Aside:
        """Raises StoreError, after which it may have been done."""
        ...

    async def mark_unsettled(self, account_id: str, month: Month, now_us: int) -> None:
        """Raises StoreError."""
        ...


class Pots(Protocol):
    """Redis's pots, as one worker uses them; see `stores.quota_pots.QuotaPots`."""

    async def ask(
        self, pot: Where, asked: Ask, *, aside: Aside | None = None, is_beyond: bool = False
    ) -> Heard | OtherMonth | Lost:
        """Raises StoreError, after which it may have been done."""
        ...


class _Next(NamedTuple):
    """How to go on: ask again, and tell of what was set aside; or be done."""

    is_done: bool
    aside: Aside | None = None


_DONE: Final = _Next(is_done=True)
_AGAIN: Final = _Next(is_done=False)


class QuotaDesk:
    """Implements the Quotas port; `run` does what is to be done beside requests."""

    def __init__(
        self,
        meters: Meters,
        pots: Pots,
        setter: Setter,
        clock: Clock,
        live_workers: Callable[[], int],
    ) -> None:
        """`meters` are those that admission asks."""
        self._pots = pots
        self._setter = setter
        self._clock = clock
        self._live_workers = live_workers
        self._active: dict[str, Meter] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._wanted: dict[str, Meter] = {}
        self._wake = asyncio.Event()
        # Redis's clock less ours, in microseconds.
        self._ahead_us = 0
        self._sql_away_until = -math.inf
        self._unsettled: dict[str, float] = {}
        # Accounts of which SQL is to hear what was lent beyond, or Redis what was set aside without it.
        self._owed: set[str] = set()
        self._tally = meters.tally
        meters.want = self._want

    async def fill(self, meter: Meter) -> None:
        """Return when more can be said than that a store has to be asked. Never raises: outages have stated answers."""
        meter.waiting += 1
        try:
            async with self._lock(meter):
                # Whoever was first may have been lent enough for all.
                is_filled = meter.left > 0 and self._clock.monotonic() < meter.until
                if not (is_filled or meter.is_over):
                    await self._exchange(meter)
        finally:
            meter.waiting -= 1

    async def look(self, meter: Meter) -> None:
        """Bring `meter` up to date, and give back what it holds. Never raises."""
        async with self._lock(meter):
            await self._exchange(meter, is_last=True)

    async def run(self) -> None:
        """Borrow before it is needed, tell of what was used, give back what is not wanted; for a Crew."""
        async with Crew() as crew:
            _ = crew.start("quota-ticks", self._tick())
            slots = asyncio.Semaphore(_AT_ONCE)
            while True:
                _ = await self._wake.wait()
                self._wake.clear()
                wanted, self._wanted = self._wanted, {}
                for meter in wanted.values():
                    _ = await slots.acquire()
                    _ = crew.start("quota-ask", self._top_up(meter, slots))

    async def leave(self) -> None:
        """Give everything back, for good."""
        for meter in tuple(self._active.values()):
            async with self._lock(meter):
                asked = meter.ask(self._clock.monotonic(), is_last=True)._replace(is_leaving=True)
                if meter.month is not None:
                    _ = await self._tell(meter, meter.month, asked)

    def _want(self, meter: Meter) -> None:
        self._wanted[meter.account_id] = meter
        self._wake.set()

    def _lock(self, meter: Meter) -> asyncio.Lock:
        self._active[meter.account_id] = meter
        return self._locks.setdefault(meter.account_id, asyncio.Lock())

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            now = self._clock.monotonic()
            for account_id, meter in tuple(self._active.items()):
                is_owed = account_id in self._owed and not meter.is_degraded
                if meter.wants_telling(now) or is_owed:
                    self._want(meter)
                elif meter.is_quiet() and not self._locks[account_id].locked():
                    del self._active[account_id], self._locks[account_id]

    async def _top_up(self, meter: Meter, slots: asyncio.Semaphore) -> None:
        try:
            async with self._lock(meter):
                await self._exchange(meter)
        finally:
            slots.release()

    # From here on with the meter's lock.

    async def _exchange(self, meter: Meter, *, is_last: bool = False) -> None:
        """Ask until nobody need wait, or until there is nothing to be had."""
        step = _AGAIN
        for _ in range(_TRIES):
            step = await self._ask(meter, step.aside, is_last=is_last)
            if step.is_done:
                break
        if meter.waiting and meter.left <= 0 and not meter.is_over:
            meter.shut(self._clock.monotonic())

    async def _ask(self, meter: Meter, aside: Aside | None, *, is_last: bool) -> _Next:
        month = await self._month(meter)
        if meter.parting is not None and await self._tell(meter, *meter.parting):
            meter.parting = None
        now = self._clock.monotonic()
        asked = meter.ask(now, is_last=is_last)
        self._tally.asked += 1
        try:
            heard = await self._pots.ask(
                Where(meter.account_id, month, meter.quota.requests),
                asked,
                aside=aside,
                is_beyond=now < self._sql_away_until,
            )
        except StoreError:
            meter.unheard(asked)
            return await self._without_redis(meter, month)
        self._ahead_us = heard.now_us - int(self._clock.now() * MICRO)
        if isinstance(heard, OtherMonth):
            return _AGAIN
        if isinstance(heard, Lost):
            return await self._begin(meter, month, heard)
        if meter.tells_of_direct(asked):
            self._owed.add(meter.account_id)
        meter.heard(asked, heard)
        if heard.is_someone_silent:
            await self._tell_unsettled(meter, month, heard)
        return await self._more(meter, month, heard)

    async def _month(self, meter: Meter) -> Month:
        """The present one; the last one is told what it has not heard."""
        month = month_at(self._now_us())
        if month != meter.month:
            untold = meter.turn(month)
            if untold is not None:
                _ = await self._tell(meter, *untold)
        return month

    async def _tell(self, meter: Meter, month: Month, asked: Ask) -> bool:
        """Whether it was heard."""
        try:
            _ = await self._pots.ask(Where(meter.account_id, month, meter.quota.requests), asked)
        except StoreError:
            return False  # it is settled by what SQL knows
        return True

    async def _begin(self, meter: Meter, month: Month, lost: Lost) -> _Next:
        """The first part of a pot that Redis does not have, or has no longer."""
        limit = meter.quota.requests
        wish = SetAside(0 if limit is None else block(limit), limit, lost.now_us, is_lost=True)
        try:
            found = await self._setter.set_aside(meter.account_id, month, wish)
        except StoreError:
            self._alone(meter)
            return _DONE
        return _Next(is_done=False, aside=found)

    async def _more(self, meter: Meter, month: Month, heard: Heard) -> _Next:
        """Another part, if what was set aside is used up before the quota is; and what SQL or Redis has missed."""
        limit = meter.limit
        beyond = 0 if limit is None else max(0, min(heard.taken, limit) - heard.set_aside)
        is_owed = beyond > 0 or meter.account_id in self._owed
        part = 0 if limit is None or heard.set_aside >= limit else block(limit)
        if heard.taken >= (limit or 0):
            part = 0
        is_urgent = meter.left <= 0 < meter.waiting
        if heard.set_aside - heard.taken >= part // 2 and not is_urgent:
            part = 0
        if not (part or is_owed):
            return _DONE
        now = self._clock.monotonic()
        if now < self._sql_away_until:
            return _DONE  # it was asked beyond what is set aside
        wish = SetAside(part + beyond, meter.quota.requests, heard.now_us, bytes=heard.bytes)
        try:
            found = await self._setter.set_aside(meter.account_id, month, wish)
        except StoreError:
            self._owed.add(meter.account_id)
            self._sql_away_until = self._clock.monotonic() + _SQL_AWAY_SECONDS
            return _AGAIN if is_urgent else _DONE
        self._owed.discard(meter.account_id)
        # Others may have set aside what this pot has not heard of: then it knows at least that.
        is_news = found.total != heard.set_aside
        return _Next(is_done=False, aside=found) if is_news else _DONE

    async def _tell_unsettled(self, meter: Meter, month: Month, heard: Heard) -> None:
        now = self._clock.monotonic()
        if now - self._unsettled.get(meter.account_id, -math.inf) < _UNSETTLED_EVERY_SECONDS:
            return
        later = now - _UNSETTLED_EVERY_SECONDS
        self._unsettled = {one: at for one, at in self._unsettled.items() if at > later}
        self._unsettled[meter.account_id] = now
        try:
            await self._setter.mark_unsettled(meter.account_id, month, heard.now_us)
        except StoreError:
            del self._unsettled[meter.account_id]

    async def _without_redis(self, meter: Meter, month: Month) -> _Next:
        """Requests set aside for this worker alone; what it holds stays good."""
        limit = meter.most
        wanted = 0
        if limit is not None and meter.waiting and meter.left <= 0:
            # SQL may not have heard yet of what Redis lent beyond what was set aside.
            room = max(0, limit - max(meter.taken, 0))
            share = room // (_PART_ALONE * max(1, self._live_workers()))
            wanted = min(room, max(meter.waiting, min(block(limit), share)))
        now_us = self._now_us()
        wish = SetAside(wanted, meter.quota.requests, now_us, is_direct=True)
        try:
            found = await self._setter.set_aside(meter.account_id, month, wish)
        except StoreError:
            self._alone(meter)
            return _DONE
        part = _UNCOUNTED if limit is None else found.part
        granted = Granted(part, now_us, found.bytes, found.extra)
        meter.got_directly(granted, self._clock.monotonic())
        is_raised = meter.waiting > 0 >= meter.left and meter.most != limit
        return _AGAIN if is_raised else _DONE

    def _alone(self, meter: Meter) -> None:
        """Neither store answers: a share of what was last known to be left, once."""
        limit = meter.most
        share = 0
        if limit is None:
            share = _UNCOUNTED
        elif not meter.has_had_share and meter.waiting and meter.left <= 0:
            known = meter.taken if meter.taken >= 0 else limit - block(limit)
            room = max(0, limit - known)
            share = min(room, max(1, room // (_PART_ALONE * max(1, self._live_workers()))))
        meter.got_alone(Granted(share, self._now_us()), self._clock.monotonic())

    def _now_us(self) -> int:
        return int(self._clock.now() * MICRO) + self._ahead_us
