"""What requests about usage, and the answers to them, look like."""

__all__ = ["ANSWERS", "LINES", "QUERIES"]

import json
from collections.abc import Mapping
from typing import Any, Final

from admin.wire.streams import CSV, EVENTS, JSONL

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
_FIGURES: Final[dict[str, Any]] = {
    "requests": 1204,
    "refused": 3,
    "bytes_in": 0,
    "bytes_out": 6164480,
    "mean_ms": 14.1,
    "p50_ms": 12.2,
    "p95_ms": 31.9,
    "p99_ms": 80.4,
}
_NONE: Final[dict[str, Any]] = {
    **dict.fromkeys(_FIGURES, 0),
    **dict.fromkeys(("mean_ms", "p50_ms", "p95_ms", "p99_ms"), None),
}
_PAGE: Final[dict[str, Any]] = {"requests": [_REQUEST], "next_cursor": None}
_USAGE: Final[dict[str, Any]] = {
    "from": "2026-03-13T00:00:00.000Z",
    "to": "2026-03-15T00:00:00.000Z",
    "step": "day",
    "totals": _FIGURES,
    "series": [
        {"at": "2026-03-13T00:00:00.000Z", **_NONE, "statuses": {}},
        {"at": "2026-03-14T00:00:00.000Z", **_FIGURES, "statuses": {"2xx": 1201, "4xx": 3}},
    ],
    "by_route": [{"name": "dns", **_FIGURES}],
    "by_outcome": [
        {"name": "served", **_FIGURES, "requests": 1201, "refused": 0},
        {"name": "rate_limited", **_FIGURES, "requests": 3, "bytes_out": 1530},
    ],
    "by_status": [
        {"name": "2xx", **_FIGURES, "requests": 1201, "refused": 0},
        {"name": "4xx", **_FIGURES, "requests": 3, "bytes_out": 1530},
    ],
}

_CSV: Final = (
    ",".join(_REQUEST) + "\r\n" + ",".join(str(value) for value in _REQUEST.values()) + "\r\n"
)
_JSON: Final = json.dumps(_REQUEST, separators=(",", ":"))
# What is sent piece by piece, by its media type.
LINES: Final[Mapping[str, str]] = {
    CSV: _CSV,
    JSONL: _JSON + "\n",
    EVENTS: f"retry: 1000\n: nothing new\nid: 4711\n\nid: 4712\nevent: request\ndata: {_JSON}\n\n",
}
QUERIES: Final[Mapping[str, str]] = {
    "keys.requests": "?since=24h&status=4xx",
    "keys.usage": "?from=30d&step=day",
    "accounts.usage": "?from=2026-03-13T00:00:00Z&to=2026-03-15T00:00:00Z",
    "usage.show": "?from=24h&status=5xx",
    "keys.export_requests": "?format=jsonl&since=30d",
    "accounts.export_requests": "?since=2026-03-01T00:00:00Z&until=2026-04-01T00:00:00Z",
    "keys.tail_requests": "?status=5xx",
    "accounts.requests": "?since=2026-03-14T07:00:00Z&route=dns&limit=20",
}
ANSWERS: Final[Mapping[str, dict[str, Any]]] = {
    "keys.requests": _PAGE,
    "accounts.requests": _PAGE,
    "keys.usage": _USAGE,
    "accounts.usage": _USAGE,
    "usage.show": _USAGE,
}
