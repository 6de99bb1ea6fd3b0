"""What requests about usage, and the answers to them, look like."""

__all__ = ["ANSWERS", "QUERIES"]

from collections.abc import Mapping
from typing import Any, Final

_REQUEST: Final[dict[str, Any]] = {
    "at": "2026-03-14T07:12:55.210Z",
    "key": "key_Jw5Rk2nX8vB0qT4m",
    "account": "acc_7Qm2xW4tLr9ZbN1c",
    "secret_id": "9aB3xY7qLm2P",
    "request_id": "3f74f560f31d699dbc4f20e06ac9d802",
    "method": "GET",
    "path": "/v1/dns/zones",
    "route": "dns",
    "status": 200,
    "outcome": "served",
    "duration_ms": 12.4,
    "bytes_in": 0,
    "bytes_out": 5120,
    "address": "203.0.113.7",
}
_PAGE: Final[dict[str, Any]] = {"requests": [_REQUEST], "next_cursor": None}

QUERIES: Final[Mapping[str, str]] = {
    "keys.requests": "?since=24h&status=4xx",
    "accounts.requests": "?since=2026-03-14T07:00:00Z&route=dns&limit=20",
}
ANSWERS: Final[Mapping[str, dict[str, Any]]] = {
    "keys.requests": _PAGE,
    "accounts.requests": _PAGE,
}
