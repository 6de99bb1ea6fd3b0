"""Looks at what came in since: quotas, forecasts, rises, refusals, new addresses."""

__all__ = ["TrafficTerms", "TrafficWatch"]

from collections import deque
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from admin.core.alerts.figures import Measure, month_end, month_start, period_of
from admin.core.alerts.kinds import AlertKind, Finding, Rule, Subject
from admin.core.alerts.quota import Meter, Pace, forecast_finding, quota_finding
from admin.core.alerts.traffic import (
    RefusalTerms,
    RiseTerms,
    Tally,
    latest_rise,
    refusal_finding,
    rise_finding,
)
from admin.core.alerts.wishes import Defaults, Wishes, wishes
from admin.services.alert_addresses import AddressBook
from admin.services.alert_watch import Again
from admin.stores.alert_choices import AccountAlerts, AlertChoices
from admin.stores.alert_keys import AlertKeys, Place
from admin.stores.alert_marks import AlertMarks
from admin.stores.alert_quotas import AlertQuotas, Limit
from admin.stores.alert_usage import AlertUsage, Outcomes, Used

_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86_400
_WEEK: Final = 7 * _DAY
_MARK: Final = "records"
_FULL: Final = 100
_AT_ONCE: Final = 500
# Records that are looked at in one statement, until it is noted how far it is, and in one round; what is left
# has its turn in the next.
_RECORDS: Final = 20_000
_RECORDS_OF_PART: Final = 200_000
_RECORDS_MAX: Final = 2_000_000
# Of those from before alerts ran for the first time, so that a quota that is nearly used up then is told.
_RECORDS_BEFORE: Final = 200_000
# A record gets its number before it can be seen: of those younger than this, some may still be on their way.
_SETTLED_SECONDS: Final = 15.0

_OF_ACCOUNTS: Final = frozenset(
    {
        Rule.QUOTA_REQUESTS,
        Rule.QUOTA_BYTES,
        Rule.FORECAST_REQUESTS,
        Rule.FORECAST_BYTES,
        Rule.RISE,
    }
)


@dataclass(frozen=True, slots=True)
class TrafficTerms:
    """What is worth an alert, and what accounts want that have not chosen."""

    refusals: RefusalTerms
    rise: RiseTerms
    defaults: Defaults


