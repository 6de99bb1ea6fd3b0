"""What requests about alerts, and the answers to them, look like."""

__all__ = ["ANSWERS", "BODIES", "QUERIES"]

from collections.abc import Mapping
from typing import Any, Final

_ACCOUNT_ID: Final = "acc_7Qm2xW4tLr9ZbN1c"
_SETTINGS: Final[dict[str, Any]] = {
    "account": _ACCOUNT_ID,
    "thresholds": [50, 80, 100],
    "thresholds_chosen": True,
    "default_thresholds": [75, 90, 100],
    "kinds": {
        "quota.threshold": True,
        "quota.exceeded": True,
        "quota.forecast": True,
        "key.expiring": True,
        "key.rotation_due": True,
        "key.new_address": True,
        "key.many_refusals": True,
        "key.unused": False,
        "usage.sudden_rise": True,
    },
    "chosen": ["key.unused"],
    "version": 2,
}
_ALERT: Final[dict[str, Any]] = {
    "account": _ACCOUNT_ID,
    "key": None,
    "kind": "quota.threshold",
    "severity": "warning",
    "title": "80 % of the monthly quota used",
    "text": "Example GmbH has used 800,123 requests of 1,000,000 requests (80 %) in 2026-03.",
    "data": {"measure": "requests", "period": "2026-03", "used": 800123, "limit": 1000000},
    "told_at": "2026-03-19T14:02:00.000Z",
}

QUERIES: Final[Mapping[str, str]] = {"alerts.list": f"?account={_ACCOUNT_ID}&severity=warning"}
BODIES: Final[Mapping[str, dict[str, Any]]] = {
    "alerts.update": {"thresholds": [50, 80, 100], "kinds": {"key.unused": False}}
}
ANSWERS: Final[Mapping[str, dict[str, Any]]] = {
    "alerts.list": {"alerts": [_ALERT], "next_cursor": None},
    "alerts.show": _SETTINGS,
    "alerts.update": _SETTINGS,
}
