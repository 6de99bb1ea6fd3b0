"""What keys and accounts did, for those who may see it."""

__all__ = [
    "EVERYTHING",
    "Figures",
    "Report",
    "RequestFilter",
    "RollupFilter",
    "Subject",
    "Timeframe",
    "UsageService",
    "of_account",
    "of_key",
]

import asyncio
import dataclasses
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from admin.core.caller import Caller, Permission
from admin.core.faults import NotFound
from admin.core.page import Page, PageRequest, decoded_number, encoded
from admin.core.series import Figures, Report, RolledUp, report_of
from admin.core.span import Span, Step, span_of
from admin.services.usage_tail import Arrived, Tail
from admin.services.validation import checked_id, checked_search, checked_time
from admin.stores.usage_requests import Logged, Place, RequestFilter, RequestStore, Way, Whose
from admin.stores.usage_rollups import ROWS_MAX, RollupFilter, RollupStore
from gateway.core.errors import Misuse
from gateway.ports import Clock

_SEE_KEYS: Final = "'keywright keys list' shows all keys."
_SEE_ACCOUNTS: Final = "'keywright accounts list' shows all accounts."
# How many requests of an export are in memory.
_PART: Final = 500
_PAUSE_SECONDS: Final = 0.5
_NOT_OURS: Final = "The cursor is not one of this list. Begin again without it."


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose usage: that of one key, of one account with all of its keys, or everything that the caller sees."""

    kind: Literal["key", "account", "everything"]
    id: str = ""


EVERYTHING: Final = Subject("everything")


def of_key(key_id: str) -> Subject:
    """The usage of this key."""
    return Subject("key", key_id)


def of_account(account_id: str) -> Subject:
    """The usage of this account."""
    return Subject("account", account_id)


class Timeframe(NamedTuple):
    """From when to when (seconds since the epoch; the last day if not said), by which step.

    A step is "minute", "hour" or "day"; without one it is the smallest that makes a good chart.
    """

    since: float | None = None
    until: float | None = None
    step: str | None = None


class UsageService:
    """Each method raises NotAllowed, NotFound, Misuse for what cannot be, StoreError when SQL cannot answer.

    What belongs to another account is not found, in the very words for what does not exist.
    """

    def __init__(
        self,
        requests: RequestStore,
        rollups: RollupStore,
        clock: Clock,
        kept: Mapping[Step, float] = MappingProxyType({}),
    ) -> None:
        """Both stores are read only. `kept` is for how many seconds sums of which step are kept."""
        self._kept = kept
        self._requests = requests
        self._rollups = rollups
        self._clock = clock

    @property
    def now(self) -> float:
        """The time from which "24h" counts back."""
        return self._clock.now()

    async def requests(
        self, caller: Caller, subject: Subject, wanted: RequestFilter, page: PageRequest
    ) -> Page[Logged]:
        """The requests that fit, newest first. A page may hold few, or none, and still lead to another."""
        await self.check_sees(caller, subject)
        checked_filter(wanted)
        order = f"requests.{subject.id}"
        behind = None if page.cursor is None else _place(page.cursor, order)
        found = await self._requests.read(whose_of(subject), wanted, behind, page.size)
        cursor = None if found.end is None else _cursor(found.end, order)
        return Page(found.records, cursor)

    async def series(
        self,
        caller: Caller,
        subject: Subject,
        time: Timeframe = Timeframe(),  # noqa: B008 -- it cannot be changed
        wanted: RollupFilter = RollupFilter(),  # noqa: B008
    ) -> Report:
        """Sums and latencies: altogether, bucket by bucket, and by route, outcome and class of status."""
        account_id = await self.check_sees(caller, subject)
        for text in (wanted.route, wanted.outcome):
            checked_search(text)
        span = span_of(time.since, time.until, time.step, self._clock.now(), self._kept)
        rows = await self._rows(subject, account_id, span, wanted)
        if len(rows) > ROWS_MAX:
            raise Misuse(
                "That time has too many routes and outcomes at too many points for one answer."
                " Ask for a larger step, or a shorter time."
            )
        # Tens of thousands of sketches: whatever else this process answers does not wait for them.
        return await asyncio.to_thread(report_of, span, rows)

    async def totals(
        self,
        caller: Caller,
        subject: Subject,
        time: Timeframe = Timeframe(),  # noqa: B008
        wanted: RollupFilter = RollupFilter(),  # noqa: B008
    ) -> Figures:
        """What `series` says of the whole time."""
        return (await self.series(caller, subject, time, wanted)).totals

    async def _rows(
        self, subject: Subject, account_id: str, span: Span, wanted: RollupFilter
    ) -> Sequence[RolledUp]:
        if subject.kind == "key":
            return await self._rollups.of_key(subject.id, account_id, span, wanted)
        if account_id:
            return await self._rollups.of_account(account_id, span, wanted)
        return await self._rollups.of_gateway(span, wanted)

    async def export(
        self, caller: Caller, subject: Subject, wanted: RequestFilter
    ) -> AsyncGenerator[Sequence[Logged], None]:
        """All requests that fit, oldest first, in parts, until now; a part may be empty.

        One part is in memory at a time. Whether the caller may is settled before the first is asked for.
        """
        await self.check_sees(caller, subject)
        now = self._clock.now()
        until = now if wanted.until is None else min(wanted.until, now)
        if wanted.since is not None and wanted.since >= until:
            raise Misuse("The time asked for has not begun: 'since' must lie in the past.")
        return self._parts(whose_of(subject), checked_filter(replace(wanted, until=until)))

    async def tail(
        self,
        caller: Caller,
        subject: Subject,
        wanted: RequestFilter,
        after: int | None = None,
        pause_seconds: float = _PAUSE_SECONDS,
    ) -> AsyncGenerator[Arrived, None]:
        """Requests as they come in, from now on or behind the position `after`; it is looked once in each pause.

        It never ends by itself. Whether the caller may is settled before the first is asked for.
        """
        await self.check_sees(caller, subject)
        tail = Tail(self._requests, self._clock, whose_of(subject), checked_filter(wanted))
        return tail.follow(after, pause_seconds)

    async def _parts(
        self, whose: Whose, wanted: RequestFilter
    ) -> AsyncGenerator[Sequence[Logged], None]:
        behind: Place | None = None
        while True:
            found = await self._requests.read(whose, wanted, behind, _PART, Way.OLDEST_FIRST)
            yield found.records
            if (behind := found.end) is None:
                return

    async def check_sees(self, caller: Caller, subject: Subject) -> str:
        """Whose it is, '' for all accounts', if the caller may look at it. Raises NotAllowed, NotFound."""
        caller.require(Permission.USAGE_READ)
        if subject.kind == "everything":
            return caller.account_id or ""
        if subject.kind == "key":
            words = f"There is no key {subject.id}. {_SEE_KEYS}"
            account_id = await self._requests.account_of(checked_id("key", subject.id, _SEE_KEYS))
            if account_id is None:
                raise NotFound(words)
            caller.require_account(account_id, words)
            return account_id
        words = f"There is no account {subject.id}. {_SEE_ACCOUNTS}"
        caller.require_account(checked_id("acc", subject.id, _SEE_ACCOUNTS), words)
        if not await self._requests.has_account(subject.id):
            raise NotFound(words)
        return subject.id


def whose_of(subject: Subject) -> Whose:
    """As the store has it."""
    return Whose(subject.id) if subject.kind == "key" else Whose(None, subject.id)


def checked_filter(wanted: RequestFilter) -> RequestFilter:
    """The filter, if a database can be asked for it. Raises Misuse."""
    for moment in (wanted.since, wanted.until):
        if moment is not None:
            checked_time("A moment of usage", moment)
    if wanted.since is not None and wanted.until is not None and wanted.since >= wanted.until:
        raise Misuse("The time asked for ends before it begins: 'since' must lie before 'until'.")
    for field in dataclasses.fields(wanted):
        value = getattr(wanted, field.name)
        if isinstance(value, str):
            checked_search(value)
    return wanted


def _cursor(place: Place, order: str) -> str:
    return encoded(order, place.at_us, str(place.id))


def _place(cursor: str, order: str) -> Place:
    at_us, id_ = decoded_number(cursor, order)
    if not (id_.isascii() and id_.isdecimal() and len(id_) < 19):  # noqa: PLR2004 -- 64 bits
        raise Misuse(_NOT_OURS)
    return Place(at_us, int(id_))
