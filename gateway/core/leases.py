"""Leases: tokens that a worker borrows ahead, so that its next requests need no round trip (design §5).

The promise stays that of the bucket: over every interval T at most `quota + T x quota/window` requests, for
all workers together. It holds because what is lent counts against the bucket's capacity until the store hears
that it was spent or given back: at every moment level + lent <= quota, and whatever is spent in an interval
was lent, or in the bucket, at its beginning, or was minted since. A worker that dies keeps what it held
from nobody for longer than its loan lasts; a worker stops spending sooner than the store forgets the loan.

`stores/bucket.lua` must agree with `settle`, `lend` and the rest of this page.
"""

__all__ = [
    "LOAN_US",
    "SPENDABLE_SECONDS",
    "Ask",
    "Held",
    "Lease",
    "Loan",
    "Tally",
    "ahead",
    "lend",
    "settle",
]

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from gateway.core.limits import MICRO, BucketLevel, Limit, filled

# What the store waits before it takes a silent worker's loan for lost, and what the worker trusts in. The
# difference is for clocks that run at different speeds, and for the way of the answer.
LOAN_US = 2_000_000
SPENDABLE_SECONDS = 1.5

# A worker borrows what it used in this time: at ten thousand requests a second that is a
# round trip for each five hundred.
_AHEAD_SECONDS = 0.05
# What nobody has wanted for so long is given back.
_IDLE_SECONDS = 0.2
# Fewer than these are not worth a loan, which has to be given back.
_AHEAD_MIN = 2
# Near exhaustion loans shrink to nothing: nobody is refused because another sits on the last tokens.
_PART_LENT = 4


class Loan(NamedTuple):
    """Whole tokens that a worker holds, and when the store takes them for lost (microseconds, its clock)."""

    tokens: int
    expires_us: int


class Held(NamedTuple):
    """What the store has of one bucket. `is_lost`: it has nothing, and `level` is what the worker last saw."""

    level: BucketLevel | None = None
    loans: Mapping[str, Loan] = MappingProxyType({})
    is_lost: bool = False


class Ask(NamedTuple):
    """What a worker says of one bucket along with its requests.

    It holds `holding` tokens of an earlier loan, has given `returned` up, and would borrow `ahead`. These are
    absolute, so that saying them twice changes nothing.
    """

    holding: int
    returned: int
    ahead: int


