"""Settings of alerts: what is worth one, unless an account or its plan says otherwise."""

__all__ = ["ALERT_KINDS", "AlertKindName", "AlertsSettings"]

from typing import Annotated, Literal, get_args

from pydantic import Field

from gateway.settings.section import Section
from gateway.settings.values import Count, Duration, Flag, WholeNumber

AlertKindName = Literal[
    "quota.threshold",
    "quota.exceeded",
    "quota.forecast",
    "key.expiring",
    "key.rotation_due",
    "key.new_address",
    "key.many_refusals",
    "key.unused",
    "usage.sudden_rise",
]
ALERT_KINDS: tuple[str, ...] = get_args(AlertKindName)

_Percent = Annotated[WholeNumber, Field(ge=1, le=100)]
_DAY = 86_400.0


class AlertsSettings(Section):
    """What accounts are warned of, and how often it is looked."""

    interval_seconds: Annotated[float, Duration("100ms", "1h")] = 60.0
    silent: tuple[AlertKindName, ...] = ()
    quota_thresholds: tuple[_Percent, ...] = (75, 90, 100)
    expiring_before_seconds: tuple[Annotated[float, Duration("1m", "365d")], ...] = (
        30 * _DAY,
        7 * _DAY,
        _DAY,
    )
    unused_after_seconds: Annotated[float, Duration("1d", "3650d")] = 90 * _DAY
    refused_requests: Count = 100
    refused_percent: _Percent = 50
    refused_within_seconds: Annotated[float, Duration("1m", "1d")] = 900.0
    rise_factor: Annotated[WholeNumber, Field(ge=2, le=1000)] = 5
    rise_requests: Count = 1000
    address_learning_seconds: Annotated[float, Duration("0s", "90d")] = _DAY
    address_bits_ipv4: Annotated[WholeNumber, Field(ge=8, le=32)] = 32
    address_bits_ipv6: Annotated[WholeNumber, Field(ge=16, le=128)] = 64
    addresses_kept: Annotated[WholeNumber, Field(ge=2, le=1000)] = 50
    address_of_publishable: Flag = False
