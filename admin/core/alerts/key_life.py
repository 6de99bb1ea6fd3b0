"""Keys that end soon, whose secret is old, or that nobody uses."""

__all__ = ["KeyTerms", "WatchedKey", "key_findings"]

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from admin.core.alerts.figures import day, moment
from admin.core.alerts.kinds import Alert, AlertKind, Finding, Rule, Severity, Subject
from admin.core.alerts.ladder import Look, Step

_DAY_US: Final = 86_400_000_000
_HOUR_US: Final = 3_600_000_000
_WEEK_US: Final = 7 * _DAY_US
_ONCE: Final = (Step(0, 0),)


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedKey:
    """What is looked at of a key. Times are microseconds since the epoch; `used_day` is a day, 0 for never.

    `secret_id` and `secret_us` are of its newest living secret, None if there is none.
    """

    id: str
    account_id: str
    name: str
    is_active: bool
    created_us: int
    expires_us: int | None = None
    used_day: int = 0
    secret_id: str | None = None
    secret_us: int = 0


@dataclass(frozen=True, slots=True)
class KeyTerms:
    """How long before its expiry a key is told of, and how old or unused is too much; in microseconds.

    What was unused or due before `begun_us`, when alerts first ran, is not told one by one.
    """

    expiring_us: Sequence[int] = (30 * _DAY_US, 7 * _DAY_US, _DAY_US)
    unused_us: int = 90 * _DAY_US
    rotation_us: int = 90 * _DAY_US
    begun_us: int = 0


def key_findings(key: WatchedKey, terms: KeyTerms, now_us: int) -> Iterator[Finding]:
    """Everything there is to look at in a key; nothing for one that is not in use any more."""
    is_over = key.expires_us is not None and key.expires_us <= now_us
    if not key.is_active or is_over:
        return
    if key.expires_us is not None:
        yield _expiry(key, key.expires_us, terms, now_us)
    # The last day counts to its end: it is not known when on it the key was used.
    unused_since = (key.used_day + 1) * _DAY_US if key.used_day else key.created_us
    unused = _due(key, Rule.UNUSED, unused_since + terms.unused_us, terms, now_us)
    if unused is not None:
        yield Finding(
            *unused, Look(now_us, str(key.used_day), now_us - unused_since - terms.unused_us),
            partial(_unused, key, terms.unused_us),
        )  # fmt: skip
    if key.secret_id is None:
        return
    rotation = _due(key, Rule.ROTATION, key.secret_us + terms.rotation_us, terms, now_us)
    if rotation is not None:
        yield Finding(
            *rotation, Look(now_us, key.secret_id, now_us - key.secret_us - terms.rotation_us),
            partial(_rotation, key, now_us),
        )  # fmt: skip


def _due(
    key: WatchedKey, rule: Rule, due_us: int, terms: KeyTerms, now_us: int
) -> tuple[Subject, tuple[Step, ...]] | None:
    if due_us < terms.begun_us <= now_us:
        return None
    return Subject(key.account_id, key.id, rule), _ONCE


def _expiry(key: WatchedKey, expires_us: int, terms: KeyTerms, now_us: int) -> Finding:
    # Who makes a key for a week knows that it ends within a month: only what it has ever been away from counts.
    ahead = [before for before in terms.expiring_us if before < expires_us - key.created_us]
    return Finding(
        Subject(key.account_id, key.id, Rule.EXPIRING),
        tuple(Step(-before, -before) for before in sorted(ahead, reverse=True)),
        Look(now_us, str(expires_us), now_us - expires_us),
        partial(_expiring, key, expires_us, now_us),
    )


def _expiring(key: WatchedKey, expires_us: int, now_us: int, crossed: tuple[int, ...]) -> Alert:
    before = -crossed[-1]
    severity = Severity.INFO
    if before <= _WEEK_US:
        severity = Severity.CRITICAL if before <= _DAY_US else Severity.WARNING
    return Alert(
        AlertKind.KEY_EXPIRING,
        severity,
        f"Key expires {_within(expires_us - now_us)}",
        f"The key '{key.name}' expires on {moment(expires_us / 1_000_000)}; from then on it is refused."
        " Set a later expiry, or replace it before.",
        {
            "key_name": key.name,
            "expires_at": moment(expires_us / 1_000_000),
            "within_seconds": before // 1_000_000,
        },
    )


def _rotation(key: WatchedKey, now_us: int, _crossed: tuple[int, ...]) -> Alert:
    days = (now_us - key.secret_us) // _DAY_US
    return Alert(
        AlertKind.KEY_ROTATION_DUE,
        Severity.INFO,
        "Key is due for rotation",
        f"The secret of the key '{key.name}' is {days} days old. Rotate it: the old one goes on for as"
        " long as you say.",
        {
            "key_name": key.name,
            "secret_id": key.secret_id,
            "secret_created_at": moment(key.secret_us / 1_000_000),
        },
    )


def _unused(key: WatchedKey, unused_us: int, _crossed: tuple[int, ...]) -> Alert:
    days = max(unused_us // _DAY_US, 1)
    since = f"since {day(key.used_day * 86_400.0)}" if key.used_day else "at all so far"
    return Alert(
        AlertKind.KEY_UNUSED,
        Severity.INFO,
        f"Key unused for {days} days",
        f"Nobody has used the key '{key.name}' {since}. Revoke it if it is not needed any more.",
        {
            "key_name": key.name,
            "last_used_on": day(key.used_day * 86_400.0) if key.used_day else None,
            "days": days,
        },
    )


def _within(left_us: int) -> str:
    if left_us >= 2 * _DAY_US:
        return f"in {left_us // _DAY_US} days"
    if left_us >= _DAY_US:
        return "in a day"
    return "within the hour" if left_us < 2 * _HOUR_US else f"in {left_us // _HOUR_US} hours"
