"""What is typed about a key, as the admin API wants to be asked. Pure; whether it can be is decided there."""

__all__ = ["EXPIRIES", "OVERLAPS", "changed_key", "listed_keys", "new_key"]

from collections.abc import Mapping
from typing import Any, Final

from admin.console.form import Form
from admin.wire.keys import KeyDocument

# By which a browser says that a box group, a field for a day or one for limits was there at all.
ON_A_DAY: Final = "on"

EXPIRIES: Final = (
    ("", "Never"),
    ("30d", "In 30 days"),
    ("90d", "In 90 days"),
    ("365d", "In a year"),
    (ON_A_DAY, "On a day of your choice"),
)
OVERLAPS: Final = (
    ("0s", "None: the old secret ends at once"),
    ("1h", "1 hour"),
    ("24h", "24 hours"),
    ("7d", "7 days"),
    ("30d", "30 days"),
    ("until_unused", "Until nobody uses the old secret any more"),
)

_FILTERS: Final = (
    "q",
    "account",
    "owner",
    "state",
    "type",
    "environment",
    "unused_for",
    "older_than",
    "expiring_in",
    "sort",
    "cursor",
)


def listed_keys(query: Mapping[str, str], size: int) -> dict[str, Any]:
    """Which keys the reader wants to see, from the address of the page; what is not chosen is left out."""
    asked: dict[str, Any] = {
        name: text for name in _FILTERS if (text := query.get(name, "").strip())
    }
    if query.get("deleted"):
        asked["deleted"] = True
    return {**asked, "limit": size}


def new_key(form: Form, account: str) -> dict[str, Any]:
    """The body of `keys.create`."""
    body: dict[str, Any] = {
        "account": account,
        "name": form.text("name"),
        "type": form.text("type") or "sk",
        "environment": form.text("environment") or "live",
        "scopes": form.all("scopes"),
        "allowed_ips": form.lines("allowed_ips"),
        "allowed_origins": form.lines("allowed_origins"),
        "limits": _limits(form),
    }
    expiry = form.text("expiry")
    if expiry == ON_A_DAY:
        body["expires_at"] = _start_of(form.text("expires_on"))
    elif expiry:
        body["expires_in"] = expiry
    return body


def changed_key(form: Form, key: KeyDocument) -> dict[str, Any]:
    """The body of `keys.update`: what differs from `key` alone, so that nothing is written that nobody changed."""
    wanted: dict[str, Any] = {
        "name": form.text("name"),
        "scopes": form.all("scopes"),
        "allowed_ips": form.lines("allowed_ips"),
        "allowed_origins": form.lines("allowed_origins"),
    }
    present: dict[str, Any] = {
        "name": key.name,
        "scopes": list(key.scopes),
        "allowed_ips": list(key.allowed_ips),
        "allowed_origins": list(key.allowed_origins),
    }
    # A key may hold a scope that the configuration does not offer any more: no box shows it, none takes it away.
    wanted["scopes"] += [one for one in form.all("kept_scopes") if one not in wanted["scopes"]]
    present["scopes"].sort()
    wanted["scopes"].sort()
    body = {name: value for name, value in wanted.items() if value != present[name]}
    day = form.text("expires_on")
    if day != expires_on(key):
        body["expires_at"] = _start_of(day) if day else None
    if form.has("quota") and (limits := _limits(form)) != _limits_of(key):
        body["limits"] = limits
    return body


def expires_on(key: KeyDocument) -> str:
    """The day at whose beginning, or during which, the key expires; empty for never."""
    return "" if key.expires_at is None else f"{key.expires_at:%Y-%m-%d}"


def _start_of(day: str) -> str:
    return f"{day}T00:00:00Z"


def _limits(form: Form) -> list[dict[str, Any]]:
    quota, window = form.number("quota"), form.number("window")
    if quota is None and window is None:
        return []
    # One without the other is told by the field that is missing.
    given = {"name": "default", "quota": quota, "window": window}
    return [{name: value for name, value in given.items() if value is not None}]


def _limits_of(key: KeyDocument) -> list[dict[str, Any]]:
    return [{"name": one.name, "quota": one.quota, "window": one.window} for one in key.limits]
