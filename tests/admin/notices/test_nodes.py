"""Several nodes, nodes that are killed, and receivers that are dead: nobody else notices."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Sequence

import pytest
from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.core.notices.channel_words import ChannelKind, DeliveryState
from admin.core.notices.outcome import Done, Outcome, Parcel
from admin.services.accounts import AccountView
from admin.services.channels import NewChannel
from admin.services.dispatching import Pace, Sender
from admin.services.notice_making import maker
from admin.stores.dispatch import Result, Room
from admin.stores.planning import PlanStore
from gateway.core.errors import StoreError
from gateway.tasks import Crew
from tests.admin.notices.stand import Receiver, Stand, sending
from tests.admin.world import OPERATOR, World
from tests.doubles import ManualClock

EVENTS = 30
LEASE = 60.0


class Killed(BaseException):
    """What `kill -9` looks like from the inside: nothing after it is done."""


class DyingAfterSending:
    """A sender whose process is killed when the receiver has answered, before anything is written down."""

    def __init__(self, inner: Sender) -> None:
        self._inner = inner

    async def send(self, parcel: Parcel) -> Outcome:
        """Send it, and die."""
        await self._inner.send(parcel)
        raise Killed


class Blocking:
    """A sender that never comes back for some URLs, until it is let go, and counts."""

    def __init__(self) -> None:
        self.hold = asyncio.Event()
        self.sent: Counter[str] = Counter()
        self.under_way = 0
        self.most = 0

    async def send(self, parcel: Parcel) -> Outcome:
        """Hang for what is `dead`, take the rest."""
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            if "dead" in (parcel.url or ""):
                await self.hold.wait()
                return Outcome(Done.FAILED, "It hung.")
            self.sent[parcel.url or ""] += 1
            return Outcome(Done.DELIVERED, "Taken.")
        finally:
            self.under_way -= 1


@pytest.fixture
async def nodes(sql_engine: AsyncEngine) -> AsyncIterator[Sequence[Stand]]:
    """Three nodes on one database, with one clock."""
    clock = ManualClock(1_800_000_000.0)
    async with sending() as senders:
        yield [Stand(sql_engine, senders, clock=clock) for _ in range(3)]


async def test_several_nodes_tell_each_event_once(
    nodes: Sequence[Stand], receiver: Receiver
) -> None:
    """However many control planes there are, a receiver gets each event once."""
    await nodes[0].webhook(receiver.url + "/a")
    await nodes[0].webhook(receiver.url + "/b")
    for number in range(EVENTS):
        await nodes[0].tell(number=number)

    async def busy(node: Stand) -> None:
        with contextlib.suppress(StoreError):
            await node.deliver()

    await asyncio.gather(*map(busy, nodes))
    # What one of them could not write for the others' locks is done by the next.
    await nodes[0].later(LEASE + 1)

    assert Counter(got.path for got in receiver.got) == {"/hook/a": EVENTS, "/hook/b": EVENTS}
    assert len({got.id for got in receiver.got}) == 2 * EVENTS


async def test_a_node_that_is_killed_after_sending_sends_again_under_the_same_id(
    sql_engine: AsyncEngine, receiver: Receiver
) -> None:
    """A receiver may get it twice, and can tell; it is never lost, and the next node waits no longer than a minute."""
    async with sending() as senders:
        stand = Stand(sql_engine, senders)
        killed = {ChannelKind.WEBHOOK: DyingAfterSending(senders[ChannelKind.WEBHOOK])}
        dying = Stand(sql_engine, killed, clock=stand.clock)
        channel, _ = await stand.webhook(receiver.url)
        await stand.tell()
        with contextlib.suppress(BaseExceptionGroup, Killed):
            await dying.deliver()
        held = len(receiver.got)
        await stand.deliver()
        meanwhile = len(receiver.got)
        await stand.later(LEASE + 1)

        assert (held, meanwhile) == (1, 1)
        assert len(receiver.got) == 2
        assert receiver.got[0].id == receiver.got[1].id
        assert receiver.got[0].body == receiver.got[1].body
        (delivery,) = await stand.log(channel.id)
        assert (delivery.state, delivery.attempts) == (DeliveryState.DELIVERED, 1)


async def test_a_node_that_is_killed_while_planning_leaves_nothing_half_done(
    stand: Stand, receiver: Receiver
) -> None:
    """Either an event became all its notices and deliveries, or the next node finds it as it was."""
    await stand.webhook(receiver.url)
    await stand.tell(number=1)
    await stand.tell(number=2)
    plans = PlanStore(stand.engine)
    make = maker(stand.clock.now, 86_400.0)
    made = 0

    def dies_at_the_second(*of: object) -> object:
        nonlocal made
        made += 1
        if made == 2:
            raise Killed
        return make(*of)  # type: ignore[arg-type]

    with pytest.raises(Killed):
        await plans.plan(dies_at_the_second, 100, stand.clock.now())  # type: ignore[arg-type]
    behind = await plans.behind()
    await stand.deliver()

    assert behind == 2
    assert len(receiver.got) == 2


async def test_what_is_settled_late_changes_nothing(stand: Stand, receiver: Receiver) -> None:
    """A node that was held up, and whose channel another has taken over, writes nothing down any more."""
    channel, _ = await stand.webhook(receiver.url)
    await stand.tell()
    await PlanStore(stand.engine).plan(maker(stand.clock.now, 86_400.0), 100, stand.clock.now())
    room = Room(any=8, failing=4, of_account=lambda _: 4)
    now = stand.clock.now()
    (late,) = await stand.store.claim(lambda: "late", room, now, now + 10)
    assert await stand.store.claim(lambda: "other", room, now, now + 10) == []
    stand.clock.advance(11)
    now = stand.clock.now()
    (other,) = await stand.store.claim(lambda: "other", room, now, now + 10)
    (delivery,) = await stand.store.due(other, now, 10)
    failed = Result(
        at=now, seconds=0, outcome="failed", is_delivered=False, status=None, detail=None
    )
    lost = await stand.store.settle(late, delivery, failed, now + 10)
    await stand.store.release(late)
    again = await stand.store.claim(lambda: "third", room, now, now + 10)

    assert lost is None
    assert again == []
    assert (await stand.log(channel.id))[0].attempts == 0
    kept = await stand.store.settle(other, delivery, failed, now + 10)
    twice = await stand.store.settle(other, delivery, failed, now + 10)
    assert kept is not None
    assert twice is not None
    assert (twice.failures, (await stand.log(channel.id))[0].attempts) == (1, 1)


async def test_dead_receivers_of_one_account_delay_nobody_else(
    sql_engine: AsyncEngine, account: AccountView
) -> None:
    """One account's hanging receivers take up its own share, however many it has and whatever waits for them."""
    other = await World(sql_engine).accounts.create(OPERATOR, "Bo")
    sender = Blocking()
    stand = Stand(sql_engine, {ChannelKind.WEBHOOK: sender}, pace=Pace(concurrency=8))
    for number in range(12):
        await stand.webhook(f"http://127.0.0.1:9/dead/{number}", account.id)
    await stand.webhook("http://127.0.0.1:9/well", other.id)
    for _ in range(5):
        await stand.tell(account_id=account.id)
    for _ in range(20):
        await stand.tell(account_id=other.id)

    async with asyncio.timeout(30), Crew() as crew:
        while sum(sender.sent.values()) < 20 or sender.under_way < 4:
            await stand.dispatcher.step(crew)
            await asyncio.sleep(0.01)
        hanging = sender.under_way
        sender.hold.set()
        await stand.dispatcher.idle()

    assert hanging == 4
    assert sender.most <= 8


