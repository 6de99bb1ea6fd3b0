"""Quotas: how much of one is used, and on which day it runs out."""

__all__ = ["HISTORY_SECONDS_MIN", "Meter", "Pace", "forecast_finding", "quota_finding"]

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from admin.core.alerts.figures import Measure, amount, day, moment, month_end
from admin.core.alerts.kinds import Alert, AlertKind, Finding, Rule, Severity, Subject
from admin.core.alerts.ladder import Look, Step

# With less behind it, an hour of tests would be taken for how it goes on.
HISTORY_SECONDS_MIN: Final = 86_400.0

_FULL: Final = 100
_SLACK: Final = 5
# Percent of the quota that will be used by the end of the month.
_FORECASTS: Final = (100, 125, 150, 200, 300, 500)
_FORECAST_SLACK: Final = 10


@dataclass(frozen=True, slots=True)
class Meter:
    """How an account stands with one quota in a calendar month, `2026-11`. `name` is the account's."""

    account_id: str
    name: str
    measure: Measure
    period: str
    used: int
    limit: int

    @property
    def percent(self) -> int:
        """What is used of it, in whole percents, rounded down."""
        return self.used * 100 // max(self.limit, 1)


@dataclass(frozen=True, slots=True)
class Pace:
    """What an account has used in the last `seconds`."""

    count: int
    seconds: float


def quota_finding(meter: Meter, thresholds: Sequence[int], now_us: int) -> Finding:
    """How far a quota is used, against the account's thresholds in percent."""
    rule = Rule.QUOTA_REQUESTS if meter.measure == "requests" else Rule.QUOTA_BYTES
    return Finding(
        Subject(meter.account_id, "", rule),
        tuple(Step(percent, max(percent - _SLACK, 0)) for percent in thresholds),
        Look(now_us, meter.period, meter.percent),
        partial(_used, meter),
    )


def forecast_finding(meter: Meter, pace: Pace, now: float) -> Finding | None:
    """Whether the quota lasts until the month's end at this pace; None where nobody can tell yet.

    What is used up already is no forecast any more: its alert ends.
    """
    if pace.seconds < HISTORY_SECONDS_MIN:
        return None
    rule = Rule.FORECAST_REQUESTS if meter.measure == "requests" else Rule.FORECAST_BYTES
    expected = meter.used + pace.count * (month_end(now) - now) / pace.seconds
    value = 0 if meter.used >= meter.limit else int(expected * 100 / max(meter.limit, 1))
    return Finding(
        Subject(meter.account_id, "", rule),
        tuple(Step(percent, percent - _FORECAST_SLACK) for percent in _FORECASTS),
        Look(round(now * 1_000_000), meter.period, value),
        partial(_runs_out, meter, pace, now),
    )


def _used(meter: Meter, crossed: tuple[int, ...]) -> Alert:
    is_exceeded = crossed[-1] >= _FULL
    used, limit = amount(meter.measure, meter.used), amount(meter.measure, meter.limit)
    title = "Monthly quota used up" if is_exceeded else f"{crossed[-1]} % of the monthly quota used"
    return Alert(
        AlertKind.QUOTA_EXCEEDED if is_exceeded else AlertKind.QUOTA_THRESHOLD,
        Severity.CRITICAL if is_exceeded else Severity.WARNING,
        title,
        f"{meter.name} has used {used} of {limit} ({meter.percent} %) in {meter.period}.",
        {
            "measure": meter.measure,
            "period": meter.period,
            "used": meter.used,
            "limit": meter.limit,
            "percent": meter.percent,
            "threshold": crossed[-1],
            "crossed": list(crossed),
        },
    )


def _runs_out(meter: Meter, pace: Pace, now: float, crossed: tuple[int, ...]) -> Alert:
    at = now + (meter.limit - meter.used) * pace.seconds / max(pace.count, 1)
    limit, used = amount(meter.measure, meter.limit), amount(meter.measure, meter.used)
    return Alert(
        AlertKind.QUOTA_FORECAST,
        Severity.WARNING,
        f"Monthly quota runs out on {day(at)}",
        f"{meter.name} has used {used} of {limit} in {meter.period}. At the pace of the last"
        f" {_days(pace.seconds)}, the rest lasts until {day(at)}, not to the end of the month.",
        {
            "measure": meter.measure,
            "period": meter.period,
            "used": meter.used,
            "limit": meter.limit,
            "runs_out_at": moment(at),
            "expected_percent": crossed[-1],
        },
    )


def _days(seconds: float) -> str:
    days = max(round(seconds / 86_400), 1)
    return "day" if days == 1 else f"{days} days"
