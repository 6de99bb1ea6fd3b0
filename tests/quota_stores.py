"""Both stores of quotas in memory, each of which can be away, and time that passes only when a test lets it.

`MemoryPots` answers as `quota.lua` does (`tests/contracts/test_quota_arithmetic.py` holds the two together),
and `MemorySetter` as `stores.sql_quotas`.
"""

__all__ = ["MemoryPots", "MemorySetter", "PotRoom", "TimedLoop", "Timekeeper"]

import asyncio
import math
import selectors
from collections import defaultdict
from dataclasses import dataclass, field

from gateway.core.errors import StoreError
from gateway.core.quota import (
    NO_EXTRA,
    SILENT_US,
    Ask,
    Extra,
    Heard,
    Month,
    Pot,
    Told,
    lend,
    settle,
    widen,
)
from gateway.ports import Clock
from gateway.stores.quota_pots import Aside, Lost, OtherMonth, Where
from gateway.stores.sql_quotas import SetAside


class _Jumps(selectors.SelectSelector):
    """Waits by moving the loop's time on."""

    def __init__(self, loop: "TimedLoop") -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Nothing is ever to be read: there is no I/O."""
        assert timeout is not None, "everybody waits for ever"
        if timeout > 0:
            # Sums are rounded: it must not stand still just before somebody's time.
            self._loop.passed = math.nextafter(self._loop.passed + timeout, math.inf)
        return []


class TimedLoop(asyncio.SelectorEventLoop):
    """An event loop without I/O whose time is as long as what was waited for in it."""

    def __init__(self) -> None:
        """At 1000 seconds."""
        self.passed = 1000.0
        super().__init__(_Jumps(self))

    def time(self) -> float:
        """Its own."""
        return self.passed


class Timekeeper:
    """A clock that goes with a TimedLoop."""

    def __init__(self, loop: TimedLoop, now: float) -> None:
        """`now` is the time of day, from where on it goes with the loop."""
        self._loop = loop
        self._ahead = now - loop.time()

    def now(self) -> float:
        return self._loop.time() + self._ahead

    def monotonic(self) -> float:
        return self._loop.time()

    def jump(self, until: float) -> None:
        """It is another time of day, all at once."""
        self._loop.passed += until - self.now()


@dataclass
class _Place:
    pot: Pot
    extra: Extra = NO_EXTRA
    told: dict[str, tuple[Told, int]] = field(default_factory=dict)


class PotRoom:
    """What all workers share: Redis, which can be away, and can lose an answer that it has given."""

    def __init__(self, clock: Clock) -> None:
        """Empty."""
        self.clock = clock
        self.places: dict[tuple[str, str], _Place] = {}
        self.is_away = False
        self.loses_next = False

    def flush(self) -> None:
        """Everything is gone."""
        self.places.clear()

    def used(self, account_id: str, month: Month) -> int:
        """What is taken and not held, as `QuotaView.seen` tells it."""
        place = self.places[account_id, month.name]
        return place.pot.taken - sum(told.held for told, _ in place.told.values())


class MemoryPots:
    """The pots, as one worker uses them."""

    def __init__(self, room: PotRoom, worker: str) -> None:
        """`worker` is its name."""
        self._room = room
        self._worker = worker

    async def ask(
        self, pot: Where, asked: Ask, *, aside: Aside | None = None, is_beyond: bool = False
    ) -> Heard | OtherMonth | Lost:
        """See `QuotaPots`."""
        room = self._room
        if room.is_away:
            raise StoreError("redis", "quota", "away")
        answer = self._answer(pot, asked, aside, is_beyond=is_beyond)
        await asyncio.sleep(0)
        if room.loses_next:
            room.loses_next = False
            raise StoreError("redis", "quota", "away")
        return answer

    def _answer(
        self, where: Where, asked: Ask, aside: Aside | None, *, is_beyond: bool
    ) -> Heard | OtherMonth | Lost:
        account_id, month, limit = where
        now_us = int(self._room.clock.now() * 1e6)
        need, ahead = asked.need, asked.ahead
        if need + ahead and not month.start_us <= now_us < month.end_us:
            return OtherMonth(now_us)
        place = self._place((account_id, month.name), aside)
        if place is None:
            return Lost(now_us)
        told, name = asked.told, f"{self._worker}.{asked.life}"
        before = place.told[name][0] if name in place.told else None
        if before is None and asked.is_fresh:
            before = Told(0)
        is_overtaken = before is not None and told.serial <= before.serial
        if is_overtaken:
            need = ahead = 0
        place.pot = settle(place.pot, before, told)
        place.extra = extra = place.extra.at(now_us)
        most = None if limit is None else limit + extra.requests
        lent = lend(place.pot, most, need, ahead, beyond=is_beyond)
        if most is not None:
            place.pot = place.pot._replace(taken=place.pot.taken + lent)
            told = told._replace(held=told.held + lent)
        is_silent = any(
            now_us - seen_us > SILENT_US for one, (_, seen_us) in place.told.items() if one != name
        )
        if asked.is_leaving and not is_overtaken:
            place.told.pop(name, None)
        elif not is_overtaken:
            place.told[name] = (told, now_us)
        return Heard(now_us, *place.pot, lent, extra, is_someone_silent=is_silent)

    def _place(self, key: tuple[str, str], aside: Aside | None) -> _Place | None:
        place = self._room.places.get(key)
        if aside is None:
            return place
        pot = widen(
            None if place is None else place.pot, aside.total, aside.part, is_whole=aside.is_whole
        )
        if pot is None:
            return None
        place = self._room.places.setdefault(key, _Place(pot))
        place.pot = pot._replace(bytes=max(pot.bytes, aside.bytes))
        place.extra = aside.extra
        return place


class MemorySetter:
    """What SQL has: how much was set aside in each month; it can be away."""

    def __init__(self) -> None:
        """Nothing is set aside, and nothing is on top."""
        self.aside: dict[tuple[str, str], int] = defaultdict(int)
        self._bytes: dict[tuple[str, str], int] = defaultdict(int)
        self.extra = NO_EXTRA
        self.unsettled: list[str] = []
        self.is_away = False

    async def set_aside(self, account_id: str, month: Month, wish: SetAside) -> Aside:
        """See `SqlQuotas`."""
        await asyncio.sleep(0)
        if self.is_away:
            raise StoreError("sql", "set a quota aside", "away")
        key = (account_id, month.name)
        extra, part = self.extra.at(wish.now_us), wish.wanted
        if wish.limit is not None:
            part = max(0, min(part, wish.limit + extra.requests - self.aside[key]))
        self.aside[key] += part
        self._bytes[key] = max(self._bytes[key], wish.bytes)
        return Aside(self.aside[key], part, self._bytes[key], extra, is_whole=wish.is_lost)

    async def mark_unsettled(self, account_id: str, month: Month, now_us: int) -> None:
        """See `SqlQuotas`."""
        if self.is_away:
            raise StoreError("sql", "set a quota aside", "away")
        self.unsettled.append(f"{account_id}/{month.name}")
