"""From the settings to what deletes old usage."""

__all__ = ["usage_retention"]

from admin.services.usage_retention import Kept, UsageRetention
from admin.stores.usage_retention import UsageRetentionStore
from gateway.app.admitting import Door
from gateway.settings import Settings
from gateway.stores.usage_tables import DAY, HOUR, MINUTE


def usage_retention(settings: Settings, door: Door) -> UsageRetention:
    """What the control plane runs beside its answers."""
    usage = settings.usage
    kept = Kept(
        usage.retention_seconds,
        {
            MINUTE: usage.keep_minutes_seconds,
            HOUR: usage.keep_hours_seconds,
            DAY: usage.keep_days_seconds,
        },
    )
    return UsageRetention(UsageRetentionStore(door.engine), door.clock, kept)
