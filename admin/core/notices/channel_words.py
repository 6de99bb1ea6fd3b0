"""The words for channels and deliveries, as the wire and the database write them."""

__all__ = ["ChannelKind", "ChannelStatus", "DeliveryState"]

from enum import StrEnum


class ChannelKind(StrEnum):
    """How a channel is reached."""

    WEBHOOK = "webhook"
    EMAIL = "email"
    CHAT = "chat"


class ChannelStatus(StrEnum):
    """`paused` by somebody, `off` because it only failed."""

    ACTIVE = "active"
    PAUSED = "paused"
    OFF = "off"


class DeliveryState(StrEnum):
    """What became of a delivery."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
