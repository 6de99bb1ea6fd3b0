"""How alerts are told."""

__all__ = ["alert_row", "settings_details"]

from collections.abc import Iterator
from datetime import datetime

from admin.cli.times import told
from admin.wire.alerts import AlertDocument, AlertSettingsDocument


def alert_row(alert: AlertDocument, now: datetime) -> dict[str, str]:
    """An alert for a list."""
    return {
        "told": told(alert.told_at, now),
        "severity": alert.severity.value,
        "kind": alert.kind.value,
        "account": alert.account,
        "key": alert.key or "-",
        "what": alert.text,
    }


def settings_details(chosen: AlertSettingsDocument) -> Iterator[tuple[str, str]]:
    """What an account is told of, as names and values."""
    percents = ", ".join(f"{each} %" for each in chosen.thresholds) or "none"
    yield "account", chosen.account
    yield "thresholds", f"{percents}{'' if chosen.thresholds_chosen else ' (default)'}"
    for kind, is_on in chosen.kinds.items():
        yield kind, f"{'on' if is_on else 'off'}{'' if kind in chosen.chosen else ' (default)'}"
    yield "version", str(chosen.version)