class TrafficWatch:
    """Reads each record once, and looks at the accounts and keys that have new ones, and at no others."""

    rules: Collection[Rule] = _OF_ACCOUNTS | {Rule.REFUSALS, Rule.NEW_ADDRESS}

    def __init__(  # noqa: PLR0913, PLR0917 -- one parameter for each part
        self,
        usage: AlertUsage,
        keys: AlertKeys,
        choices: AlertChoices,
        marks: AlertMarks,
        quotas: AlertQuotas,
        book: AddressBook,
        terms: TrafficTerms,
    ) -> None:
        """`book` is this watch's own."""
        self._usage = usage
        self._keys = keys
        self._choices = choices
        self._marks = marks
        self._quotas = quotas
        self._book = book
        self._terms = terms
        self._observed: deque[tuple[float, int]] = deque()

    async def fresh(self, now: float) -> AsyncIterator[Sequence[Finding]]:
        """What the records since may have brought about."""
        newest = await self._usage.newest()
        mark = (await self._marks.read()).get(_MARK)
        if mark is None:
            mark = await self._marks.begin(_MARK, max(newest - _RECORDS_BEFORE, 0))
        settled = self._settled(newest, now)
        until = min(newest, mark.at + _RECORDS_MAX)
        # Part by part, so that a round that is broken off is not begun from its very beginning again.
        for after in range(mark.at, until, _RECORDS_OF_PART):
            end = min(after + _RECORDS_OF_PART, until)
            async for findings in self._part(after, end, now):
                yield findings
            if min(end, settled) > mark.at:
                mark = Place(min(end, settled), "")
                await self._marks.note(_MARK, mark)

    async def _part(self, after: int, end: int, now: float) -> AsyncIterator[Sequence[Finding]]:
        accounts: set[str] = set()
        refused: set[str] = set()
        for start in range(after, end, _RECORDS):
            seen = await self._usage.seen(start, min(start + _RECORDS, end))
            accounts |= {one.account_id for one in seen}
            refused |= {one.key_id for one in seen if one.refused}
            async for findings in self._book.meet(seen, now):
                yield findings
        for part in _parts(accounts):
            yield await self._of_accounts(part, now)
        for part in _parts(refused):
            yield await self._of_keys(part, now)

    async def again(self, subjects: Sequence[Subject], now: float) -> Again:
        """How it is now, also where nothing comes in any more."""
        accounts = {one.account_id for one in subjects if one.rule in _OF_ACCOUNTS}
        refused = {one.key_id for one in subjects if one.rule is Rule.REFUSALS}
        new = {one.key_id for one in subjects if one.rule is Rule.NEW_ADDRESS}
        found = [
            *(await self._of_accounts(accounts, now, is_again=True) if accounts else ()),
            *(await self._of_keys(refused, now) if refused else ()),
            *(await self._book.again(new, now) if new else ()),
        ]
        wanted = set(subjects)
        findings = [one for one in found if one.subject in wanted]
        # Where nobody can tell just now, what was told stands; only of what is not there nothing can be found.
        kept = {one.subject for one in findings} | await self._kept(wanted, now)
        return Again(findings, sorted(wanted - kept))

    async def _kept(self, subjects: set[Subject], now: float) -> set[Subject]:
        known = await self._choices.of({one.account_id for one in subjects})
        limits = await self._limits(known, now)
        return {
            one
            for one in subjects
            if one.rule in {Rule.RISE, Rule.REFUSALS}
            or (one.rule is Rule.FORECAST_REQUESTS and _limit(limits, one).requests is not None)
            or (one.rule is Rule.FORECAST_BYTES and _limit(limits, one).bytes is not None)
        }

    def _settled(self, newest: int, now: float) -> int:
        """Up to which number every record has been seen that will ever be."""
        self._observed.append((now, newest))
        while len(self._observed) > 1 and self._observed[1][0] <= now - _SETTLED_SECONDS:
            self._observed.popleft()
        at, number = self._observed[0]
        return number if at <= now - _SETTLED_SECONDS else 0

    async def _of_accounts(
        self, account_ids: Collection[str], now: float, *, is_again: bool = False
    ) -> Sequence[Finding]:
        known = await self._choices.of(account_ids)
        found = list(await self._rises(known, now, is_again=is_again))
        limits = await self._limits(known, now)
        if limits:
            day = int(now) // _DAY * _DAY
            rows = await self._usage.used(
                limits, int(month_start(now)), day - _WEEK, int(month_end(now))
            )
            used = {row.account_id: row for row in rows}
            for account_id, limit in limits.items():
                row = used.get(account_id, Used(account_id, 0, 0, 0, 0, None))
                found += self._quotas_of(known[account_id], limit, row, now)
        return found

    async def _limits(self, known: Mapping[str, AccountAlerts], now: float) -> Mapping[str, Limit]:
        limits = await self._quotas.of({id_: one.plan for id_, one in known.items()}, now)
        return {id_: limit for id_, limit in limits.items() if limit != Limit()}

    def _quotas_of(
        self, account: AccountAlerts, limit: Limit, used: Used, now: float
    ) -> Iterator[Finding]:
        wanted = wishes(self._terms.defaults, account.plan, account.choice)
        figures: tuple[tuple[Measure, int | None, int, int], ...] = (
            ("requests", limit.requests, used.month_requests, used.week_requests),
            ("bytes", limit.bytes, used.month_bytes, used.week_bytes),
        )
        for measure, most, in_month, in_week in figures:
            if most is None:
                continue
            meter = Meter(account.account_id, account.name, measure, period_of(now), in_month, most)
            if thresholds := _thresholds(wanted):
                yield quota_finding(meter, thresholds, round(now * 1_000_000))
            since = now if used.week_first is None else used.week_first
            forecast = forecast_finding(meter, Pace(in_week, now - since), now)
            if forecast is not None:
                yield forecast

    async def _rises(
        self, known: Mapping[str, AccountAlerts], now: float, *, is_again: bool
    ) -> Sequence[Finding]:
        present = int(now) // _HOUR * _HOUR
        busy: Collection[str] = known
        if not is_again:
            # Usually nobody: the hours of a week are read for those alone.
            late = await self._usage.hours(known, present - _HOUR)
            least = self._terms.rise.count_min
            busy = {one.account_id for one in late if one.requests >= least}
        hours: dict[str, dict[int, int]] = {account_id: {} for account_id in busy}
        if busy:
            for one in await self._usage.hours(busy, present - _WEEK):
                hours[one.account_id][one.at] = one.requests
        found = (
            rise_finding(
                latest_rise(account_id, known[account_id].name, its, now),
                self._terms.rise,
                round(now * 1_000_000),
            )
            for account_id, its in hours.items()
        )
        return [one for one in found if one is not None]

    async def _of_keys(self, key_ids: Collection[str], now: float) -> Sequence[Finding]:
        now_us, terms = round(now * 1_000_000), self._terms.refusals
        since = int(now - terms.window_seconds) // _MINUTE * _MINUTE
        outcomes: dict[str, list[Outcomes]] = {}
        for row in await self._usage.outcomes(key_ids, since):
            outcomes.setdefault(row.key_id, []).append(row)
        found = []
        for key in await self._keys.find(key_ids, now_us):
            tally = _tally(key.account_id, key.id, key.name, outcomes.get(key.id, ()))
            finding = refusal_finding(tally, terms, now_us)
            if finding is not None:
                found.append(finding)
        return found


def _parts(ids: Collection[str]) -> Iterator[Collection[str]]:
    ordered = sorted(ids)
    for start in range(0, len(ordered), _AT_ONCE):
        yield ordered[start : start + _AT_ONCE]


def _limit(limits: Mapping[str, Limit], subject: Subject) -> Limit:
    return limits.get(subject.account_id, Limit())


def _thresholds(wanted: Wishes) -> list[int]:
    """Those that the account wants to hear of: all of it used is another kind than most of it."""
    return [
        each
        for each in wanted.thresholds
        if (AlertKind.QUOTA_EXCEEDED if each >= _FULL else AlertKind.QUOTA_THRESHOLD)
        not in wanted.off
    ]


def _tally(account_id: str, key_id: str, name: str, rows: Sequence[Outcomes]) -> Tally:
    refused = sorted((-row.requests, row.outcome) for row in rows if row.is_refused)
    return Tally(
        account_id,
        key_id,
        name,
        sum(row.requests for row in rows),
        -sum(count for count, _ in refused),
        tuple(outcome for _, outcome in refused),
    )
