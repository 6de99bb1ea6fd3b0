"""What requests about notifications, and the answers to them, look like."""

__all__ = ["ANSWERS", "BODIES", "IDS", "QUERIES"]

from collections.abc import Mapping
from typing import Any, Final

_AT: Final = "2026-03-14T07:12:55.210Z"
_ACCOUNT: Final = "acc_7Qm2xW4tLr9ZbN1c"
_KEY: Final = "key_Jw5Rk2nX8vB0qT4m"

IDS: Final[Mapping[str, str]] = {
    "channel_id": "chn_2Vb7nM4xQk9Zs1Tc",
    "delivery_id": "dlv_8Hd3pL6wRf0Ya5Ge",
}
_NOTICE: Final[dict[str, Any]] = {
    "sequence": 17,
    "at": _AT,
    "account": _ACCOUNT,
    "key": _KEY,
    "kind": "key.revoked",
    "severity": "warning",
    "title": "Key production-dns-sync was revoked",
    "text": f"Ada revoked the key production-dns-sync ({_KEY}) for good. Its requests are refused.",
    "is_read": False,
}
_CHANNEL: Final[dict[str, Any]] = {
    "id": IDS["channel_id"],
    "account": _ACCOUNT,
    "kind": "webhook",
    "name": "incident desk",
    "url": "https://hooks.example.com/keywright",
    "recipients": [],
    "events": ["key.*", "quota.*"],
    "severity": "info",
    "status": "active",
    "reason": None,
    "failures": 0,
    "failing_since": None,
    "delivered_at": _AT,
    "old_secret_ends_at": None,
    "created_at": "2026-03-01T09:00:00.000Z",
    "updated_at": "2026-03-01T09:00:00.000Z",
    "version": 1,
}
_DELIVERY: Final[dict[str, Any]] = {
    "id": IDS["delivery_id"],
    "channel": IDS["channel_id"],
    "event": 17,
    "kind": "key.revoked",
    "severity": "warning",
    "title": "Key production-dns-sync was revoked",
    "state": "delivered",
    "attempts": 1,
    "created_at": _AT,
    "next_attempt_at": None,
    "finished_at": "2026-03-14T07:12:55.480Z",
    "last_status": 204,
    "last_detail": "The receiver has taken it.",
}
_PENDING: Final[dict[str, Any]] = {
    **_DELIVERY,
    "state": "pending",
    "attempts": 0,
    "next_attempt_at": _AT,
    "finished_at": None,
    "last_status": None,
    "last_detail": None,
}
_BODY: Final[dict[str, Any]] = {
    "type": "key.revoked",
    "timestamp": _AT,
    "data": {
        "event": 17,
        "account": _ACCOUNT,
        "key": _KEY,
        "severity": "warning",
        "title": _NOTICE["title"],
        "text": _NOTICE["text"],
        "facts": {"name": "production-dns-sync", "by": "Ada"},
    },
}
_ATTEMPT: Final[dict[str, Any]] = {
    "number": 1,
    "at": "2026-03-14T07:12:55.480Z",
    "duration_ms": 84.2,
    "outcome": "delivered",
    "status": 204,
    "detail": "The receiver has taken it.",
}
# Not whole, so that no scanner takes it for a real one.
_SECRET: Final = "whsec_MfKQ9r8G…"  # noqa: S105

QUERIES: Final[Mapping[str, str]] = {
    "inbox.list": "?unread=true&severity=warning",
    "channels.list": "?kind=webhook",
    "channels.deliveries": "?state=failed",
}
BODIES: Final[Mapping[str, dict[str, Any]]] = {
    "inbox.read": {"up_to": 17},
    "channels.create": {
        "kind": "webhook",
        "name": "incident desk",
        "account": _ACCOUNT,
        "url": "https://hooks.example.com/keywright",
        "events": ["key.*", "quota.*"],
    },
    "channels.update": {"severity": "warning"},
    "channels.rotate": {"overlap": "24h"},
    "channels.test": {},
    "deliveries.replay": {},
}
ANSWERS: Final[Mapping[str, dict[str, Any]]] = {
    "inbox.list": {"notices": [_NOTICE], "unread": 1, "next_cursor": None},
    "inbox.read": {"unread": 0},
    "channels.list": {"channels": [_CHANNEL], "next_cursor": None},
    "channels.create": {**_CHANNEL, "delivered_at": None, "secret": _SECRET},
    "channels.show": _CHANNEL,
    "channels.update": {**_CHANNEL, "severity": "warning", "version": 2},
    "channels.delete": _CHANNEL,
    "channels.rotate": {
        **_CHANNEL,
        "old_secret_ends_at": "2026-03-15T07:12:55.210Z",
        "version": 2,
        "secret": _SECRET,
    },
    "channels.test": {
        **_PENDING,
        "event": None,
        "kind": "channel.trial",
        "severity": "info",
        "title": "A trial from Keywright",
    },
    "channels.deliveries": {"deliveries": [_DELIVERY], "next_cursor": None},
    "deliveries.show": {**_DELIVERY, "body": _BODY, "log": [_ATTEMPT]},
    "deliveries.replay": _PENDING,
}
