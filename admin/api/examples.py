"""What requests and answers look like, for the OpenAPI document and its page. A test holds each to its model."""

__all__ = ["ANSWERS", "BODIES", "IDS", "PROBLEM", "QUERIES"]

from collections.abc import Mapping
from typing import Any, Final

from admin.api import alert_examples, notification_examples, quota_examples, usage_examples

_AT = "2026-03-01T09:00:00.000Z"
_USED_AT = "2026-03-14T07:12:55.210Z"
_END = "2026-05-30T09:00:00.000Z"

IDS: Final[Mapping[str, str]] = {
    "account_id": "acc_7Qm2xW4tLr9ZbN1c",
    "user_id": "usr_3fV8kPq0YtD6hJ2s",
    "token_id": "tok_5hT2mXc9Qa1Z",
    "key_id": "key_Jw5Rk2nX8vB0qT4m",
    "secret_id": "9aB3xY7qLm2P",
    **notification_examples.IDS,
    "raise_id": "raise_4mQxR7tLb2WkZc9P",
}
_ACCOUNT_ID, _USER_ID, _TOKEN_ID, _KEY_ID, _SECRET_ID, *_ = IDS.values()

# Not whole, so that no scanner takes them for real ones.
_SECRET = "sk_live_9aB3…"  # noqa: S105
_ADMIN_TOKEN = "kwadmin_5hT2…"  # noqa: S105

_ACCOUNT: Final[dict[str, Any]] = {
    "id": _ACCOUNT_ID,
    "name": "Example GmbH",
    "plan": "starter",
    "status": "active",
    "api_access": "approved",
    "api_access_reason": None,
    "api_access_changed_at": _AT,
    "created_at": _AT,
    "updated_at": _AT,
    "version": 3,
}
_USER: Final[dict[str, Any]] = {
    "id": _USER_ID,
    "email": "ada@example.com",
    "name": "Ada",
    "role": "member",
    "account": _ACCOUNT_ID,
    "scopes": ["read-only"],
    "status": "active",
    "created_at": _AT,
    "updated_at": _AT,
    "version": 1,
}
_TOKEN: Final[dict[str, Any]] = {
    "id": _TOKEN_ID,
    "name": "deployment",
    "role": "admin",
    "account": None,
    "permissions": ["keys:read", "keys:write"],
    "created_at": _AT,
    "expires_at": _END,
    "revoked_at": None,
}
_LAST_USE: Final[dict[str, Any]] = {"at": _USED_AT, "address": "203.0.113.7", "route": "dns"}
_KEY: Final[dict[str, Any]] = {
    "id": _KEY_ID,
    "account": _ACCOUNT_ID,
    "owner": None,
    "name": "production-dns-sync",
    "type": "sk",
    "environment": "live",
    "status": "active",
    "state": "active",
    "scopes": ["read-write"],
    "effective_scopes": ["read-write"],
    "created_at": _AT,
    "updated_at": _AT,
    "not_before": None,
    "expires_at": _END,
    "revoked_at": None,
    "deleted_at": None,
    "allowed_ips": ["203.0.113.0/24"],
    "allowed_origins": [],
    "limits": [{"name": "default", "quota": 100, "window": 60, "per": "key"}],
    "metadata": {"team": "platform"},
    "secrets": [
        {
            "id": _SECRET_ID,
            "shown": "sk_live_9aB3…",
            "created_at": _AT,
            "expires_at": None,
            "revoked_at": None,
            "replaced_at": None,
            "until_unused": False,
            "last_used": _LAST_USE,
            "uses": 1204,
            "used_by": [],
        }
    ],
    "last_used": _LAST_USE,
    "rotation_due": False,
    "warnings": [],
    "version": 7,
}
_RECEIPT: Final[dict[str, Any]] = {
    "workers": 4,
    "acknowledged": 4,
    "ms": 11,
    "missing": [],
    "announced": True,
}
_PAIR: Final[dict[str, Any]] = {"secret": _SECRET, "api_key": _SECRET_ID, "api_secret": "kT0…"}
_ACCOUNT_CHANGED: Final[dict[str, Any]] = {**_ACCOUNT, "enforced": _RECEIPT}
_KEY_CHANGED: Final[dict[str, Any]] = {**_KEY, "enforced": _RECEIPT}
_KEY_ROTATED: Final[dict[str, Any]] = {**_KEY, **_PAIR, "enforced": None}
_HASHED: Final[dict[str, Any]] = {
    "id": _SECRET_ID,
    "token_hash": "$argon2id$…",
    "cost_class": "generated",
    "digests": [],
    "created_at": _AT,
    "expires_at": None,
    "revoked_at": None,
}
_EXPORTED: Final[dict[str, Any]] = {
    "number": 1,
    "account": _ACCOUNT_ID,
    "name": "production-dns-sync",
    "id": _KEY_ID,
    "account_name": "Example GmbH",
    "plan": "starter",
    "type": "sk",
    "environment": "live",
    "status": "active",
    "scopes": ["read-write"],
    "not_before": None,
    "expires_at": None,
    "allowed_ips": [],
    "allowed_origins": [],
    "limits": [],
    "metadata": {},
    "secrets": [_HASHED],
}
_LEFT: Final[dict[str, Any]] = {
    "name": "default",
    "quota": 1000,
    "window": 60,
    "remaining": 940,
    "reset_in": 4,
}
_AUDITED: Final[dict[str, Any]] = {
    "sequence": 42,
    "at": _AT,
    "actor_kind": "token",
    "actor_id": _TOKEN_ID,
    "actor_name": "deployment",
    "address": "192.0.2.10",
    "request_id": "3f74f560f31d699dbc4f20e06ac9d802",
    "action": "key.update",
    "target_kind": "key",
    "target_id": _KEY_ID,
    "account": _ACCOUNT_ID,
    "before": {"name": "key1"},
    "after": {"name": "production-dns-sync"},
    "hash": "9f2c…",
}

