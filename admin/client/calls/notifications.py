"""Calls about the inbox, channels, and what was sent to them."""

__all__ = [
    "create_channel",
    "delete_channel",
    "list_channels",
    "list_deliveries",
    "list_inbox",
    "mark_read",
    "replay_delivery",
    "rotate_channel",
    "show_channel",
    "show_delivery",
    "try_channel",
    "update_channel",
]

from collections.abc import Sequence
from typing import Literal

from admin.client.call import Call, asked, changed, given
from admin.client.calls.choices import ChannelKindWord, DeliveryStateWord, SeverityWord
from admin.wire.keys import Empty
from admin.wire.notifications import (
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
    RotateSecretRequest,
)
from admin.wire.words import UNSET, Unset


def list_inbox(
    *,
    account: str | None = None,
    severity: SeverityWord | None = None,
    unread: bool | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Call[InboxPage]:
    """A page of the inbox, newest first."""
    wanted = given(account=account, severity=severity, unread=unread, limit=limit, cursor=cursor)
    return asked("inbox.list", InboxPage, query=InboxQuery.model_validate(wanted))


def mark_read(*, notices: Sequence[int] | None = None, up_to: int | None = None) -> Call[InboxRead]:
    """Note that these notices are read, and all up to a number."""
    body = given(notices=notices, up_to=up_to)
    return asked("inbox.read", InboxRead, body=InboxReadRequest.model_validate(body))


def list_channels(
    *,
    account: str | None = None,
    kind: ChannelKindWord | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Call[ChannelPage]:
    """A page of channels."""
    wanted = given(account=account, kind=kind, limit=limit, cursor=cursor)
    return asked("channels.list", ChannelPage, query=ChannelQuery.model_validate(wanted))


def create_channel(  # noqa: PLR0913 -- one parameter for each field
    *,
    kind: ChannelKindWord,
    name: str,
    account: str | None = None,
    url: str | None = None,
    recipients: Sequence[str] | None = None,
    events: Sequence[str] | None = None,
    severity: SeverityWord | None = None,
    idempotency_key: str | None = None,
) -> Call[ChannelCreated]:
    """A new channel; a webhook's secret is in `secret` this once."""
    body = given(
        kind=kind,
        name=name,
        account=account,
        url=url,
        recipients=recipients,
        events=events,
        severity=severity,
    )
    return asked(
        "channels.create",
        ChannelCreated,
        body=NewChannelRequest.model_validate(body),
        idempotency_key=idempotency_key,
    )


def show_channel(channel_id: str) -> Call[ChannelDocument]:
    """One channel."""
    return asked("channels.show", ChannelDocument, {"channel_id": channel_id})


def update_channel(  # noqa: PLR0913 -- one parameter for each field
    channel_id: str,
    *,
    name: str | Unset = UNSET,
    url: str | Unset = UNSET,
    recipients: Sequence[str] | Unset = UNSET,
    events: Sequence[str] | Unset = UNSET,
    severity: SeverityWord | Unset = UNSET,
    status: Literal["active", "paused"] | Unset = UNSET,
    if_match: int | None = None,
) -> Call[ChannelDocument]:
    """Change a channel; `active` also switches on what was switched off."""
    body = changed(
        name=name,
        url=url,
        recipients=recipients,
        events=events,
        severity=severity,
        status=status,
    )
    return asked(
        "channels.update",
        ChannelDocument,
        {"channel_id": channel_id},
        body=ChannelPatch.model_validate(body),
        if_match=if_match,
    )


def delete_channel(channel_id: str, *, if_match: int | None = None) -> Call[ChannelDocument]:
    """Take a channel away."""
    ids = {"channel_id": channel_id}
    return asked("channels.delete", ChannelDocument, ids, if_match=if_match)


def rotate_channel(
    channel_id: str,
    *,
    overlap: str | None = None,
    if_match: int | None = None,
    idempotency_key: str | None = None,
) -> Call[ChannelCreated]:
    """A webhook's new secret; the old one signs beside it for the overlap."""
    return asked(
        "channels.rotate",
        ChannelCreated,
        {"channel_id": channel_id},
        body=RotateSecretRequest.model_validate(given(overlap=overlap)),
        if_match=if_match,
        idempotency_key=idempotency_key,
    )


def try_channel(channel_id: str, *, idempotency_key: str | None = None) -> Call[DeliveryDocument]:
    """Send a channel a trial; what became of it is in the delivery a moment later."""
    return asked(
        "channels.test",
        DeliveryDocument,
        {"channel_id": channel_id},
        body=Empty(),
        idempotency_key=idempotency_key,
    )


def list_deliveries(
    channel_id: str,
    *,
    state: DeliveryStateWord | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Call[DeliveryPage]:
    """A page of what was sent to a channel, newest first."""
    wanted = given(state=state, limit=limit, cursor=cursor)
    return asked(
        "channels.deliveries",
        DeliveryPage,
        {"channel_id": channel_id},
        query=DeliveryQuery.model_validate(wanted),
    )


def show_delivery(delivery_id: str) -> Call[DeliveryDetails]:
    """One delivery, what is sent, and each attempt."""
    return asked("deliveries.show", DeliveryDetails, {"delivery_id": delivery_id})


def replay_delivery(
    delivery_id: str, *, idempotency_key: str | None = None
) -> Call[DeliveryDocument]:
    """Send a finished delivery once more, under its own id."""
    return asked(
        "deliveries.replay",
        DeliveryDocument,
        {"delivery_id": delivery_id},
        body=Empty(),
        idempotency_key=idempotency_key,
    )
