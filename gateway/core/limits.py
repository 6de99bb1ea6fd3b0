"""Token buckets: the arithmetic that `stores/bucket.lua` must agree with (design §5).

A bucket holds at most `quota` tokens and is refilled evenly over `window` seconds. Over every
interval T it lets through at most `quota + T x quota/window` requests. A refused request takes nothing.
"""

__all__ = ["Bucket", "BucketLevel", "CountedPer", "Grant", "Limit", "LimitState"]

from enum import StrEnum
from typing import NamedTuple


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


class Grant(NamedTuple):
    """The limiter's answer. `violated` names the limits that said no; it is empty when allowed."""

    allowed: bool
    states: tuple[LimitState, ...]
    retry_after_seconds: float
    violated: tuple[str, ...] = ()
    is_degraded: bool = False