QUERIES: Final[Mapping[str, str]] = {
    "accounts.list": "?q=example&limit=20",
    "users.list": f"?account={_ACCOUNT_ID}",
    "keys.list": "?state=active&unused_for=90d&sort=last_used",
    "keys.export": "?limit=200",
    **usage_examples.QUERIES,
    **alert_examples.QUERIES,
    **quota_examples.QUERIES,
    **notification_examples.QUERIES,
    "audit.list": f"?target={_KEY_ID}",
    "events.list": "?after=0",
}

BODIES: Final[Mapping[str, dict[str, Any]]] = {
    "accounts.create": {"name": "Example GmbH", "plan": "starter"},
    "accounts.update": {"status": "suspended"},
    "access.request": {"note": "We sync our zones every night."},
    "access.approve": {"reason": "Contract signed."},
    "access.deny": {"reason": "No contract yet."},
    "access.disable": {"reason": "Abuse report 17."},
    "users.create": {
        "email": "ada@example.com",
        "name": "Ada",
        "role": "member",
        "account": _ACCOUNT_ID,
    },
    "users.update": {"scopes": ["read-only"]},
    "tokens.create": {
        "name": "deployment",
        "role": "admin",
        "permissions": ["keys:read", "keys:write"],
        "expires_in": "90d",
    },
    "tokens.revoke": {},
    "keys.create": {
        "account": _ACCOUNT_ID,
        "name": "production-dns-sync",
        "scopes": ["read-write"],
        "expires_in": "90d",
    },
    "keys.import": {
        "lines": [{"number": 1, "account": _ACCOUNT_ID, "name": "old-billing", "value": "s3cr…"}],
        "dry_run": True,
    },
    "keys.update": {"name": "production-dns-sync", "allowed_ips": ["203.0.113.0/24"]},
    "keys.disable": {},
    "keys.enable": {},
    "keys.rotate": {"overlap": "24h"},
    "keys.regenerate": {},
    "keys.revoke": {},
    "keys.end_secret": {},
    **alert_examples.BODIES,
    **quota_examples.BODIES,
    **notification_examples.BODIES,
    "verify": {"token": _SECRET, "method": "GET", "path": "/v1/dns/zones"},
    "explain": {"key_id": _KEY_ID, "method": "DELETE", "path": "/v1/dns/zones/7"},
}

