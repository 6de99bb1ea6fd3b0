"""From an event to what is sent: its words, and a delivery for each channel that wants it."""

__all__ = ["maker"]

from collections.abc import Callable, Sequence

from admin.core.notices.filters import is_wanted
from admin.core.notices.kinds import notice_of
from admin.core.notices.payload import body_of
from admin.services.validation import new_id
from admin.stores.channels import ChannelView
from admin.stores.deliveries import Delivery
from admin.stores.planning import Happened, Made


def maker(
    now: Callable[[], float], give_up_after_seconds: float
) -> Callable[[Happened, Sequence[ChannelView]], Made]:
    """What makes them, at whatever moment `now` says that it is."""

    def make(event: Happened, channels: Sequence[ChannelView]) -> Made:
        notice = notice_of(event.kind, event.account_id, event.key_id, event.data)
        wanting = [
            one
            for one in channels
            if is_wanted(event.kind, notice.severity, one.events, one.severity)
            # A channel is not told that it was switched off, even if somebody switched it on meanwhile.
            and one.id != event.data.get("channel")
        ]
        if not wanting:
            return Made(notice, ())
        body = body_of(
            notice,
            event.kind,
            event.at,
            event=event.sequence,
            account_id=event.account_id,
            key_id=event.key_id,
            facts=event.data,
        )
        at = now()
        return Made(
            notice,
            [
                Delivery(
                    id=new_id("dlv"),
                    channel_id=one.id,
                    account_id=one.account_id,
                    event=event.sequence,
                    kind=event.kind,
                    severity=notice.severity,
                    title=notice.title,
                    body=body,
                    created_at=at,
                    give_up_at=at + give_up_after_seconds,
                    due_at=at,
                )
                for one in wanting
            ],
        )

    return make
