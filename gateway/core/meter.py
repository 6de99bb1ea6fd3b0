"""What one worker knows and holds of one account's quota; the arithmetic of all of them is in `quota`.

A request that can be decided from here costs two additions: what else there is to know is worked out when the
store has answered. Times are the worker's monotonic seconds.
"""

__all__ = ["Meter"]

from collections.abc import Callable
from typing import Final

from gateway.core.appetite import Appetite
from gateway.core.limits import MICRO, QuotaLevel
from gateway.core.quota import (
    BYTES,
    KEPT_SECONDS,
    NO_EXTRA,
    REQUESTS,
    Ask,
    AtLimit,
    Granted,
    Heard,
    Month,
    Quota,
    QuotaTally,
    Ruling,
    Told,
)
from gateway.core.quota_fields import quota_lines
from gateway.core.tab import Tab

# So long a used-up quota is refused without asking, unless news of the account comes.
_SHUT_SECONDS: Final = 1.0
_RENEW_SECONDS: Final = 4.0
_BYTES_SECONDS: Final = 1.0
# A unit of draft-ietf-httpapi-ratelimit-headers.
_BYTES_UNIT: Final = "content-bytes"
_NOT_TOLD: Final = -1  # by any store
_MANY: Final = 1 << 40


class Meter:
    """One account's quota in one worker.

    `left` requests may be let through until `until`. `month` is None until a store was asked. Of the requests
    that were let through `under_way` have not ended. `waiting` requests wait for an answer of the store.
    """

    __slots__ = (
        "__weakref__",
        "_appetite",
        "_bytes_known",
        "_bytes_left",
        "_lines",
        "_low",
        "_old",
        "_room",
        "_shut_until",
        "_tab",
        "_tail",
        "_tally",
        "_want",
        "account_id",
        "ends_at",
        "extra",
        "has_had_share",
        "is_alone",
        "is_degraded",
        "left",
        "limit",
        "month",
        "parting",
        "quota",
        "taken",
        "under_way",
        "until",
        "waiting",
    )

    def __init__(
        self,
        account_id: str,
        quota: Quota,
        want: Callable[["Meter"], None],
        tally: QuotaTally | None = None,
    ) -> None:
        """Nothing is known and nothing held; `want` is told when more should be borrowed."""
        self._tally = tally or QuotaTally()
        self.account_id = account_id
        self.quota = quota
        self.extra = NO_EXTRA
        self.is_degraded = self.is_alone = self.has_had_share = False
        self.left = 0
        self.until = 0.0
        self.under_way = 0
        self.waiting = 0
        self._want = want
        self._tab = Tab()
        self._appetite = Appetite()
        self._shut_until = 0.0
        self._low = -1
        self._old = 0
        # What was told last of a life that has ended, and when no answer came: to be told again as it was.
        self.parting: tuple[Month, Ask] | None = None
        self.month: Month | None = None
        self._lines = self._tail = b""
        self._begin(None)

    def _begin(self, month: Month | None) -> None:
        self.month = month
        self.left = 0
        self.until = 0.0
        self.taken = _NOT_TOLD
        self.limit = self.quota.requests
        self.ends_at = 0.0
        self._room = 0
        self._tab.begin()
        self._bytes_known = 0
        self._bytes_left = self.quota.bytes or 1
        self._appetite.begin()
        self._old = self.under_way
        self._shut_until = 0.0

    # One request.

    def take(self, now: float) -> bool:
        """Let a request through, if that can be said from what is held."""
        left = self.left
        if left <= 0 or now >= self.until:
            return False
        self.left = left = left - 1
        self.under_way += 1
        if left == self._low:
            self._want(self)
        return True

    def judge(self, now: float, *, is_critical: bool) -> Ruling:
        """As `take`, and what becomes of the request when nothing is held."""
        if self.take(now):
            return Ruling.SERVE
        if 0 < self.ends_at <= now:
            self._shut_until = 0.0  # that was another month
        if now >= self._shut_until:
            if not self._shut_until:
                return Ruling.ASK
            # Used up, as far as is known; to look again makes nobody wait.
            self._shut_until = now + _SHUT_SECONDS
            self._want(self)
        if self.goes_on(is_critical=is_critical):
            self._tab.over += 1
            self.under_way += 1
            self._tally.served_beyond += 1
            return Ruling.SERVE
        self._tally.refused += 1
        return Ruling.REFUSE

    def goes_on(self, *, is_critical: bool) -> bool:
        """Whether such requests are served though the quota is used up."""
        at_limit = self.quota.at_limit
        return at_limit is AtLimit.SOFT or (at_limit is AtLimit.CRITICAL_ONLY and is_critical)

    def put_back(self) -> None:
        """A request that was let through is not made after all."""
        self.ended(0, is_counted=False)

    def ended(self, size: int, *, is_counted: bool) -> None:
        """A request that was let through has ended, with `size` bytes both ways; one not counted is given back."""
        self.under_way -= 1
        if self._old:
            # Perhaps of the month before: it is not given back to this one.
            self._old -= 1
        elif not is_counted:
            self.left += 1
        if is_counted and self.quota.bytes is not None:
            self._tab.bytes += size
            self._bytes_left -= size
            if self._bytes_left <= 0:
                self.until = 0.0

    @property
    def is_over(self) -> bool:
        """Whether it is known to be used up."""
        return self._shut_until > 0

    def used_up(self) -> tuple[str, ...]:
        """Which of the two are used up; neither when no store says so."""
        if self.is_alone:
            return ()
        is_bytes = self.quota.bytes is not None and self._bytes_left <= 0
        is_requests = self.limit is not None and self._room + self.left <= 0
        names = ((REQUESTS, is_requests or not is_bytes), (BYTES, is_bytes))
        return tuple(name for name, is_used_up in names if is_used_up)

    # What callers are told.

    def lines(self) -> bytes:
        """The fields of an answer that say what is left; none while no store tells."""
        tail = self._tail
        if not tail:
            return self._lines
        return b"%b%d%b" % (self._lines, max(0, self._room + self.left), tail)

    def levels(self, now: float) -> tuple[QuotaLevel, ...]:
        """What is left, in numbers."""
        return self._levels(now, self.left)

    def _levels(self, now: float, held: int) -> tuple[QuotaLevel, ...]:
        if self.is_degraded or self.month is None or self.taken == _NOT_TOLD:
            return ()
        seconds, ends_in = self.month.seconds, max(0, int(self.ends_at - now))
        used_up = self.used_up() if self.is_over else ()
        found = []
        if self.limit is not None:
            left = max(0, self._room + held)
            is_used_up = REQUESTS in used_up
            found.append(QuotaLevel(REQUESTS, self.limit, left, seconds, ends_in, "", is_used_up))
        if self.quota.bytes is not None:
            most, left = self.quota.bytes + self.extra.bytes, max(0, self._bytes_left)
            is_used_up = BYTES in used_up
            found.append(QuotaLevel(BYTES, most, left, seconds, ends_in, _BYTES_UNIT, is_used_up))
        return tuple(found)

    # What the store is asked, and what it says.

    def adopt(self, quota: Quota) -> None:
        """The account's plan allows this much from now on."""
        if quota == self.quota:
            return
        if (quota.requests is None) != (self.quota.requests is None):
            # What is held is of the other kind.
            self._tab.got -= self.left
            self.left = 0
        self.quota = quota
        self.recall()

    def recall(self) -> None:
        """Something about the account has changed: ask the store before the next request."""
        self.until = self._shut_until = 0.0

    def turn(self, month: Month) -> tuple[Month, Ask] | None:
        """Another month has begun; what the last one has not been told yet."""
        before, is_untold = self.month, self._is_untold()
        last = Ask(
            self._told()._replace(held=0), 0, 0, self._tab.life, self._tab.is_fresh, is_leaving=True
        )
        self._begin(month)
        return None if before is None or not is_untold else (before, last)

    def ask(self, now: float, *, is_last: bool = False) -> Ask:
        """What to tell the store now; `heard` must follow, or nothing when there is no answer."""
        is_idle = is_last or self._appetite.is_idle(self._room, self.left)
        # In an outage nobody would hear that it is given back.
        if not self.is_degraded and (now >= self.until or is_idle):
            self._tab.got -= self.left
            self.left = 0
        used = self._tab.got - self.left + self._tab.over
        ahead = self._appetite.asks(used, None if is_idle else self.limit, self.left, now)
        need = max(0, self.waiting - self.left)
        told = self._told()
        is_leaving = not (need or ahead or told.held or told.under_way)
        if self._tab.is_fresh and self._is_untold():
            # Told twice it would be counted twice, if nobody were known by it in between.
            is_leaving = False
        return Ask(told, need, ahead, self._tab.life, self._tab.is_fresh, is_leaving)

    def unheard(self, asked: Ask) -> None:
        """There was no answer to `asked`, and nobody knows whether the store heard it."""
        if asked.is_leaving and not asked.is_fresh and self.month is not None:
            self.parting = (self.month, asked)
            self._begin_life(asked.told)

    def tells_of_direct(self, asked: Ask) -> bool:
        """Whether the store is to hear for the first time of requests that came from SQL without it."""
        return asked.told.direct > self._tab.acknowledged.direct

    def heard(self, asked: Ask, heard: Heard) -> None:
        """The store's answer to `ask`."""
        month = self.month
        if month is None:
            return
        self.is_degraded = self.is_alone = self.has_had_share = False
        self._tab.heard(asked.told)
        self.extra = extra = heard.extra.at(heard.now_us)
        self.taken = heard.taken
        asked_at = self._appetite.asked_at
        self.ends_at = asked_at + (month.end_us - heard.now_us) / MICRO
        ends_us = min(month.end_us, extra.until_us or month.end_us)
        self.until = asked_at + min(KEPT_SECONDS, (ends_us - heard.now_us) / MICRO)
        self._lent(heard)
        if self.quota.bytes is not None:
            self._bytes_known = heard.bytes
            self._bytes_left = self._bytes_to_go(self.quota.bytes)
        if asked.is_leaving:
            self._begin_life(asked.told)
        self._close_if_used_up(heard)
        # The warning comes as if all that is held were used: it is told until the store says more.
        levels = self._levels(asked_at, 0)
        self._lines, self._tail = quota_lines(levels, leaves_gap=self.limit is not None)

    def _lent(self, heard: Heard) -> None:
        if self.quota.requests is None:
            # Only bytes count: nothing is borrowed.
            self.limit, self._room = None, 0
            self._tab.got += _MANY - self.left
            self.left = _MANY
        else:
            self.limit = self.quota.requests + self.extra.requests
            self._tab.got += heard.lent
            self.left += heard.lent
            # What this worker holds is among what is taken, and is left to its callers.
            self._room = self.limit - heard.taken
        self._low = self.left // 2 if self.left > 1 else -1

    @property
    def most(self) -> int | None:
        """How many requests the plan allows in the month, with what is known to be on top; None is any number."""
        return None if self.quota.requests is None else self.quota.requests + self.extra.requests

    def got_directly(self, granted: Granted, now: float) -> None:
        """This came from SQL, because Redis is away; what is held stays good."""
        if self.quota.requests is not None:
            self._tab.direct += granted.requests
        if self.taken != _NOT_TOLD:
            self.taken += granted.requests
        self.is_alone = False
        self._got_without_redis(granted, now)

    def got_alone(self, granted: Granted, now: float) -> None:
        """This is let through on this worker's own account, because no store answers."""
        self.is_alone = True
        self.has_had_share = self.has_had_share or granted.requests > 0
        self._got_without_redis(granted, now)

    def shut(self, now: float) -> None:
        """Nothing can be had: do not ask for a while."""
        self._shut_until = now + _SHUT_SECONDS

    def wants_telling(self, now: float) -> bool:
        """Asked a few times a second: whether the store should hear of this meter, or is owed something."""
        appetite, left = self._appetite, self.left
        appetite.ticks(left)
        since = now - appetite.asked_at
        if self.limit is not None and left and appetite.is_idle(self._room, left):
            return True
        if self._tab.untold_bytes and since >= _BYTES_SECONDS:
            return True
        return since >= _RENEW_SECONDS and not self.is_quiet()

    def is_quiet(self) -> bool:
        """Whether the store knows of nothing here, and has nothing to be told."""
        is_busy = self._holds() or self.waiting or self._is_untold()
        return self._tab.is_fresh and not is_busy and self.parting is None

    def _begin_life(self, told: Told) -> None:
        self._tab.ended(told)
        self._appetite.forgets(told.spent)

    def _holds(self) -> bool:
        return self.under_way > 0 or (self.left > 0 and self.limit is not None)

    def _is_untold(self) -> bool:
        return self._tab.is_news(self._told())

    def _told(self) -> Told:
        held = 0 if self.limit is None else self.left
        return self._tab.told(self.left, held, self.under_way)

    def _got_without_redis(self, granted: Granted, now: float) -> None:
        month = self.month
        if month is None:
            return
        if granted.extra is not None:
            self.extra = granted.extra
        self.extra = self.extra.at(granted.now_us)
        self.limit = self.most
        self._tab.got += granted.requests
        self.left += granted.requests
        self.ends_at = now + (month.end_us - granted.now_us) / MICRO
        self.until = min(now + KEPT_SECONDS, self.ends_at)
        self.is_degraded = True
        self._shut_until = 0.0
        self._low = -1
        self._lines = self._tail = b""
        if self.quota.bytes is not None:
            self._bytes_known = max(self._bytes_known, granted.bytes)
            self._bytes_left = self._bytes_to_go(self.quota.bytes)
            if self._bytes_left <= 0:
                self.until = 0.0
                self.shut(now)

    def _bytes_to_go(self, most: int) -> int:
        return most + self.extra.bytes - self._bytes_known - self._tab.untold_bytes

    def _close_if_used_up(self, heard: Heard) -> None:
        is_used_up = self.limit is not None and not self.left and heard.taken >= self.limit
        if is_used_up or self._bytes_left <= 0:
            self.until = 0.0
            self._shut_until = self._appetite.asked_at + _SHUT_SECONDS
        else:
            self._shut_until = 0.0
