"""What is counted of alerts and notifications, and its metrics. Every label comes from a few words of ours."""

__all__ = ["NotificationTally"]

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric


@dataclass(slots=True)
class NotificationTally:
    """Written by the control plane's dispatcher, and by what looks for alerts; in a worker all of it stays 0."""

    # By the channel's kind and what became of the attempt.
    attempts: Counter[tuple[str, str]] = field(default_factory=Counter)
    # Alerts that were told, by their kind.
    alerts: Counter[str] = field(default_factory=Counter)
    switched_off: int = 0
    pending: int = 0
    oldest_seconds: float = 0.0
    behind: int = 0

    def families(self) -> Iterator[Metric]:
        """As Prometheus reads them."""
        attempts = CounterMetricFamily(
            "keywright_notification_attempts",
            "Attempts to deliver a notification.",
            labels=("channel", "outcome"),
        )
        for labels, count in self.attempts.items():
            attempts.add_metric(labels, count)
        yield attempts
        alerts = CounterMetricFamily(
            "keywright_alerts_told", "Alerts that were told, as events.", labels=("kind",)
        )
        for kind, count in self.alerts.items():
            alerts.add_metric((kind,), count)
        yield alerts
        yield CounterMetricFamily(
            "keywright_channels_switched_off",
            "Channels that were switched off because nothing could be delivered.",
            value=self.switched_off,
        )
        yield GaugeMetricFamily(
            "keywright_notifications_pending",
            "Notifications that are still to be delivered.",
            value=self.pending,
        )
        yield GaugeMetricFamily(
            "keywright_notification_oldest_seconds",
            "For how long the oldest of them has waited.",
            value=self.oldest_seconds,
        )
        yield GaugeMetricFamily(
            "keywright_notification_events_behind",
            "Events that are still to be looked at.",
            value=self.behind,
        )
