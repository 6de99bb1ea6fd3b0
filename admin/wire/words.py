"""The words that documents are written in, for those who know nothing below the wire."""

__all__ = [
    "UNSET",
    "AlertKind",
    "ApiAccess",
    "ChannelKind",
    "ChannelStatus",
    "CountedPer",
    "DeliveryState",
    "Environment",
    "KeyStatus",
    "KeyType",
    "Permission",
    "Role",
    "Severity",
    "Unset",
]

from admin.core.alerts.kinds import AlertKind
from admin.core.caller import Permission, Role
from admin.core.notices.channel_words import ChannelKind, ChannelStatus, DeliveryState
from admin.core.notices.severity import Severity
from admin.core.unset import UNSET, Unset
from gateway.core.keys import ApiAccess, Environment, KeyStatus, KeyType
from gateway.core.limits import CountedPer
