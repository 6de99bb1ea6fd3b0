"""Delivers notifications, for as long as the control plane runs. Several nodes may do it at once.

Each channel is worked on by one node at a time, in the order of events. How much goes on at the same time is bounded:
in all, for each account, and for channels that have failed lately, so that dead receivers leave room for the others.
Whatever is killed on the way is done again: a receiver gets each notification at least once, under one id.
"""

__all__ = ["Dispatcher", "Pace", "Sender"]

import asyncio
import contextlib
import json
import secrets
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

import structlog

from admin.core.notices.channel_words import ChannelKind, ChannelStatus
from admin.core.notices.outcome import Done, Outcome, Parcel
from admin.core.notices.patience import next_try, rest_after
from admin.services.channels import sealed_context
from admin.services.notice_making import maker
from admin.services.sealing import Sealer
from admin.stores.channels import ChannelView
from admin.stores.deliveries import Delivery
from admin.stores.dispatch import Claim, DispatchStore, Result, Room
from admin.stores.planning import PlanStore
from gateway.core.errors import StoreError
from gateway.notified import NotificationTally
from gateway.ports import Clock
from gateway.tasks import Crew

log = structlog.get_logger(__name__)

_EVENTS_AT_ONCE: Final = 100
_DELIVERIES_AT_ONCE: Final = 10
_OF_ACCOUNT_MAX: Final = 4
_PAUSE_MAX: Final = 15.0
_COUNT_EVERY: Final = 15.0
_WRITE_TRIES: Final = 3
_RANDOM_BITS: Final = 32
# As long as nobody but this process is sure that an attempt is over.
_SLACK_SECONDS: Final = 30.0
_FAILURES_MIN: Final = 20
_REST_MAX: Final = 3600.0


class Sender(Protocol):
    """What carries notices to one kind of channel."""

    async def send(self, parcel: Parcel) -> Outcome:
        """Try it once, within a deadline. Never raises for what the other side does."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast, and for how long. `attempt_seconds`: the longest that any sender takes."""

    concurrency: int = 32
    attempt_seconds: float = 30.0
    give_up_after_seconds: float = 86_400.0
    switch_off_after_seconds: float = 3 * 86_400.0
    poll_seconds: float = 1.0
    drain_seconds: float = 5.0


