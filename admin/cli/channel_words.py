"""How notices, channels and deliveries are told."""

__all__ = [
    "attempt_row",
    "channel_details",
    "channel_row",
    "delivery_details",
    "delivery_row",
    "notice_row",
]

from collections.abc import Iterator
from datetime import datetime

from admin.cli.times import told
from admin.wire.notifications import (
    AttemptDocument,
    ChannelDocument,
    DeliveryDetails,
    DeliveryDocument,
    NoticeDocument,
)


def notice_row(notice: NoticeDocument, now: datetime) -> dict[str, str]:
    """A notice for a list."""
    return {
        "no": str(notice.sequence),
        "": " " if notice.is_read else "*",
        "at": told(notice.at, now),
        "severity": notice.severity.value,
        "what": notice.title,
        "account": notice.account or "-",
    }


def channel_row(channel: ChannelDocument, now: datetime) -> dict[str, str]:
    """A channel for a list."""
    return {
        "id": channel.id,
        "kind": channel.kind.value,
        "name": channel.name,
        "where": channel.url or ", ".join(channel.recipients),
        "status": channel.status.value,
        "events": " ".join(channel.events),
        "severity": channel.severity.value,
        "last delivered": _moment(channel.delivered_at, now),
        "account": channel.account or "-",
    }


def channel_details(channel: ChannelDocument, now: datetime) -> Iterator[tuple[str, str]]:
    """A channel as names and values; what it does not have is left out."""
    yield from channel_row(channel, now).items()
    if channel.reason is not None:
        yield "because", channel.reason
    if channel.failing_since is not None:
        yield "failing since", told(channel.failing_since, now)
        yield "failures in a row", str(channel.failures)
    if channel.old_secret_ends_at is not None:
        yield "old secret until", told(channel.old_secret_ends_at, now)
    yield "created", told(channel.created_at, now)
    yield "version", str(channel.version)


def delivery_row(delivery: DeliveryDocument, now: datetime) -> dict[str, str]:
    """A delivery for a list."""
    return {
        "id": delivery.id,
        "at": told(delivery.created_at, now),
        "what": delivery.kind,
        "state": delivery.state.value,
        "attempts": str(delivery.attempts),
        "last": delivery.last_detail or "-",
        "next try": _moment(delivery.next_attempt_at, now),
    }


def delivery_details(delivery: DeliveryDetails, now: datetime) -> Iterator[tuple[str, str]]:
    """A delivery as names and values."""
    yield from delivery_row(delivery, now).items()
    yield "title", delivery.title
    yield "channel", delivery.channel
    if delivery.event is not None:
        yield "event", str(delivery.event)


def attempt_row(attempt: AttemptDocument, now: datetime) -> dict[str, str]:
    """An attempt for a list."""
    return {
        "attempt": str(attempt.number),
        "at": told(attempt.at, now),
        "took": f"{attempt.duration_ms:.0f} ms",
        "outcome": attempt.outcome,
        "": attempt.detail or "",
    }


def _moment(at: datetime | None, now: datetime) -> str:
    return "-" if at is None else told(at, now)
