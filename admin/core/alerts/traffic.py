"""Requests: keys that are refused again and again, accounts whose traffic rises at once."""

__all__ = [
    "RefusalTerms",
    "Rise",
    "RiseTerms",
    "Tally",
    "latest_rise",
    "refusal_finding",
    "rise_finding",
]

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from admin.core.alerts.kinds import Alert, AlertKind, Finding, Rule, Severity, Subject
from admin.core.alerts.ladder import Look, Step

# How much more it has to be until it is told again.
_TENFOLD: Final = (1, 10, 100, 1000)
_DOUBLED: Final = (1, 2, 4, 8, 16)
_HISTORY_HOURS_MIN: Final = 24
_HOUR: Final = 3600


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of a key's requests in the last while; `reasons` are the refusals' codes, the most frequent first."""

    account_id: str
    key_id: str
    name: str
    requests: int
    refused: int
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RefusalTerms:
    """At least so many refused within `window_seconds`, and at least so many of a hundred."""

    count_min: int = 100
    percent_min: int = 50
    window_seconds: int = 900


@dataclass(frozen=True, slots=True)
class Rise:
    """An account's requests in its latest hour, beside the hours before: all of them together, and the busiest."""

    account_id: str
    name: str
    count: int
    before: int
    hours_before: int
    busiest: int


@dataclass(frozen=True, slots=True)
class RiseTerms:
    """So many times the average, and at least so many requests in an hour."""

    factor: int = 5
    count_min: int = 1000


def refusal_finding(tally: Tally, terms: RefusalTerms, now_us: int) -> Finding | None:
    """Whether a key's requests are mostly refused; None where it is neither so nor over."""
    share = tally.refused * 100 // max(tally.requests, 1)
    if terms.percent_min // 2 <= share < terms.percent_min:
        return None
    value = tally.refused if share >= terms.percent_min else 0
    return Finding(
        Subject(tally.account_id, tally.key_id, Rule.REFUSALS),
        tuple(
            Step(terms.count_min * times, (terms.count_min * times + 1) // 2) for times in _TENFOLD
        ),
        Look(now_us, "", value),
        partial(_refused, tally, terms, share),
    )


def latest_rise(account_id: str, name: str, hours: Mapping[int, int], now: float) -> Rise:
    """The busier one of the present hour and the one before it, beside all that came before that.

    `hours` has the requests of each hour, by its beginning in seconds; an hour that is not there had none.
    """
    present = int(now) // _HOUR * _HOUR
    at = max(present, present - _HOUR, key=lambda hour: hours.get(hour, 0))
    before = {hour: count for hour, count in hours.items() if hour < at}
    return Rise(
        account_id,
        name,
        hours.get(at, 0),
        sum(before.values()),
        (at - min(before, default=at)) // _HOUR,
        max(before.values(), default=0),
    )


def rise_finding(rise: Rise, terms: RiseTerms, now_us: int) -> Finding | None:
    """Whether an account's traffic is many times what it was; None where nobody can tell, or nothing is new.

    A job that runs once a day is no rise: the hour must be the busiest of those that are known.
    """
    if rise.hours_before < _HISTORY_HOURS_MIN or not rise.before:
        return None
    percent = rise.count * 100 * rise.hours_before // rise.before
    value = percent if rise.count >= terms.count_min else 0
    first = terms.factor * 100
    if rise.count <= rise.busiest and value >= first // 2:
        return None
    return Finding(
        Subject(rise.account_id, "", Rule.RISE),
        tuple(Step(first * times, first * times // 2) for times in _DOUBLED),
        Look(now_us, "", value),
        partial(_rises, rise, percent),
    )


def _refused(tally: Tally, terms: RefusalTerms, share: int, _crossed: tuple[int, ...]) -> Alert:
    minutes = max(terms.window_seconds // 60, 1)
    why = f", mostly as {tally.reasons[0]}" if tally.reasons else ""
    return Alert(
        AlertKind.KEY_MANY_REFUSALS,
        Severity.WARNING,
        "Many requests of a key are refused",
        f"Of the key '{tally.name}', {tally.refused:,} of {tally.requests:,} requests ({share} %) were"
        f" refused within {minutes} minutes{why}.",
        {
            "key_name": tally.name,
            "requests": tally.requests,
            "refused": tally.refused,
            "percent": share,
            "reasons": list(tally.reasons),
            "window_seconds": terms.window_seconds,
        },
    )


def _rises(rise: Rise, percent: int, _crossed: tuple[int, ...]) -> Alert:
    usual = rise.before // rise.hours_before
    return Alert(
        AlertKind.USAGE_SUDDEN_RISE,
        Severity.WARNING,
        f"Traffic is {percent // 100} times what it was",
        f"{rise.name} made {rise.count:,} requests within the hour; on average it was {usual:,} an hour"
        f" before, and {rise.busiest:,} in the busiest.",
        {
            "requests": rise.count,
            "usual": usual,
            "busiest": rise.busiest,
            "times": percent // 100,
        },
    )
