"""From the settings to channels and what was sent to them."""

__all__ = ["channel_service", "delivery_service"]

from collections.abc import Callable

from sqlalchemy.ext.asyncio import AsyncEngine

from admin.core.notices.places import NetworkRules
from admin.services.channel_rules import ChannelRules
from admin.services.channels import ChannelService
from admin.services.deliveries import DeliveryService
from admin.services.repeats import Repeats
from admin.services.sealing import OF_CHANNELS, Sealer
from admin.stores.channels import ChannelStore
from admin.stores.deliveries import DeliveryStore
from gateway.core.credential import Peppers
from gateway.ports import Clock
from gateway.settings import Settings


def channel_service(
    settings: Settings,
    engine: AsyncEngine,
    repeats: Repeats,
    peppers: Callable[[], Peppers],
    clock: Clock,
) -> ChannelService:
    """What is done with channels; `peppers` are read when a secret is sealed, and not before."""
    sealer = Sealer(peppers, OF_CHANNELS)
    return ChannelService(ChannelStore(engine), repeats, sealer, clock, _channel_rules(settings))


def delivery_service(
    settings: Settings,
    engine: AsyncEngine,
    channels: ChannelService,
    repeats: Repeats,
    clock: Clock,
) -> DeliveryService:
    """What was sent to them."""
    return DeliveryService(
        ChannelStore(engine),
        DeliveryStore(engine),
        channels,
        repeats,
        clock,
        give_up_after_seconds=settings.notifications.give_up_after_seconds,
    )


def _channel_rules(settings: Settings) -> ChannelRules:
    """What the configuration says about channels."""
    chosen = settings.notifications
    return ChannelRules(
        networks=NetworkRules(chosen.allow_networks),
        is_http_allowed=chosen.allow_http,
        has_mail_server=chosen.mail.host is not None,
        chat_schemes=chosen.chat_schemes,
        channels_max=chosen.channels_per_account,
    )
