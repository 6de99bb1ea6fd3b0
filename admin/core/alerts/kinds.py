"""The kinds of alerts, and what each is told with."""

__all__ = ["Alert", "AlertKind", "Finding", "Rule", "Severity", "Subject"]

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from admin.core.alerts.ladder import Look, Step
from admin.core.notices.severity import Severity


class AlertKind(StrEnum):
    """What an account can switch on and off, and the kind of the event that tells it."""

    QUOTA_THRESHOLD = "quota.threshold"
    QUOTA_EXCEEDED = "quota.exceeded"
    QUOTA_FORECAST = "quota.forecast"
    KEY_EXPIRING = "key.expiring"
    KEY_ROTATION_DUE = "key.rotation_due"
    KEY_NEW_ADDRESS = "key.new_address"
    KEY_MANY_REFUSALS = "key.many_refusals"
    KEY_UNUSED = "key.unused"
    USAGE_SUDDEN_RISE = "usage.sudden_rise"


class Rule(StrEnum):
    """One ladder of one account or key: what is remembered under it."""

    QUOTA_REQUESTS = "quota.requests"
    QUOTA_BYTES = "quota.bytes"
    FORECAST_REQUESTS = "forecast.requests"
    FORECAST_BYTES = "forecast.bytes"
    EXPIRING = "expiring"
    ROTATION = "rotation"
    UNUSED = "unused"
    NEW_ADDRESS = "new_address"
    REFUSALS = "refusals"
    RISE = "rise"


class Subject(NamedTuple):
    """Whose ladder it is: a key's, or with an empty `key_id` the account's."""

    account_id: str
    key_id: str
    rule: Rule


@dataclass(frozen=True, slots=True)
class Alert:
    """What is told: a few words, a sentence or two, and the same as plain `facts` for programs."""

    kind: AlertKind
    severity: Severity
    title: str
    text: str
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finding:
    """A look at one subject. `alert` words what is told of the steps that were crossed."""

    subject: Subject
    steps: tuple[Step, ...]
    look: Look
    alert: Callable[[tuple[int, ...]], Alert]