def ahead(used: int, seconds: float, limit: Limit) -> int:
    """How many tokens to borrow after `used` were needed in the last `seconds`; 0 for a key that is used slowly.

    Never more than twice as many as were used: two requests at one instant are no high rate.
    """
    if used < _AHEAD_MIN or seconds <= 0:
        return 0
    wanted = min(int(used / seconds * _AHEAD_SECONDS), 2 * used, limit.quota // _PART_LENT)
    return wanted if wanted >= _AHEAD_MIN else 0


def settle(
    held: Held, limit: Limit, worker: str, ask: Ask, now_us: int
) -> tuple[BucketLevel, dict[str, Loan]]:
    """The bucket filled up to `now_us`, without loans that are over, and with what `worker` says of its own.

    A loan that the store has taken for lost is not revived: its worker has stopped spending it by then.
    That of a bucket which the store has lost altogether is.
    """
    alive = {name: loan for name, loan in held.loans.items() if loan.expires_us > now_us}
    if held.is_lost and ask.holding:
        alive[worker] = Loan(ask.holding, now_us + LOAN_US)
    lent = sum(loan.tokens for loan in alive.values())
    level = filled(held.level, limit, now_us, lent)
    own = alive.pop(worker, None)
    if own is not None:
        kept = min(ask.holding, own.tokens)
        back = min(ask.returned, own.tokens - kept)
        level = BucketLevel(level.microtokens + back * MICRO, level.at_microseconds)
        if kept:
            # The worker has just been heard of.
            alive[worker] = Loan(kept, now_us + LOAN_US)
    return level, alive


def lend(held: Sequence[BucketLevel], asks: Sequence[Ask]) -> tuple[int, ...]:
    """How many tokens of each bucket are lent, after the requests themselves have been served."""
    return tuple(
        max(0, min(ask.ahead, level.microtokens // (MICRO * _PART_LENT)))
        for level, ask in zip(held, asks, strict=True)
    )


class Tally:
    """What has become of the tokens that one worker borrowed; those that are not here were spent, or are held.

    `stranded_max` is the most that was lost of one bucket at once: so many requests fewer than the limit
    allows were let through. What a process held that was killed is in nobody's tally.
    """

    __slots__ = ("borrowed", "expired", "returned", "stranded_max")

    def __init__(self) -> None:
        """Nothing has been borrowed yet."""
        self.borrowed = self.returned = self.expired = self.stranded_max = 0

    def lost(self, tokens: int) -> None:
        """So many lay with the worker until they could not be spent any more."""
        self.expired += tokens
        self.stranded_max = max(self.stranded_max, tokens)


class Lease:
    """What one worker holds of one bucket. Times are its monotonic seconds.

    `tokens` may be spent until `until`. Of the asks about one bucket only one at a time may speak of the
    lease: what a second one said could not know what the first will bring.
    """

    __slots__ = (
        "_asked_at",
        "_before",
        "_before_since",
        "_low",
        "_returning",
        "_spent_at",
        "_tally",
        "_used",
        "_used_since",
        "is_asking",
        "tokens",
        "until",
    )

    def __init__(self, now: float, tally: Tally | None = None) -> None:
        """Nothing is borrowed yet; `tally` is the worker's, for all its leases."""
        self._tally = tally or Tally()
        self._returning = 0
        self.tokens = 0
        self.until = now
        self.is_asking = False
        self._low = -1
        self._asked_at = now
        # Use is measured over the present short span and the one before it.
        self._before = self._used = 0
        self._before_since = self._used_since = now
        self._spent_at = now

    def spend(self, cost: int, now: float) -> bool:
        """Take `cost` of `tokens` before `until`; says whether to ask for more, before the last one is spent."""
        self.tokens = left = self.tokens - cost
        self._used += cost
        self._spent_at = now
        return left <= self._low and not self.is_asking

    def used(self, cost: int, now: float) -> None:
        """The store itself was asked for so many: they tell how much to borrow next."""
        self._used += cost
        self._spent_at = now

    def is_idle(self, now: float) -> bool:
        """Whether tokens lie here that nobody has wanted for a while."""
        return self.tokens > 0 and not self.is_asking and now - self._spent_at >= _IDLE_SECONDS

    @property
    def is_empty(self) -> bool:
        """Whether nothing is held, and nobody has been asked for more."""
        return not (self.tokens or self.is_asking)

    def ask(self, limit: Limit, now: float, *, is_leaving: bool = False) -> Ask:
        """What to tell the store, now; `lent` or `failed` must follow. Who is leaving gives all back."""
        self.is_asking = True
        self._asked_at = now
        if now >= self.until and self.tokens:
            self._tally.lost(self.tokens)
            self.tokens = 0
        if is_leaving or now - self._spent_at >= _IDLE_SECONDS:
            returned, self.tokens = self.tokens, 0
            wanted = 0
        else:
            returned, wanted = 0, self._ahead(limit, now)
        self._returning = returned
        return Ask(self.tokens, returned, max(0, wanted - self.tokens))

    def lent(self, tokens: int) -> None:
        """The store's answer to `ask`: so many more, and what was held is good for longer."""
        self.is_asking = False
        self._tally.borrowed += tokens
        self._tally.returned += self._returning
        self._returning = 0
        self.tokens += tokens
        self._low = self.tokens // 2 if self.tokens else -1
        # Counted from the question: the store's own count began later.
        self.until = self._asked_at + SPENDABLE_SECONDS

    def failed(self) -> None:
        """No answer: what was held stays good until its time is over, and what was given up is nobody's."""
        self.is_asking = False
        if self._returning:
            self._tally.lost(self._returning)
            self._returning = 0

    def forget(self) -> None:
        """Never to be spent again: another lease of this bucket takes its place."""
        if self.tokens:
            self._tally.lost(self.tokens)
        self.tokens = 0
        self._low = -1
        self.is_asking = True

    def _ahead(self, limit: Limit, now: float) -> int:
        if now - self._used_since >= _AHEAD_SECONDS:
            self._before, self._before_since = self._used, self._used_since
            self._used, self._used_since = 0, now
        return ahead(self._before + self._used, now - self._before_since, limit)
