"""Alerts, as the configuration wants them."""

__all__ = ["alert_defaults", "alerting", "key_terms"]

from sqlalchemy.ext.asyncio import AsyncEngine

from admin.core.alerts.key_life import KeyTerms
from admin.core.alerts.kinds import AlertKind
from admin.core.alerts.wishes import Defaults
from admin.services.alert_keys_watch import KeyLifeWatch
from admin.services.alerting import Alerting
from admin.stores.alert_choices import AlertChoices
from admin.stores.alert_keys import AlertKeys
from admin.stores.alert_marks import AlertMarks
from admin.stores.alert_states import AlertStates
from gateway.ports import Clock
from gateway.settings import Settings
from gateway.stores.tables import to_us


def alerting(settings: Settings, engine: AsyncEngine, clock: Clock) -> Alerting:
    """What looks for alerts, on one database."""
    marks = AlertMarks(engine)
    return Alerting(
        [KeyLifeWatch(AlertKeys(engine), marks, key_terms(settings))],
        AlertStates(engine),
        AlertChoices(engine),
        marks,
        clock,
        alert_defaults(settings),
        settings.alerts.interval_seconds,
    )


def alert_defaults(settings: Settings) -> Defaults:
    """What accounts are told that have not chosen."""
    return Defaults(
        settings.alerts.quota_thresholds,
        {name: plan.alerts for name, plan in settings.plans.items() if plan.alerts is not None},
        frozenset(map(AlertKind, settings.alerts.silent)),
    )


def key_terms(settings: Settings) -> KeyTerms:
    """When keys are told of."""
    alerts = settings.alerts
    return KeyTerms(
        tuple(map(to_us, alerts.expiring_before_seconds)),
        to_us(alerts.unused_after_seconds),
        to_us(settings.keys.rotation_due_after_seconds),
    )