async def test_receivers_that_failed_lately_leave_half_of_the_room(
    sql_engine: AsyncEngine,
) -> None:
    """A hundred accounts with dead receivers do not take up all connections."""
    sender = Blocking()
    stand = Stand(sql_engine, {ChannelKind.WEBHOOK: sender}, pace=Pace(concurrency=4))
    world = World(sql_engine)
    for number in range(6):
        dead = await world.accounts.create(OPERATOR, f"Dead {number}")
        await stand.webhook("http://127.0.0.1:9/dead", dead.id)
        await stand.tell(account_id=dead.id)
    sender.hold.set()
    await stand.deliver()
    sender.hold.clear()
    stand.clock.advance(10)
    async with asyncio.timeout(30), Crew() as crew:
        while sender.under_way < 2:
            await stand.dispatcher.step(crew)
            await asyncio.sleep(0.01)
        for _ in range(3):
            await stand.dispatcher.step(crew)
        hanging = sender.under_way
        sender.hold.set()
        await stand.dispatcher.idle()

    assert hanging == 2


async def test_the_end_waits_for_what_is_under_way(stand: Stand, receiver: Receiver) -> None:
    """At the end nothing new is begun, and what was begun is finished and written down."""
    patient = Pace(drain_seconds=20.0)
    stand = Stand(stand.engine, stand.senders, clock=stand.clock, pace=patient)
    channel, _ = await stand.webhook(receiver.url)
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_request: web.Request) -> web.StreamResponse:
        arrived.set()
        await go_on.wait()
        return web.Response(status=200)

    receiver.answers.append(slow)
    await stand.tell(number=1)
    await stand.tell(number=2)
    async with asyncio.timeout(20), Crew() as crew:
        running = crew.start("dispatcher", stand.dispatcher.run())
        await arrived.wait()
        stand.dispatcher.stop()
        go_on.set()
        await running

    states = sorted(each.state for each in await stand.log(channel.id))
    assert states == [DeliveryState.DELIVERED, DeliveryState.PENDING]
    assert (await stand.row(channel.id)).claimed_by is None


