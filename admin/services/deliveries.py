"""What was sent to a channel, or is to be: the log, a trial, and once more."""

__all__ = ["DeliveryLog", "DeliveryService"]

from collections.abc import Sequence
from typing import NamedTuple

from admin.core.caller import Caller, Permission
from admin.core.faults import Conflict, NotFound
from admin.core.notices.channel_words import ChannelStatus, DeliveryState
from admin.core.notices.kinds import TRIAL, notice_of
from admin.core.notices.payload import body_of
from admin.core.page import Page, PageRequest
from admin.services.channels import ChannelService
from admin.services.repeats import Repeats
from admin.services.validation import checked_id, new_id
from admin.stores.channels import ChannelStore, ChannelView
from admin.stores.deliveries import Attempt, Delivery, DeliveryStore
from admin.stores.transaction import Repeated, Target
from gateway.ports import Clock

_SEE_DELIVERIES = "'keywright channels deliveries ID' shows those of a channel."
_SEE_CHANNELS = "'keywright channels list' shows all channels."


class DeliveryLog(NamedTuple):
    """One delivery with everything that was tried."""

    delivery: Delivery
    attempts: Sequence[Attempt]


class DeliveryService:
    """Each method raises NotAllowed, NotFound, Misuse for what cannot be, StoreError when SQL cannot answer."""

    def __init__(  # noqa: PLR0913 -- what it is made of
        self,
        store: ChannelStore,
        deliveries: DeliveryStore,
        channels: ChannelService,
        repeats: Repeats,
        clock: Clock,
        *,
        give_up_after_seconds: float,
    ) -> None:
        """`channels` works on `store`, and knows who sees which."""
        self._store = store
        self._deliveries = deliveries
        self._channels = channels
        self._repeats = repeats
        self._clock = clock
        self._give_up_after = give_up_after_seconds

    async def test(self, caller: Caller, channel_id: str) -> Delivery:
        """Send it a trial, as everything is sent; what became of it is in the delivery, in a moment."""
        caller.require(Permission.NOTIFICATIONS_WRITE)
        checked_id("chn", channel_id, _SEE_CHANNELS)
        now = self._clock.now()
        delivery_id = new_id("dlv")
        try:
            async with self._store.transaction("try a channel", caller, now) as tx:
                await tx.claim(delivery_id)
                channel = await self._channels.locked(tx, channel_id, None)
                _check_active(channel)
                trial = _trial(channel, delivery_id, now)
                await self._deliveries.add(tx.connection, trial)
                tx.audit("channel.try", _target(channel), after={"delivery": delivery_id})
        except Repeated:
            earlier = await self._repeats.earlier(caller, now)
            return await self._found(caller, earlier.target_id)
        return trial

    async def list(
        self,
        caller: Caller,
        channel_id: str,
        page: PageRequest,
        state: DeliveryState | None = None,
    ) -> Page[Delivery]:
        """What was sent to the channel, or is to be, newest first."""
        channel = await self._channels.show(caller, channel_id)
        return await self._deliveries.list(channel.id, state, page)

    async def show(self, caller: Caller, delivery_id: str) -> DeliveryLog:
        """One delivery, and each time it was tried."""
        caller.require(Permission.NOTIFICATIONS_READ)
        found = await self._found(caller, delivery_id)
        return DeliveryLog(found, await self._deliveries.attempts(delivery_id))

    async def replay(self, caller: Caller, delivery_id: str) -> Delivery:
        """Send a finished delivery once more, under its own id: who has it already can tell.

        Raises Conflict while it is still being tried, or its channel is sent nothing.
        """
        caller.require(Permission.NOTIFICATIONS_WRITE)
        found = await self._found(caller, delivery_id)
        now = self._clock.now()
        try:
            async with self._store.transaction("send a delivery again", caller, now) as tx:
                await tx.claim(delivery_id)
                channel = await self._channels.locked(tx, found.channel_id, None)
                _check_active(channel)
                give_up_at = now + self._give_up_after
                if not await self._deliveries.again(tx.connection, found, now, give_up_at):
                    raise Conflict(f"Delivery {delivery_id} is still being tried.")
                tx.audit("channel.replay", _target(channel), after={"delivery": delivery_id})
        except Repeated:
            _ = await self._repeats.earlier(caller, now)
        return await self._found(caller, delivery_id)

    async def _found(self, caller: Caller, delivery_id: str) -> Delivery:
        found = await self._deliveries.find(checked_id("dlv", delivery_id, _SEE_DELIVERIES))
        if found is None or not caller.sees(found.account_id):
            raise NotFound(f"There is no delivery {delivery_id}. {_SEE_DELIVERIES}")
        return found


def _trial(channel: ChannelView, delivery_id: str, now: float) -> Delivery:
    notice = notice_of(TRIAL, channel.account_id, None, {})
    facts = {"channel": channel.id, "name": channel.name}
    account_id = channel.account_id
    return Delivery(
        id=delivery_id,
        channel_id=channel.id,
        account_id=account_id,
        event=None,
        kind=TRIAL,
        severity=notice.severity,
        title=notice.title,
        body=body_of(
            notice, TRIAL, now, event=None, account_id=account_id, key_id=None, facts=facts
        ),
        created_at=now,
        give_up_at=now,
        due_at=now,
    )


def _check_active(channel: ChannelView) -> None:
    if channel.status is not ChannelStatus.ACTIVE:
        raise Conflict(f"Channel {channel.id} is {channel.status}. Make it active first.")


def _target(channel: ChannelView) -> Target:
    return Target("channel", channel.id, channel.account_id)
