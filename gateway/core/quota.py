"""Monthly quotas (design §5): what an account may use in a calendar month (UTC), and what a worker holds of it.

The promise: of the requests that a quota allows, each is given out once, whatever the number of workers and nodes,
and whatever becomes of Redis. SQL has how many were set aside for Redis so far, in blocks; Redis has how many of
those are taken; a worker holds a few of the taken ones, so that it can decide without asking. Each of the three
gives out only what it was given. `stores/quota.lua` must agree with `settle`, `widen` and `lend`.

Months are told by Redis's clock. Of bytes nothing can be set aside, because they are known when an answer has
ended: they are added up, and what is used beyond a quota is what was under way or not told yet.
"""

__all__ = [
    "BYTES",
    "KEPT_SECONDS",
    "REQUESTS",
    "SILENT_US",
    "Ask",
    "AtLimit",
    "Extra",
    "Granted",
    "Heard",
    "Month",
    "Pot",
    "Quota",
    "QuotaTally",
    "Ruling",
    "Told",
    "block",
    "lend",
    "month_at",
    "month_named",
    "settle",
    "widen",
]

import re
from calendar import monthrange
from datetime import UTC, datetime, timedelta
from enum import Enum, StrEnum, auto
from typing import Final, NamedTuple

from gateway.core.limits import MICRO

# The names of the two in RateLimit fields and lists of limits.
REQUESTS: Final = "monthly"
BYTES: Final = "monthly-bytes"

# How long a worker trusts in what it holds without having heard of the store, and how long the store waits
# before it takes a silent worker for dead. The difference is for clocks and for answers on their way.
KEPT_SECONDS: Final = 10.0
SILENT_US: Final = 20 * MICRO

# Near the end loans shrink to nothing: nobody is refused because another sits on the last requests.
_PART_LENT: Final = 4
# A hundredth of the quota is set aside in SQL at a time: so often SQL is written, and so much may have to be
# counted again when Redis has lost what it knew.
_PART_SET_ASIDE: Final = 100
_BLOCK_MAX: Final = 1_000_000
_MONTH: Final = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])\Z")
_FIRST_YEAR: Final = 1970


class AtLimit(StrEnum):
    """What happens to requests once a quota is used up: refused, served and marked, or served on critical routes."""

    REFUSE = "refuse"
    SOFT = "soft"
    CRITICAL_ONLY = "critical_only"


class Quota(NamedTuple):
    """What a plan allows in a month; None is any number."""

    requests: int | None
    bytes: int | None = None
    at_limit: AtLimit = AtLimit.REFUSE


class Extra(NamedTuple):
    """What is allowed on top, until a time on Redis's clock."""

    requests: int = 0
    bytes: int = 0
    until_us: int = 0

    def at(self, now_us: int) -> "Extra":
        """What of it counts now."""
        return self if now_us < self.until_us else NO_EXTRA


NO_EXTRA: Final = Extra()


class Month(NamedTuple):
    """A calendar month in UTC, from its first microsecond to the next month's."""

    name: str
    start_us: int
    end_us: int

    @property
    def seconds(self) -> int:
        """How long it is."""
        return (self.end_us - self.start_us) // MICRO