async def test_a_fault_of_ours_in_one_notification_stops_no_other(
    sql_engine: AsyncEngine, receiver: Receiver
) -> None:
    """A sender with a bug fails its own deliveries, and the control plane goes on."""

    class Broken:
        async def send(self, parcel: Parcel) -> Outcome:
            raise ZeroDivisionError

    async with sending() as senders:
        both = {**senders, ChannelKind.EMAIL: Broken()}
        stand = Stand(sql_engine, both)
        await stand.webhook(receiver.url)
        mail = await stand.channels.create(
            OPERATOR, NewChannel(kind="email", name="x", recipients=["a@example.com"])
        )
        await stand.tell()
        await stand.deliver()

        assert len(receiver.got) == 1
        (failed,) = await stand.log(mail.channel.id)
        assert failed.detail == "Keywright failed to send it; the log tells why."


class AwayAtFirst(PlanStore):
    """A database that does not answer the first three times."""

    asked = 0

    async def behind(self) -> int:
        """As it is, from the fourth time on."""
        self.asked += 1
        if self.asked <= 3:
            raise StoreError("sql", "look for events", "away")
        return await super().behind()


async def test_nothing_stays_behind_when_sql_is_away(
    sql_engine: AsyncEngine, receiver: Receiver
) -> None:
    """A database that does not answer for a moment delays notifications, and loses none."""
    async with sending() as senders:
        plans = AwayAtFirst(sql_engine)
        stand = Stand(sql_engine, senders, pace=Pace(poll_seconds=0.05), plans=plans)
        await stand.webhook(receiver.url)
        await stand.tell()
        async with asyncio.timeout(20), Crew() as crew:
            running = crew.start("dispatcher", stand.dispatcher.run())
            await receiver.wait_for(1)
            stand.dispatcher.stop()
            await running

        assert plans.asked > 3
