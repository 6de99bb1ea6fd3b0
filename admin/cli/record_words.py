"""How audit entries, events and checks are told."""

__all__ = ["audit_row", "event_row", "limit_row", "rule_row", "verify_details"]

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from admin.cli.times import told
from admin.wire.checks import LimitLeft, RuleDocument, VerifyDocument
from admin.wire.records import AuditDocument, EventDocument

_VALUE_LENGTH_MAX = 60


def audit_row(entry: AuditDocument, now: datetime) -> dict[str, str]:
    """An audit entry for a list: what differs is told as `name: before -> after`."""
    return {
        "no": str(entry.sequence),
        "when": told(entry.at, now),
        "who": f"{entry.actor_kind} {entry.actor_name}",
        "action": entry.action,
        "target": entry.target_id,
        "address": entry.address or "-",
        "what": _difference(entry.before or {}, entry.after or {}),
    }


def event_row(event: EventDocument, now: datetime) -> dict[str, str]:
    """An event for a list."""
    return {
        "no": str(event.sequence),
        "when": told(event.at, now),
        "event": event.kind,
        "account": event.account or "-",
        "key": event.key or "-",
        "data": ", ".join(f"{name}: {_value(value)}" for name, value in event.data.items()),
    }


def verify_details(verdict: VerifyDocument, now: datetime) -> Iterator[tuple[str, str]]:
    """What is known of a token that was verified, as names and values."""
    for name, value in (
        ("key", verdict.key),
        ("name", verdict.name),
        ("account", verdict.client_id),
        ("type", verdict.type),
        ("environment", verdict.environment),
        ("scopes", verdict.scope),
        ("route", verdict.route),
        ("expires", _told(verdict.exp, now)),
        ("valid from", _told(verdict.nbf, now)),
    ):
        if value is not None:
            yield name, value
    for limit in verdict.limits:
        yield "limit", f"{limit.name}: {_left(limit)} left"
    if verdict.retry_after is not None:
        yield "try again", f"in {verdict.retry_after} s"


def limit_row(limit: LimitLeft) -> dict[str, str]:
    """A limit and what is left of it."""
    return {
        "limit": limit.name,
        "left": _left(limit),
        "full again": f"in {limit.reset_in} s",
    }


def rule_row(rule: RuleDocument) -> dict[str, str]:
    """A rule with its outcome."""
    return {"rule": rule.rule, "outcome": rule.outcome.replace("_", " "), "detail": rule.detail}


def _difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    names = list(dict.fromkeys([*before, *after]))
    return ", ".join(_changed(name, before, after) for name in names)


def _changed(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    if name not in before:
        return f"{name}: {_value(after[name])}"
    return f"{name}: {_value(before[name])} -> {_value(after.get(name))}"


def _value(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _VALUE_LENGTH_MAX else f"{text[:_VALUE_LENGTH_MAX]}…"


def _left(limit: LimitLeft) -> str:
    return f"{limit.remaining} of {limit.quota} in {limit.window} s"


def _told(at_seconds: int | None, now: datetime) -> str | None:
    return None if at_seconds is None else told(datetime.fromtimestamp(at_seconds, UTC), now)
