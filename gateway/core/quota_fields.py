"""What answers say of quotas, beside the fields of limits (draft-ietf-httpapi-ratelimit-headers)."""

__all__ = ["QUOTA_FIELD", "quota_left", "quota_lines", "quota_policy", "quota_warning"]

from collections.abc import Sequence
from typing import Final

from gateway.core.limits import QuotaLevel

QUOTA_FIELD: Final = "X-Keywright-Quota"

# From so much of a quota on answers say so.
_WARN_PERCENT: Final = 75
_WHOLE: Final = 100


def quota_policy(level: QuotaLevel) -> str:
    """One item of RateLimit-Policy."""
    unit = f';qu="{level.unit}"' if level.unit else ""
    return f'"{level.name}";q={level.limit}{unit};w={level.window_seconds}'


def quota_left(level: QuotaLevel) -> str:
    """One item of RateLimit."""
    return f'"{level.name}";r={level.remaining};t={level.ends_in_seconds}'


def quota_warning(levels: Sequence[QuotaLevel]) -> str:
    """How near its end the nearest of the quotas is, in a word; empty while it is far."""
    if any(level.is_used_up for level in levels):
        return "exceeded"
    used = [_WHOLE * (level.limit - level.remaining) for level in levels]
    if any(some >= _WARN_PERCENT * level.limit for some, level in zip(used, levels, strict=True)):
        return "warning"
    return ""


def quota_lines(levels: Sequence[QuotaLevel], *, leaves_gap: bool) -> tuple[bytes, bytes]:
    """The field lines for these levels; what `remaining` of the first is may be put between the two parts."""
    policies = ", ".join(map(quota_policy, levels))
    warning = quota_warning(levels)
    head = f"RateLimit-Policy: {policies}\r\nRateLimit: "
    end = f"\r\n{QUOTA_FIELD}: {warning}\r\n" if warning else "\r\n"
    if not leaves_gap:
        return (head + ", ".join(map(quota_left, levels)) + end).encode(), b""
    first = levels[0]
    others = "".join([f", {quota_left(level)}" for level in levels[1:]])
    return (
        f'{head}"{first.name}";r='.encode(),
        f";t={first.ends_in_seconds}{others}{end}".encode(),
    )
