"""Token buckets: the arithmetic that `stores/bucket.lua` must agree with (design §5).

A bucket holds at most `quota` tokens and is refilled evenly over `window` seconds. Over every
interval T it lets through at most `quota + T x quota/window` requests. A refused request takes nothing.

All sums are over whole micro-tokens and whole microseconds, and what is minted is rounded down. Within
`QUOTA_MAX` and `WINDOW_SECONDS_MAX` no product reaches 2**53, so Lua's doubles give the same integers.
"""

__all__ = [
    "MICRO",
    "QUOTA_MAX",
    "WINDOW_SECONDS_MAX",
    "Bucket",
    "BucketLevel",
    "CountedPer",
    "Grant",
    "Limit",
    "LimitState",
    "QuotaLevel",
    "filled",
    "retry_after_header",
    "spend",
    "take",
    "take_all",
]

import math
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

# Micro-tokens in a token, and microseconds in a second.
MICRO = 1_000_000
# Their product stays below 2**53.
QUOTA_MAX = 1_000_000_000
WINDOW_SECONDS_MAX = 100 * 86_400


class CountedPer(StrEnum):
    """Whose requests one bucket counts."""

    KEY = "key"
    ACCOUNT = "account"
    ADDRESS = "address"


class Limit(NamedTuple):
    """One policy of a plan or of a key."""

    name: str
    quota: int
    window_seconds: int
    per: CountedPer = CountedPer.KEY


class Bucket(NamedTuple):
    """A limit together with the name under which its tokens are counted in Redis."""

    name: str
    limit: Limit


class BucketLevel(NamedTuple):
    """What a bucket holds: micro-tokens (a debt is negative), and when that was so on Redis's clock."""

    microtokens: int
    at_microseconds: int


class LimitState(NamedTuple):
    """What the caller is told of one limit after a decision."""

    limit: Limit
    remaining: int
    full_in_seconds: float


class QuotaLevel(NamedTuple):
    """What the caller is told of one quota of its account: how much in a month, how much is left, and for how long.

    What `is_used_up` is refused, or served all the same.
    """

    name: str
    limit: int
    remaining: int
    window_seconds: int
    ends_in_seconds: int
    unit: str = ""
    is_used_up: bool = False


class Grant(NamedTuple):
    """The limiter's answer. `violated` names the limits that said no; it is empty when allowed.

    When it `is_over_quota` the account's quota said no, and no limit was asked. `levels` are what is left of
    quotas, where whoever is answered has yet to be told.
    """

    allowed: bool
    states: tuple[LimitState, ...]
    retry_after_seconds: float
    violated: tuple[str, ...] = ()
    is_degraded: bool = False
    is_over_quota: bool = False
    levels: tuple[QuotaLevel, ...] = ()


def filled(level: BucketLevel | None, limit: Limit, now_us: int, lent: int = 0) -> BucketLevel:
    """What the bucket holds at `now_us`; None is a bucket never seen, which is full.

    `lent` tokens are out with workers, and leave so much less room.
    """
    capacity = limit.quota * MICRO
    room = capacity - lent * MICRO
    if level is None:
        return BucketLevel(room, now_us)
    # A clock that steps back mints nothing until it has caught up. From the deepest debt a bucket
    # is full after two windows; stopping there keeps the products small.
    elapsed = min(max(now_us - level.at_microseconds, 0), 2 * limit.window_seconds * MICRO)
    # quota/window is both tokens a second and micro-tokens a microsecond. This is exactly
    # floor(elapsed x quota / window); dividing first avoids that large product.
    whole, rest = divmod(elapsed, limit.window_seconds)
    minted = whole * limit.quota + rest * limit.quota // limit.window_seconds
    held = max(level.microtokens, -capacity) + minted
    return BucketLevel(min(held, room), max(now_us, level.at_microseconds))


