"""Whether a key may be used at an instant, in an environment: the part of "no" that the key itself decides.

Apart from `keys`, which the refusals are built on.
"""

__all__ = ["good_span", "state_refusal"]

import math

from gateway.core.keys import ApiAccess, Environment, Key, KeyStatus
from gateway.core.refusal import Refusal


def state_refusal(key: Key, now: float, environment: Environment | None) -> Refusal | None:
    """Why the key may not be used at `now` (seconds since the epoch); None if it may.

    `environment` is the one the endpoint serves, None for both. Of several reasons the most lasting is
    told: a revoked key is never called expired. What expires now is expired.
    """
    if key.status is not KeyStatus.ACTIVE:
        is_revoked = key.status is KeyStatus.REVOKED
        return Refusal.REVOKED_KEY if is_revoked else Refusal.DISABLED_KEY
    if key.not_before is not None and now < key.not_before:
        return Refusal.NOT_YET_VALID
    if _is_past(key.expires_at, now) or _is_past(key.secret_expires_at, now):
        return Refusal.EXPIRED_KEY
    if environment is not None and key.environment is not environment:
        return Refusal.ENVIRONMENT_MISMATCH
    if key.account.api_access is not ApiAccess.APPROVED:
        return Refusal.API_ACCESS_DISABLED
    return None


def good_span(key: Key, environment: Environment | None) -> tuple[float, float]:
    """From when on, and until when (which is not included), `state_refusal` says None; an empty span if never."""
    ends = [end for end in (key.expires_at, key.secret_expires_at) if end is not None]
    begin = -math.inf if key.not_before is None else key.not_before
    end = min(ends, default=math.inf)
    if begin >= end or state_refusal(key, begin, environment) is not None:
        return math.inf, -math.inf
    return begin, end


def _is_past(moment: float | None, now: float) -> bool:
    return moment is not None and moment <= now
