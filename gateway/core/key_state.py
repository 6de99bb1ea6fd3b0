"""Whether a key may be used at an instant, in an environment: the part of "no" that the key itself decides.

Apart from `keys`, which the refusals are built on.
"""

__all__ = ["state_refusal"]

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


def _is_past(moment: float | None, now: float) -> bool:
    return moment is not None and moment <= now
