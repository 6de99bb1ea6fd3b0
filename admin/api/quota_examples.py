"""What the OpenAPI document shows of quotas: examples, and words for the fields."""

__all__ = ["ANSWERS", "BODIES", "QUERIES", "WORDS"]

from collections.abc import Mapping
from typing import Any, Final

_RAISE: Final[dict[str, Any]] = {
    "id": "raise_4mQxR7tLb2WkZc9P",
    "requests": 250000,
    "bytes": 0,
    "reason": "Launch week.",
    "created_at": "2026-03-19T14:02:00.000Z",
    "until": "2026-03-26T14:02:00.000Z",
}
_QUOTA: Final[dict[str, Any]] = {
    "account": "acc_1SyF1jNKGHKl3Wsk",
    "plan": "starter",
    "month": "2026-03",
    "starts_at": "2026-03-01T00:00:00.000Z",
    "ends_at": "2026-04-01T00:00:00.000Z",
    "at_limit": "refuse",
    "requests": {"limit": 1000000, "extra": 250000, "used": 800123, "remaining": 449877},
    "bytes": None,
    "raises": [_RAISE],
}
_CHANGED: Final[dict[str, Any]] = {
    "quota": _QUOTA,
    "raise_id": _RAISE["id"],
    "enforced": {"workers": 4, "acknowledged": 4, "ms": 11, "missing": [], "announced": True},
}

QUERIES: Final[Mapping[str, str]] = {"usage.billing": "?month=2026-03"}
BODIES: Final[Mapping[str, dict[str, Any]]] = {
    "quota.raise": {"requests": 250000, "lasts": "7d", "reason": "Launch week."},
    "quota.end_raise": {},
}
ANSWERS: Final[Mapping[str, dict[str, Any]]] = {
    "quota.show": _QUOTA,
    "quota.raise": _CHANGED,
    "quota.end_raise": _CHANGED,
    "usage.billing": {
        "rows": [
            {
                "account": "acc_1SyF1jNKGHKl3Wsk",
                "name": "Example GmbH",
                "plan": "starter",
                "month": "2026-03",
                "requests": 800123,
                "bytes_in": 10240000,
                "bytes_out": 734003200,
            }
        ],
        "next_cursor": None,
    },
}
WORDS: Final[Mapping[str, str]] = {
    "at_limit": "What happens once the quota is used up; null without one.",
    "extra": "What raises allow on top, at present.",
    "remaining": "How many or much is left of both.",
    "raises": "What is allowed on top at present, the first to end first.",
    "raise_id": "Which raise it was.",
    "month": "A calendar month in UTC, such as 2026-11.",
    "starts_at": "The month's first moment.",
    "ends_at": "The next month's first moment.",
    "lasts": "For how long from now: a whole number and s, m, h, d or w.",
    "until": "When it ends.",
    "BillingPage.rows": "In the order of the accounts' ids.",
    "PlanDocument.quota": "What an account may use in a month; null for any amount.",
    "PlanQuota.requests": "In a calendar month (UTC); null for any number.",
    "PlanQuota.bytes": "Bytes of bodies, both ways; null for any number.",
    "PlanQuota.at_limit": "What happens once the quota is used up.",
    "QuotaDocument.bytes": "Bytes of bodies, both ways; null for any number.",
    "QuotaUse.used": "How many or much so far, by Redis, or by the records while Redis is away.",
    "RaiseDocument.bytes": "How many bytes more.",
    "RaiseRequest.bytes": "How many bytes more.",
}
