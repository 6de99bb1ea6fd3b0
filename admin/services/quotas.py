"""What accounts may use in a month and have used, more of it for a time, and what is to be billed."""

__all__ = ["Billed", "ChangedQuota", "NewRaise", "QuotaService", "QuotaStanding"]

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from admin.core.caller import Caller, Permission
from admin.core.faults import Conflict, NotFound
from admin.core.page import Page, PageRequest, decoded, encoded
from admin.core.plan_quotas import PlanQuotas
from admin.services.enforcing import Enforcement
from admin.services.repeats import Repeats
from admin.services.validation import checked_id, checked_words, new_id
from admin.stores.quotas import QuotaStore, Raise, Subject
from admin.stores.transaction import Repeated, Target
from gateway.core.changes import Receipt
from gateway.core.errors import Misuse, StoreError
from gateway.core.limits import QUOTA_MAX
from gateway.core.quota import Extra, Month, Quota, month_at, month_named
from gateway.ports import Clock
from gateway.stores.quota_view import QuotaView, Seen
from gateway.stores.sql_quotas import Totals
from gateway.stores.tables import to_us

_SEE_ACCOUNTS: Final = "'keywright accounts list' shows all accounts."
_BYTES_MAX: Final = 1 << 50
_YEAR_SECONDS: Final = 366 * 86_400
_RAISES_MAX: Final = 100
_ORDER: Final = "billing"


@dataclass(frozen=True, slots=True)
class QuotaStanding:
    """One account's month: `quota` None is any amount. `used` is what Redis knows, or, without Redis, SQL."""

    account_id: str
    plan: str
    month: Month
    quota: Quota | None
    extra: Extra
    used: Seen
    raises: tuple[Raise, ...] = ()


@dataclass(frozen=True, slots=True)
class NewRaise:
    """More for an account until a time (seconds since the epoch)."""

    requests: int
    bytes: int
    until: float
    reason: str


@dataclass(frozen=True, slots=True)
class ChangedQuota:
    """How the quota stands after a change, and who enforces it."""

    standing: QuotaStanding
    raise_id: str
    receipt: Receipt


@dataclass(frozen=True, slots=True)
class Billed:
    """What an account used in a month, by the records that are in SQL."""

    account_id: str
    name: str
    plan: str
    month: str
    requests: int
    bytes_in: int
    bytes_out: int