class Dispatcher:
    """One for each process; `run` is its work, `drain` ends it in order."""

    def __init__(  # noqa: PLR0913 -- what it is made of
        self,
        *,
        plans: PlanStore,
        store: DispatchStore,
        sealer: Sealer,
        senders: Mapping[ChannelKind, Sender],
        clock: Clock,
        pace: Pace,
        tally: NotificationTally,
    ) -> None:
        """`sealer` opens the secrets of channels; a kind without a sender waits until there is one."""
        self._plans = plans
        self._store = store
        self._sealer = sealer
        self._senders = senders
        self._clock = clock
        self._pace = pace
        self._tally = tally
        self._make = maker(clock.now, pace.give_up_after_seconds)
        self._lease = pace.attempt_seconds + _SLACK_SECONDS
        self._busy: set[asyncio.Task[None]] = set()
        self._of_account: Counter[str | None] = Counter()
        self._failing = 0
        self._stopping = asyncio.Event()
        self._nudged = asyncio.Event()
        self._counted_at = float("-inf")

    async def run(self) -> None:
        """Deliver whatever is due, until `drain`; a store that is away is waited for."""
        pause = self._pace.poll_seconds
        async with Crew() as crew:
            while not self._stopping.is_set():
                self._nudged.clear()
                try:
                    is_more = await self.step(crew)
                    pause = self._pace.poll_seconds
                except StoreError as error:
                    log.warning("notifications_wait_for_store", cause=str(error))
                    is_more, pause = False, min(2 * pause, _PAUSE_MAX)
                if not is_more:
                    await self._wait(pause)
            if self._busy:
                _ = await asyncio.wait(self._busy, timeout=self._pace.drain_seconds)

    async def step(self, crew: Crew) -> bool:
        """Look at new events, and begin what is due; whether there may be more at once. Raises StoreError."""
        await self._count()
        planned = 0
        if await self._plans.behind():
            planned = await self._plans.plan(self._make, _EVENTS_AT_ONCE, self._clock.now())
        room = self._room()
        if room.any < 1:
            return False
        now = self._clock.now()
        claims = await self._store.claim(_word, room, now, now + self._lease)
        for claim in claims:
            self._begin(crew, claim)
        return planned == _EVENTS_AT_ONCE or bool(claims)

    async def idle(self) -> None:
        """Return when nothing is under way in this process."""
        while self._busy:
            _ = await asyncio.wait(self._busy)

    def stop(self) -> None:
        """Begin nothing more; `run` then returns when what is under way is done, or takes too long."""
        self._stopping.set()
        self._nudged.set()

    async def _wait(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                _ = await self._nudged.wait()

    def _room(self) -> Room:
        most = self._pace.concurrency
        return Room(
            any=most - len(self._busy),
            failing=most // 2 - self._failing,
            of_account=lambda account_id: _OF_ACCOUNT_MAX - self._of_account[account_id],
        )

    def _begin(self, crew: Crew, claim: Claim) -> None:
        self._of_account[claim.channel.account_id] += 1
        self._failing += claim.channel.failures > 0
        task = crew.start(f"notify {claim.channel.id}", self._work(claim))
        self._busy.add(task)
        task.add_done_callback(partial(self._ended, claim))

    def _ended(self, claim: Claim, task: asyncio.Task[None]) -> None:
        account_id = claim.channel.account_id
        self._busy.discard(task)
        self._failing -= claim.channel.failures > 0
        self._of_account[account_id] -= 1
        if not self._of_account[account_id]:
            del self._of_account[account_id]
        self._nudged.set()

    async def _work(self, claim: Claim) -> None:
        try:
            await self._send_what_is_due(claim)
            await self._store.release(claim)
        except StoreError as error:
            # The claim ends by itself, and somebody goes on from what was written.
            log.warning("notification_not_settled", channel=claim.channel.id, cause=str(error))

    async def _send_what_is_due(self, claim: Claim) -> None:
        due = await self._store.due(claim, self._clock.now(), _DELIVERIES_AT_ONCE)
        channel = claim.channel
        for delivery in due:
            began = self._clock.monotonic()
            outcome = await self._sent(claim, delivery)
            seconds = self._clock.monotonic() - began
            self._tally.attempts[channel.kind.value, outcome.done.value] += 1
            result = self._result(channel, delivery, outcome, seconds)
            kept = await self._settled(claim, delivery, result)
            is_over = not result.is_delivered or self._stopping.is_set()
            if is_over or kept is None or kept.status is not ChannelStatus.ACTIVE:
                # In need of a rest, at its end, lost to another node, or paused.
                return
            channel = kept

    async def _sent(self, claim: Claim, delivery: Delivery) -> Outcome:
        sender = self._senders.get(claim.channel.kind)
        if sender is None:
            words = (
                f"The operator has configured nothing that sends to {claim.channel.kind} channels."
            )
            return Outcome(Done.FAILED, words)
        opened = self._opened(claim)
        if opened is None:
            return Outcome(
                Done.FAILED,
                "The channel's secret was sealed under a pepper that is gone. Rotate it, or set the URL anew.",
            )
        parcel = _parcel(claim.channel, delivery, opened, self._clock.now())
        try:
            return await sender.send(parcel)
        except Exception as error:
            # A fault of ours, in one notification, must not keep all others from being sent.
            log.exception("notification_fault", channel=claim.channel.id, exc_info=error)
            return Outcome(Done.FAILED, "Keywright failed to send it; the log tells why.")

    def _opened(self, claim: Claim) -> tuple[str, ...] | None:
        """The secrets that sign now; None if the present one cannot be opened."""
        sealed = claim.sealed
        if sealed is None:
            return ()
        context = sealed_context(claim.channel.id)
        present = self._sealer.open(context, sealed.present)
        if present is None:
            return None
        if sealed.before is None or (sealed.before_ends_at or 0.0) <= self._clock.now():
            return (present,)
        before = self._sealer.open(context, sealed.before)
        return (present,) if before is None else (present, before)

    def _result(
        self, channel: ChannelView, delivery: Delivery, outcome: Outcome, seconds: float
    ) -> Result:
        now = self._clock.now()
        is_delivered = outcome.done is Done.DELIVERED
        next_at, rest_until, off = None, None, None
        if not is_delivered:
            off = self._off(channel, outcome, now)
            rest = min(max(rest_after(channel.failures + 1), outcome.retry_after or 0.0), _REST_MAX)
            rest_until = now + rest
        if outcome.done is Done.FAILED:
            chance = secrets.randbits(_RANDOM_BITS) / 2**_RANDOM_BITS
            tries, asked = delivery.tries + 1, outcome.retry_after
            next_at = next_try(now, delivery.give_up_at, tries, asked, chance)
        return Result(
            at=now,
            seconds=seconds,
            outcome=outcome.done.value,
            is_delivered=is_delivered,
            status=outcome.status,
            detail=outcome.detail,
            next_at=next_at,
            rest_until=rest_until,
            off=off,
        )

    def _off(self, channel: ChannelView, outcome: Outcome, now: float) -> str | None:
        """Why the channel is sent nothing any more, if so."""
        if outcome.done is Done.GONE:
            return outcome.detail
        since = now if channel.failing_since is None else channel.failing_since
        is_long = now - since >= self._pace.switch_off_after_seconds
        if is_long and channel.failures + 1 >= _FAILURES_MIN:
            days = (now - since) / 86_400
            return f"Nothing could be delivered for {days:.1f} days. {outcome.detail}"
        return None

    async def _settled(
        self, claim: Claim, delivery: Delivery, result: Result
    ) -> ChannelView | None:
        """Raises StoreError when it could not be written: the receiver will then get it again."""
        for left in reversed(range(_WRITE_TRIES)):
            try:
                until = self._clock.now() + self._lease
                kept = await self._store.settle(claim, delivery, result, until)
            except StoreError:
                if not left:
                    raise
                await asyncio.sleep(self._pace.poll_seconds / 2)
            else:
                if kept is not None and kept.status is ChannelStatus.OFF:
                    self._tally.switched_off += 1
                    log.warning("channel_switched_off", channel=claim.channel.id)
                return kept
        raise AssertionError  # pragma: no cover -- the last one raises or returns

    async def _count(self) -> None:
        if self._clock.monotonic() - self._counted_at < _COUNT_EVERY:
            return
        self._tally.behind = await self._plans.behind()
        pending, oldest = await self._store.pending()
        self._tally.pending = pending
        self._tally.oldest_seconds = 0.0 if oldest is None else max(0.0, self._clock.now() - oldest)
        self._counted_at = self._clock.monotonic()


def _word() -> str:
    return secrets.token_hex(8)


def _parcel(
    channel: ChannelView, delivery: Delivery, opened: tuple[str, ...], now: float
) -> Parcel:
    return Parcel(
        id=delivery.id,
        kind=delivery.kind,
        severity=delivery.severity.value,
        title=delivery.title,
        text=_text(delivery),
        body=delivery.body,
        at=now,
        url=channel.url,
        recipients=channel.recipients,
        secrets=opened,
    )


def _text(delivery: Delivery) -> str:
    # The body is ours, so it is there; a delivery is told by its title if it is not.
    try:
        return str(json.loads(delivery.body)["data"]["text"])
    except (ValueError, KeyError, TypeError):
        return delivery.title