ANSWERS: Final[Mapping[str, dict[str, Any]]] = {
    "me": {
        "kind": "token",
        "id": _TOKEN_ID,
        "name": "deployment",
        "role": "admin",
        "account": None,
        "permissions": ["keys:read", "keys:write"],
    },
    "accounts.list": {"accounts": [_ACCOUNT], "next_cursor": None},
    "accounts.create": _ACCOUNT,
    "accounts.show": _ACCOUNT,
    "accounts.update": {**_ACCOUNT_CHANGED, "status": "suspended", "version": 4},
    "access.request": {**_ACCOUNT, "api_access": "requested", "enforced": None},
    "access.approve": _ACCOUNT_CHANGED,
    "access.deny": {**_ACCOUNT_CHANGED, "api_access": "denied"},
    "access.disable": {**_ACCOUNT_CHANGED, "api_access": "disabled"},
    "users.list": {"users": [_USER], "next_cursor": None},
    "users.create": _USER,
    "users.show": _USER,
    "users.update": {**_USER, "enforced": _RECEIPT, "version": 2},
    "tokens.list": {"tokens": [_TOKEN], "next_cursor": None},
    "tokens.create": {**_TOKEN, "secret": _ADMIN_TOKEN},
    "tokens.show": _TOKEN,
    "tokens.revoke": {**_TOKEN, "revoked_at": _USED_AT},
    "keys.list": {"keys": [_KEY], "next_cursor": None},
    "keys.create": {**_KEY, **_PAIR, "version": 1},
    "keys.import": {
        "results": [{"number": 1, "outcome": "created", "key": _KEY_ID, "problem": None}]
    },
    "keys.export": {"lines": [_EXPORTED], "next_cursor": None},
    "keys.show": _KEY,
    "keys.update": _KEY_CHANGED,
    "keys.delete": {
        **_KEY_CHANGED,
        "status": "revoked",
        "state": "revoked",
        "deleted_at": _USED_AT,
    },
    "keys.disable": {**_KEY_CHANGED, "status": "disabled", "state": "disabled"},
    "keys.enable": _KEY_CHANGED,
    "keys.rotate": _KEY_ROTATED,
    "keys.regenerate": {**_KEY_ROTATED, "enforced": _RECEIPT},
    "keys.revoke": {
        **_KEY_CHANGED,
        "status": "revoked",
        "state": "revoked",
        "revoked_at": _USED_AT,
    },
    "keys.end_secret": _KEY_CHANGED,
    **usage_examples.ANSWERS,
    **alert_examples.ANSWERS,
    **quota_examples.ANSWERS,
    **notification_examples.ANSWERS,
    "plans.list": {
        "plans": [
            {
                "name": "starter",
                "limits": [{"name": "default", "quota": 1000, "window": 60, "per": "key"}],
                "member_scopes": ["read-only"],
                "monthly_quota": 1000000,
                "quota": {"requests": 1000000, "bytes": 53687091200, "at_limit": "refuse"},
            }
        ],
        "scopes": [{"name": "read-only", "rules": [{"methods": ["GET", "HEAD", "OPTIONS"]}]}],
        "default_plan": "starter",
    },
    "audit.list": {"entries": [_AUDITED], "next_cursor": None},
    "audit.verify": {
        "ok": True,
        "entries": 42,
        "head_sequence": 42,
        "head_hash": "9f2c…",
        "broken_at": None,
        "problem": None,
    },
    "events.list": {
        "events": [
            {
                "sequence": 17,
                "at": _AT,
                "kind": "key.rotated",
                "account": _ACCOUNT_ID,
                "key": _KEY_ID,
                "data": {},
            }
        ],
        "last_sequence": 17,
    },
    "verify": {
        "active": True,
        "code": None,
        "reason": None,
        "key": _KEY_ID,
        "name": "production-dns-sync",
        "client_id": _ACCOUNT_ID,
        "scope": "read-write",
        "type": "sk",
        "environment": "live",
        "route": "dns",
        "exp": 1780131600,
        "nbf": None,
        "limits": [_LEFT],
        "retry_after": None,
    },
    "explain": {
        "key": _KEY_ID,
        "allowed": False,
        "status": 403,
        "code": "insufficient_scope",
        "route": "dns",
        "rules": [
            {
                "rule": "scope",
                "outcome": "refuse",
                "code": "insufficient_scope",
                "detail": "None of its scopes allows DELETE on the route 'dns'.",
            }
        ],
        "limits": [_LEFT],
    },
}

PROBLEM: Final[dict[str, Any]] = {
    "title": "Invalid request",
    "status": 422,
    "detail": "See 'errors' for what is wrong, field by field.",
    "code": "invalid_request",
    "request_id": "3f74f560f31d699dbc4f20e06ac9d802",
    "errors": [
        {"field": "limits.0.quota", "message": "Input should be greater than or equal to 1"}
    ],
}
