"""The inbox, channels, and what was sent to them."""

__all__ = ["NOTIFICATION_ACTS"]

import json
from collections.abc import Mapping
from typing import Any, Final

from admin.core.caller import Caller
from admin.core.notices.channel_words import DeliveryState
from admin.operations.asked import Act, Asked
from admin.operations.values import given, moment, moment_or_none, page_request, seconds_in
from admin.services.catalogue import Services
from admin.services.channels import ChannelChange, CreatedChannel, NewChannel
from admin.stores.channels import ChannelView
from admin.stores.deliveries import Attempt, Delivery
from admin.stores.inbox import Notices, StoredNotice
from admin.wire.notifications import (
    AttemptDocument,
    ChannelCreated,
    ChannelDocument,
    ChannelPage,
    ChannelPatch,
    ChannelQuery,
    DeliveryDetails,
    DeliveryDocument,
    DeliveryPage,
    DeliveryQuery,
    InboxPage,
    InboxQuery,
    InboxRead,
    InboxReadRequest,
    NewChannelRequest,
    NoticeDocument,
    RotateSecretRequest,
)

_CHANGEABLE = ("name", "url", "recipients", "events", "severity", "status")


async def _inbox(services: Services, caller: Caller, asked: Asked) -> InboxPage:
    query = asked.the_query(InboxQuery)
    wanted = Notices(query.account, query.severity, query.unread)
    page, unread = await services.inbox.list(caller, wanted, page_request(query))
    return InboxPage(
        notices=tuple(map(_notice, page.items)), unread=unread, next_cursor=page.next_cursor
    )


async def _read(services: Services, caller: Caller, asked: Asked) -> InboxRead:
    body = asked.the_body(InboxReadRequest)
    return InboxRead(unread=await services.inbox.read(caller, body.notices, body.up_to))


async def _list(services: Services, caller: Caller, asked: Asked) -> ChannelPage:
    query = asked.the_query(ChannelQuery)
    page = await services.channels.list(caller, page_request(query), query.account, query.kind)
    return ChannelPage(channels=tuple(map(_channel, page.items)), next_cursor=page.next_cursor)


async def _create(services: Services, caller: Caller, asked: Asked) -> ChannelCreated:
    body = asked.the_body(NewChannelRequest)
    new = NewChannel(
        kind=body.kind,
        name=body.name,
        account_id=body.account,
        url=body.url,
        recipients=body.recipients,
        events=body.events,
        severity=body.severity,
    )
    return _created(await services.channels.create(caller, new))


async def _show(services: Services, caller: Caller, asked: Asked) -> ChannelDocument:
    return _channel(await services.channels.show(caller, asked.ids["channel_id"]))


async def _update(services: Services, caller: Caller, asked: Asked) -> ChannelDocument:
    body = asked.the_body(ChannelPatch)
    change = ChannelChange(**{name: given(body, name) for name in _CHANGEABLE})
    changed = await services.channels.change(
        caller, asked.ids["channel_id"], change, asked.expected
    )
    return _channel(changed)


async def _delete(services: Services, caller: Caller, asked: Asked) -> ChannelDocument:
    return _channel(await services.channels.delete(caller, asked.ids["channel_id"], asked.expected))


async def _rotate(services: Services, caller: Caller, asked: Asked) -> ChannelCreated:
    overlap = seconds_in(asked.the_body(RotateSecretRequest).overlap) or 0.0
    return _created(
        await services.channels.rotate(caller, asked.ids["channel_id"], overlap, asked.expected)
    )


async def _test(services: Services, caller: Caller, asked: Asked) -> DeliveryDocument:
    return _delivery(await services.deliveries.test(caller, asked.ids["channel_id"]))


async def _deliveries(services: Services, caller: Caller, asked: Asked) -> DeliveryPage:
    query = asked.the_query(DeliveryQuery)
    page = await services.deliveries.list(
        caller, asked.ids["channel_id"], page_request(query), query.state
    )
    return DeliveryPage(deliveries=tuple(map(_delivery, page.items)), next_cursor=page.next_cursor)


async def _delivered(services: Services, caller: Caller, asked: Asked) -> DeliveryDetails:
    found, attempts = await services.deliveries.show(caller, asked.ids["delivery_id"])
    return DeliveryDetails(
        **_delivery_fields(found),
        body=json.loads(found.body),
        log=tuple(map(_attempt, attempts)),
    )


async def _replay(services: Services, caller: Caller, asked: Asked) -> DeliveryDocument:
    return _delivery(await services.deliveries.replay(caller, asked.ids["delivery_id"]))


def _notice(notice: StoredNotice) -> NoticeDocument:
    return NoticeDocument(
        sequence=notice.sequence,
        at=moment(notice.at),
        account=notice.account_id,
        key=notice.key_id,
        kind=notice.kind,
        severity=notice.severity,
        title=notice.title,
        text=notice.text,
        is_read=notice.is_read,
    )


def _channel_fields(channel: ChannelView) -> dict[str, Any]:
    return {
        "id": channel.id,
        "account": channel.account_id,
        "kind": channel.kind,
        "name": channel.name,
        "url": channel.url,
        "recipients": channel.recipients,
        "events": channel.events,
        "severity": channel.severity,
        "status": channel.status,
        "reason": channel.reason,
        "failures": channel.failures,
        "failing_since": moment_or_none(channel.failing_since),
        "delivered_at": moment_or_none(channel.delivered_at),
        "old_secret_ends_at": moment_or_none(channel.old_secret_ends_at),
        "created_at": moment(channel.created_at),
        "updated_at": moment(channel.updated_at),
        "version": channel.version,
    }


def _channel(channel: ChannelView) -> ChannelDocument:
    return ChannelDocument(**_channel_fields(channel))


def _created(created: CreatedChannel) -> ChannelCreated:
    return ChannelCreated(**_channel_fields(created.channel), secret=created.secret)


def _delivery_fields(delivery: Delivery) -> dict[str, Any]:
    is_waiting = delivery.state is DeliveryState.PENDING
    return {
        "id": delivery.id,
        "channel": delivery.channel_id,
        "event": delivery.event,
        "kind": delivery.kind,
        "severity": delivery.severity,
        "title": delivery.title,
        "state": delivery.state,
        "attempts": delivery.attempts,
        "created_at": moment(delivery.created_at),
        "next_attempt_at": moment(delivery.due_at) if is_waiting else None,
        "finished_at": moment_or_none(delivery.finished_at),
        "last_status": delivery.status,
        "last_detail": delivery.detail,
    }


def _delivery(delivery: Delivery) -> DeliveryDocument:
    return DeliveryDocument(**_delivery_fields(delivery))


def _attempt(attempt: Attempt) -> AttemptDocument:
    return AttemptDocument(
        number=attempt.number,
        at=moment(attempt.at),
        duration_ms=round(attempt.seconds * 1000, 3),
        outcome=attempt.outcome,
        status=attempt.status,
        detail=attempt.detail,
    )


NOTIFICATION_ACTS: Final[Mapping[str, Act]] = {
    "inbox.list": _inbox,
    "inbox.read": _read,
    "channels.list": _list,
    "channels.create": _create,
    "channels.show": _show,
    "channels.update": _update,
    "channels.delete": _delete,
    "channels.rotate": _rotate,
    "channels.test": _test,
    "channels.deliveries": _deliveries,
    "deliveries.show": _delivered,
    "deliveries.replay": _replay,
}
