"""Alerts, as the configuration wants them."""

__all__ = ["alert_defaults", "alerting"]

from collections import Counter

from sqlalchemy.ext.asyncio import AsyncEngine

from admin.core.alerts.addresses import AddressTerms
from admin.core.alerts.key_life import KeyTerms
from admin.core.alerts.kinds import AlertKind
from admin.core.alerts.traffic import RefusalTerms, RiseTerms
from admin.core.alerts.wishes import Defaults
from admin.plane.quotas import plan_quotas
from admin.services.alert_addresses import AddressBook
from admin.services.alert_keys_watch import KeyLifeWatch
from admin.services.alert_traffic_watch import TrafficTerms, TrafficWatch
from admin.services.alerting import Alerting
from admin.stores.alert_choices import AlertChoices
from admin.stores.alert_keys import AlertKeys
from admin.stores.alert_marks import AlertMarks
from admin.stores.alert_networks import AlertNetworks
from admin.stores.alert_quotas import AlertQuotas
from admin.stores.alert_states import AlertStates
from admin.stores.alert_usage import AlertUsage
from admin.stores.quotas import QuotaStore
from gateway.ports import Clock
from gateway.settings import Settings
from gateway.stores.tables import to_us


def alerting(
    settings: Settings, engine: AsyncEngine, clock: Clock, told: Counter[str] | None = None
) -> Alerting:
    """What looks for alerts, on one database, and counts in `told` those that it tells."""
    marks, keys, choices = AlertMarks(engine), AlertKeys(engine), AlertChoices(engine)
    traffic = TrafficWatch(
        AlertUsage(engine),
        keys,
        choices,
        marks,
        AlertQuotas(QuotaStore(engine), plan_quotas(settings)),
        AddressBook(AlertNetworks(engine), _address_terms(settings)),
        _traffic_terms(settings),
    )
    return Alerting(
        [traffic, KeyLifeWatch(keys, marks, _key_terms(settings))],
        AlertStates(engine, told),
        choices,
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


def _key_terms(settings: Settings) -> KeyTerms:
    alerts = settings.alerts
    return KeyTerms(
        tuple(map(to_us, alerts.expiring_before_seconds)),
        to_us(alerts.unused_after_seconds),
        to_us(settings.keys.rotation_due_after_seconds),
    )


def _address_terms(settings: Settings) -> AddressTerms:
    alerts = settings.alerts
    return AddressTerms(
        alerts.address_bits_ipv4,
        alerts.address_bits_ipv6,
        alerts.addresses_kept,
        to_us(alerts.address_learning_seconds),
        alerts.address_of_publishable,
    )


def _traffic_terms(settings: Settings) -> TrafficTerms:
    alerts = settings.alerts
    return TrafficTerms(
        RefusalTerms(
            alerts.refused_requests, alerts.refused_percent, round(alerts.refused_within_seconds)
        ),
        RiseTerms(alerts.rise_factor, alerts.rise_requests),
        alert_defaults(settings),
    )