def month_at(now_us: int) -> Month:
    """The month that this instant belongs to."""
    at = datetime.fromtimestamp(now_us // MICRO, UTC)
    return _month(at.year, at.month)


def month_named(name: str) -> Month:
    """The month `2026-11`. Raises ValueError."""
    found = _MONTH.match(name)
    if found is None or int(found[1]) < _FIRST_YEAR:
        raise ValueError(f"'{name}' is no month, such as 2026-11")
    return _month(int(found[1]), int(found[2]))


def _month(year: int, month: int) -> Month:
    start = datetime(year, month, 1, tzinfo=UTC)
    end = start + timedelta(days=monthrange(year, month)[1])
    return Month(
        f"{year:04d}-{month:02d}", int(start.timestamp()) * MICRO, int(end.timestamp()) * MICRO
    )


def block(limit: int) -> int:
    """How many requests are set aside in SQL at once."""
    return max(1, min(limit // _PART_SET_ASIDE, _BLOCK_MAX))


class Told(NamedTuple):
    """What a worker says of itself: all since the month began or since it knows of the account, none of it twice.

    It has let `spent` requests through, holds `held` more, of both together `direct` came from SQL and not
    from Redis; of those spent `under_way` have not ended; `bytes` were counted. `serial` grows with each time.
    """

    serial: int
    spent: int = 0
    held: int = 0
    direct: int = 0
    under_way: int = 0
    bytes: int = 0


class Pot(NamedTuple):
    """What Redis has of one account and month: `taken` requests of `set_aside`, and the bytes used."""

    taken: int
    set_aside: int
    bytes: int


class QuotaTally:
    """What a worker decided for accounts whose quota is used up: requests refused, and requests served all the same."""

    __slots__ = ("asked", "given_back", "refused", "served_beyond")

    def __init__(self) -> None:
        """Nothing yet; `asked` counts the questions to Redis, `given_back` what settling found unused."""
        self.asked = self.given_back = self.refused = self.served_beyond = 0


class Ruling(Enum):
    """What is to become of a request: served, refused, or the store has to be asked first."""

    SERVE = auto()
    REFUSE = auto()
    ASK = auto()


class Ask(NamedTuple):
    """What a worker tells a pot, and would have of it: for those who wait, and ahead.

    The pot knows the meter by `life`: a fresh one has told nothing yet, and one that leaves is not known any more.
    """

    told: Told
    need: int
    ahead: int
    life: int
    is_fresh: bool
    is_leaving: bool = False


class Heard(NamedTuple):
    """What the pot answered: itself after `lent` were taken out, what is allowed on top, and its clock."""

    now_us: int
    taken: int
    set_aside: int
    bytes: int
    lent: int
    extra: Extra
    is_someone_silent: bool = False


class Granted(NamedTuple):
    """What a worker may let through while Redis is away: so many `requests` more, from `now_us` on.

    `bytes` are those that SQL knows of, and `extra` what it has on top; None if it was not asked.
    """

    requests: int
    now_us: int
    bytes: int = 0
    extra: Extra | None = None


def settle(pot: Pot, before: Told | None, now: Told) -> Pot:
    """The pot after a worker has told of itself; `before` is what it told last, None if that is not known.

    What it says is the whole, so that a lost answer does no harm: requests that were lent and never reached the
    worker are back. Of a worker that is not known the pot knows already: whoever filled it anew took everything
    that had been set aside for taken.
    """
    if before is None:
        return pot
    if now.serial <= before.serial:
        return pot
    grown = _own(now) - _own(before)
    return Pot(pot.taken + grown, pot.set_aside, pot.bytes + now.bytes - before.bytes)


def widen(pot: Pot | None, total: int, part: int, *, is_whole: bool = False) -> Pot | None:
    """The pot after `part` was set aside for it in SQL, which made the sum there `total`.

    What others had set aside since is theirs, and so taken; they may yet tell that it was for this pot. Where
    there is no pot, one is made of what is known for good (`is_whole`): all that was set aside before is taken.
    """
    if pot is None:
        return Pot(total - part, total, 0) if is_whole else None
    if total > pot.set_aside:
        return pot._replace(taken=pot.taken + total - part - pot.set_aside, set_aside=total)
    return pot._replace(taken=pot.taken - part)


def lend(pot: Pot, limit: int | None, need: int, ahead: int, *, beyond: bool = False) -> int:
    """How many requests to lend: those that wait, as far as there are any, and at most a quarter of the rest ahead.

    `beyond` lends more than was set aside, because SQL cannot be asked. Without a limit all are lent.
    """
    if limit is None:
        return need + ahead
    room = limit if beyond else min(limit, pot.set_aside)
    left = max(0, room - pot.taken)
    needed = min(need, left)
    return needed + min(ahead, (left - needed) // _PART_LENT)


def _own(told: Told) -> int:
    return told.spent + told.held - told.direct
