"""What is done about notifications each minute: what is old is forgotten, what nobody can try is given up."""

__all__ = ["NoticeKeeping"]

import dataclasses

from admin.services.channels import sealed_context
from admin.services.rounds import go_round
from admin.services.sealing import Sealer
from admin.stores.channels import ChannelStore, Sealed
from admin.stores.notices_kept import NoticesKept
from gateway.ports import Clock

_AT_ONCE = 500
# Whoever is trying it for the last time may need a while to write that down.
_GRACE_SECONDS = 3600.0


class NoticeKeeping:
    """May run on several nodes at once: what one has done, the others find done."""

    def __init__(  # noqa: PLR0913 -- what it is made of
        self,
        kept: NoticesKept,
        channels: ChannelStore,
        sealer: Sealer,
        clock: Clock,
        *,
        keep_seconds: float,
        interval_seconds: float = 60.0,
    ) -> None:
        """Notices, deliveries and events older than `keep_seconds` are forgotten."""
        self._kept = kept
        self._channels = channels
        self._sealer = sealer
        self._clock = clock
        self._keep = keep_seconds
        self._interval = interval_seconds

    async def run(self) -> None:
        """Do all of it, again and again, for as long as it is left to."""
        await go_round(self.once, self._interval, "notice_keeping_waits_for_store")

    async def once(self) -> None:
        """Do all of it once. Raises StoreError when the database cannot answer."""
        now = self._clock.now()
        while await self._kept.end_waiting(now - _GRACE_SECONDS, now, _AT_ONCE) == _AT_ONCE:
            pass
        while await self._kept.forget_deliveries(now - self._keep, _AT_ONCE) == _AT_ONCE:
            pass
        while await self._kept.forget_notices(now - self._keep, _AT_ONCE) == _AT_ONCE:
            pass
        while await self._kept.forget_events(now - self._keep, _AT_ONCE) == _AT_ONCE:
            pass
        await self._seal_anew()

    async def _seal_anew(self) -> None:
        """What was sealed under an older pepper is sealed under the present one, so that the old one can go."""
        for channel_id, was in await self._channels.sealed_before(self._sealer.pepper_id, _AT_ONCE):
            context = sealed_context(channel_id)
            present = self._sealer.open(context, was.present)
            if present is None:
                continue
            before = None if was.before is None else self._sealer.open(context, was.before)
            sealed = Sealed(self._sealer.seal(context, present), self._sealer.pepper_id)
            if before is not None:
                sealed = dataclasses.replace(
                    sealed,
                    before=self._sealer.seal(context, before),
                    before_ends_at=was.before_ends_at,
                )
            await self._channels.reseal(channel_id, was, sealed)