class QuotaService:
    """Each method raises NotAllowed, NotFound, Misuse for what cannot be, StoreError when SQL cannot answer."""

    def __init__(  # noqa: PLR0913, PLR0917 -- one parameter for each part
        self,
        store: QuotaStore,
        view: QuotaView,
        totals: Totals,
        enforcement: Enforcement,
        repeats: Repeats,
        clock: Clock,
        quotas: PlanQuotas,
    ) -> None:
        """`quotas` are what plans allow."""
        self._store = store
        self._view = view
        self._totals = totals
        self._enforcement = enforcement
        self._repeats = repeats
        self._clock = clock
        self._quotas = quotas

    @property
    def now(self) -> float:
        """The time by which what is asked is meant."""
        return self._clock.now()

    async def show(self, caller: Caller, account_id: str) -> QuotaStanding:
        """How the account's present month stands."""
        caller.require(Permission.USAGE_READ)
        return await self._standing(await self._subject(caller, account_id))

    async def raise_(self, caller: Caller, account_id: str, wanted: NewRaise) -> ChangedQuota:
        """Allow more until a time; it counts at once."""
        caller.require(Permission.QUOTAS_WRITE)
        subject = await self._subject(caller, account_id)
        now = self._clock.now()
        made = self._checked(subject, wanted, now)
        if len(await self._store.raises(account_id, now)) >= _RAISES_MAX:
            raise Conflict(f"Account {account_id} has {_RAISES_MAX} raises. End one of them first.")
        raise_id = made.id
        try:
            async with self._store.transaction("raise a quota", caller, now) as tx:
                await tx.claim(made.id)
                extra = await self._store.add(tx, made)
                tx.audit("quota.raise", _target(made), after=_told(made))
                tx.tell("quota.raised", account_id=account_id, data=_told(made))
        except Repeated:
            raise_id = (await self._repeats.earlier(caller, now)).target_id
            extra = (await self._store.extras([account_id], now)).get(account_id, Extra())
        return await self._enforced(subject, raise_id, extra)

    async def end_raise(self, caller: Caller, account_id: str, raise_id: str) -> ChangedQuota:
        """End a raise before its time; one that is over stays so."""
        caller.require(Permission.QUOTAS_WRITE)
        subject = await self._subject(caller, account_id)
        checked_id("raise", raise_id, "'keywright quota show' shows an account's raises.")
        found = await self._store.find_raise(raise_id)
        if found is None or found.account_id != account_id:
            raise NotFound(f"Account {account_id} has no raise {raise_id}.")
        async with self._store.transaction("end a raise", caller, self._clock.now()) as tx:
            extra = await self._store.end(tx, found)
            if found.ended_at is None and found.until > tx.now:
                tx.audit("quota.end_raise", _target(found), before=_told(found))
        return await self._enforced(subject, raise_id, extra)

    async def billing(
        self, caller: Caller, month: str | None, account_id: str | None, page: PageRequest
    ) -> Page[Billed]:
        """What each account that the caller sees used in a month, by its id; this month's is not over."""
        caller.require(Permission.USAGE_READ)
        period = self._period(month)
        only = caller.account_id or account_id
        if account_id not in {None, only}:
            return Page(())
        after = "" if page.cursor is None else str(decoded(page.cursor, _ORDER)[0])
        found = await self._store.subjects(after, page.size + 1, only)
        shown = found[: page.size]
        rows = [await self._billed(subject, period) for subject in shown]
        last = shown[-1].id if len(found) > page.size else None
        return Page(tuple(rows), None if last is None else encoded(_ORDER, last, last))

    async def _billed(self, subject: Subject, month: Month) -> Billed:
        used = await self._totals.of_account(subject.id, month.start_us / 1e6, month.end_us / 1e6)
        return Billed(
            subject.id,
            subject.name,
            subject.plan,
            month.name,
            used.requests,
            used.bytes_in,
            used.bytes_out,
        )

    def _period(self, month: str | None) -> Month:
        if month is None:
            return month_at(to_us(self._clock.now()))
        try:
            return month_named(month)
        except ValueError:
            raise Misuse(f"'{month}' is no month, such as 2026-11.") from None

    async def _standing(self, subject: Subject) -> QuotaStanding:
        now = self._clock.now()
        month = month_at(to_us(now))
        raises = await self._store.raises(subject.id, now)
        return QuotaStanding(
            subject.id,
            subject.plan,
            month,
            self._quotas.of(subject.plan),
            _sum(raises),
            await self._used(subject.id, month),
            tuple(raises),
        )

    async def _used(self, account_id: str, month: Month) -> Seen:
        try:
            seen = await self._view.seen(account_id, month.name)
        except StoreError:
            seen = None
        if seen is not None:
            return seen
        used = await self._totals.of_account(account_id, month.start_us / 1e6, month.end_us / 1e6)
        return Seen(used.requests, used.bytes_in + used.bytes_out)

    async def _enforced(self, subject: Subject, raise_id: str, extra: Extra) -> ChangedQuota:
        month = month_at(to_us(self._clock.now()))
        # Before the news: who hears it asks Redis at once. Where Redis is away it is told again later.
        with contextlib.suppress(StoreError):
            await self._view.allow(subject.id, month.name, extra)
        receipt = await self._enforcement.of_account(subject.id, subject.version)
        return ChangedQuota(await self._standing(subject), raise_id, receipt)

    async def _subject(self, caller: Caller, account_id: str) -> Subject:
        checked_id("acc", account_id, _SEE_ACCOUNTS)
        missing = f"There is no account {account_id}. {_SEE_ACCOUNTS}"
        caller.require_account(account_id, missing)
        found = await self._store.subject(account_id)
        if found is None:
            raise NotFound(missing)
        return found

    def _checked(self, subject: Subject, wanted: NewRaise, now: float) -> Raise:
        if self._quotas.of(subject.plan) is None:
            raise Conflict(f"Plan {subject.plan} has no quota, so there is nothing to raise.")
        if not (0 <= wanted.requests <= QUOTA_MAX and 0 <= wanted.bytes <= _BYTES_MAX):
            raise Misuse("A raise is at most 1000000000 requests and 1048576 GiB.")
        if not (wanted.requests or wanted.bytes):
            raise Misuse("Say how many requests or bytes more.")
        if not now < wanted.until <= now + _YEAR_SECONDS:
            raise Misuse("A raise ends within a year, and not in the past.")
        reason = checked_words("reason", wanted.reason)
        return Raise(
            new_id("raise"), subject.id, wanted.requests, wanted.bytes, reason, now, wanted.until
        )


def _sum(raises: Sequence[Raise]) -> Extra:
    until = min((to_us(one.until) for one in raises), default=0)
    return Extra(sum(one.requests for one in raises), sum(one.bytes for one in raises), until)


def _target(one: Raise) -> Target:
    return Target("raise", one.id, one.account_id)


def _told(one: Raise) -> dict[str, object]:
    return {
        "requests": one.requests,
        "bytes": one.bytes,
        "until": one.until,
        "reason": one.reason,
    }