def take(
    level: BucketLevel | None, limit: Limit, cost: int, now_us: int, debt: int = 0
) -> tuple[BucketLevel | None, Grant]:
    """Spend `cost` tokens if they are there, and say what the bucket holds from then on.

    `debt` tokens are spent first, whatever the answer, down to `-quota` and no further. A refusal
    without a debt gives `level` back as it was: there is nothing to store. After
    `retry_after_seconds` the cost is there (a cost above the quota never is), and not earlier by
    more than a micro-token takes to be minted.
    """
    levels, grant = take_all((level,), (limit,), cost, now_us, (debt,))
    return levels[0], grant


def take_all(
    levels: Sequence[BucketLevel | None],
    limits: Sequence[Limit],
    cost: int,
    now_us: int,
    debts: Sequence[int] = (),
) -> tuple[tuple[BucketLevel | None, ...], Grant]:
    """As `take`, from every bucket or from none; a refusal waits for the slowest of them.

    The sequences run side by side; `debts` may be left out.
    """
    owed = debts or (0,) * len(limits)
    held = tuple(map(_less_debt, levels, limits, owed, (now_us,) * len(limits)))
    left, grant = spend(held, limits, cost, now_us)
    if grant.allowed:
        return left, grant
    kept = tuple(
        now if debt else before for now, before, debt in zip(held, levels, owed, strict=True)
    )
    return kept, grant


def spend(
    held: Sequence[BucketLevel], limits: Sequence[Limit], cost: int, now_us: int
) -> tuple[tuple[BucketLevel, ...], Grant]:
    """The decision on buckets that are filled up to `now_us`, and what it leaves in them."""
    price = cost * MICRO
    # Every limited request comes through here: levels by position, lists rather than generators.
    short = [
        (limit, _seconds_until(level, limit, price, now_us))
        for limit, level in zip(limits, held, strict=True)
        if level[0] < price
    ]
    if not short:
        left = tuple([BucketLevel(tokens - price, at) for tokens, at in held])
        return left, Grant(
            allowed=True, states=_states(left, limits, now_us), retry_after_seconds=0.0
        )
    grant = Grant(
        allowed=False,
        states=_states(held, limits, now_us),
        retry_after_seconds=max(wait for _, wait in short),
        violated=tuple(limit.name for limit, _ in short),
    )
    return tuple(held), grant


def _states(
    levels: Sequence[BucketLevel], limits: Sequence[Limit], now_us: int
) -> tuple[LimitState, ...]:
    pairs = zip(levels, limits, strict=True)
    return tuple([_state(level, limit, now_us) for level, limit in pairs])


def retry_after_header(seconds: float) -> int:
    """Whole seconds for a Retry-After field: at least 1, and never too early (RFC 9110 §10.2.3)."""
    return max(1, math.ceil(seconds))


def _less_debt(level: BucketLevel | None, limit: Limit, debt: int, now_us: int) -> BucketLevel:
    tokens, at = filled(level, limit, now_us)
    return BucketLevel(max(tokens - debt * MICRO, -limit.quota * MICRO), at)


def _state(level: BucketLevel, limit: Limit, now_us: int) -> LimitState:
    remaining = max(level.microtokens, 0) // MICRO
    return LimitState(limit, remaining, _seconds_until(level, limit, limit.quota * MICRO, now_us))


def _seconds_until(level: BucketLevel, limit: Limit, microtokens: int, now_us: int) -> float:
    """How long from `now_us` until the bucket, left alone, holds `microtokens`."""
    missing = microtokens - level.microtokens
    if missing <= 0:
        return 0.0
    # ceil(missing x window / quota), taken apart as in `filled`.
    whole, rest = divmod(missing, limit.quota)
    mint_us = whole * limit.window_seconds - (-rest * limit.window_seconds // limit.quota)
    # A level from the future (the clock stepped back) waits for the clock first.
    return (level.at_microseconds - now_us + mint_us) / MICRO
