"""Channels, a dispatcher and a receiver, all of them real; only the clock stands still."""

__all__ = ["EVERYTHING", "ON_THIS_MACHINE", "Got", "Receiver", "Stand", "receiving", "sending"]

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.core.caller import Caller
from admin.core.notices.channel_words import ChannelKind
from admin.core.notices.places import NetworkRules
from admin.core.page import PAGE_MAX, PageRequest
from admin.senders.webhook import WebhookSender
from admin.services.channel_rules import ChannelRules
from admin.services.channels import ChannelService, CreatedChannel, NewChannel
from admin.services.deliveries import DeliveryService
from admin.services.dispatching import Dispatcher, Pace, Sender
from admin.services.inbox import InboxService
from admin.services.notice_keeping import NoticeKeeping
from admin.services.sealing import OF_CHANNELS, Sealer
from admin.stores.channels import ChannelStore
from admin.stores.deliveries import Delivery, DeliveryStore
from admin.stores.dispatch import DispatchStore
from admin.stores.inbox import InboxStore
from admin.stores.notices_kept import NoticesKept
from admin.stores.planning import PlanStore
from admin.stores.transaction import transaction
from gateway.core.credential import Peppers
from gateway.notified import NotificationTally
from gateway.stores.notification_tables import channels
from gateway.stores.sql_engine import read_rows
from gateway.stores.tables import from_us
from gateway.tasks import Crew
from tests.admin.world import OPERATOR, PEPPERS, repeats_of
from tests.doubles import ManualClock

ON_THIS_MACHINE = NetworkRules(["127.0.0.0/8"])
EVERYTHING = PageRequest(PAGE_MAX)

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Got:
    """What a receiver was sent."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """By which a receiver tells that it has seen it before."""
        return self.headers["webhook-id"]


class Receiver:
    """An HTTP server that keeps what it gets, and answers 204, or what stands in `answers` first."""

    def __init__(self) -> None:
        self.url = ""
        self.got: list[Got] = []
        self.answers: deque[Answer] = deque()
        self.usual: Answer | None = None
        self._arrived = asyncio.Event()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One request."""
        self.got.append(Got(request.path, dict(request.headers), await request.read()))
        self._arrived.set()
        if self.answers:
            return await self.answers.popleft()(request)
        return web.Response(status=204) if self.usual is None else await self.usual(request)

    def will(self, *statuses: int, headers: Mapping[str, str] | None = None) -> None:
        """Answer the next requests so."""

        async def answer(_request: web.Request, status: int) -> web.StreamResponse:
            return web.Response(status=status, headers=headers)

        for status in statuses:
            self.answers.append(lambda request, status=status: answer(request, status))  # type: ignore[misc]

    def always(self, status: int) -> None:
        """Answer every request so from now on."""

        async def answer(_request: web.Request) -> web.StreamResponse:
            return web.Response(status=status)

        self.usual = answer

    async def wait_for(self, count: int) -> None:
        """Until it has got so many."""
        async with asyncio.timeout(20):
            while len(self.got) < count:
                self._arrived.clear()
                _ = await self._arrived.wait()


@contextlib.asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A receiver on a free port of this machine."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", receiver.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    receiver.url = f"http://{host}:{port}/hook"
    try:
        yield receiver
    finally:
        await runner.cleanup()


class Stand:
    """One node; several on one database are several stands with one clock."""

    def __init__(
        self,
        engine: AsyncEngine,
        senders: Mapping[ChannelKind, Sender],
        *,
        clock: ManualClock | None = None,
        peppers: Peppers = PEPPERS,
        rules: ChannelRules | None = None,
        pace: Pace | None = None,
        plans: PlanStore | None = None,
    ) -> None:
        self.engine = engine
        self.senders = senders
        # As it is now, for receivers look at how old a signature is.
        self.clock = clock or ManualClock(float(int(time.time())))
        self.tally = NotificationTally()
        sealer = Sealer(lambda: peppers, OF_CHANNELS)
        store, log = ChannelStore(engine), DeliveryStore(engine)
        repeats = repeats_of(engine)
        chosen = rules or ChannelRules(ON_THIS_MACHINE, is_http_allowed=True, has_mail_server=True)
        self.channels = ChannelService(store, repeats, sealer, self.clock, chosen)
        self.deliveries = DeliveryService(
            store, log, self.channels, repeats, self.clock, give_up_after_seconds=86_400.0
        )
        self.inbox = InboxService(InboxStore(engine))
        self.store = DispatchStore(engine)
        self.keeping = NoticeKeeping(
            NoticesKept(engine), store, sealer, self.clock, keep_seconds=30 * 86_400.0
        )
        self.dispatcher = Dispatcher(
            plans=plans or PlanStore(engine),
            store=self.store,
            sealer=sealer,
            senders=senders,
            clock=self.clock,
            pace=pace or Pace(),
            tally=self.tally,
        )

    async def webhook(self, url: str, account_id: str | None = None, **more: Any) -> CreatedChannel:  # noqa: ANN401 -- fields of NewChannel
        """A webhook that wants everything."""
        new = NewChannel(kind="webhook", name="ops", account_id=account_id, url=url, **more)
        return await self.channels.create(OPERATOR, new)

    async def tell(
        self, kind: str = "key.revoked", account_id: str | None = None, **data: object
    ) -> None:
        """Let something happen."""
        async with transaction(self.engine, "tell", OPERATOR, self.clock.now()) as tx:
            tx.tell(kind, account_id=account_id, key_id="key_1", data={"name": "ci", **data})

    async def deliver(self) -> None:
        """Do all that is due at this moment, and come back when it is done."""
        async with asyncio.timeout(60), Crew() as crew:
            while await self.dispatcher.step(crew):
                await self.dispatcher.idle()

    async def later(self, seconds: float) -> None:
        """Deliver what is due after so long."""
        self.clock.advance(seconds)
        await self.deliver()

    async def until_nothing_waits(self, channel_id: str, hours: float = 30.0) -> None:
        """Deliver at each moment at which something is due, for so many hours at most."""
        end = self.clock.now() + hours * 3600
        await self.deliver()
        while (due := await self._due_at(channel_id)) is not None and due < end:
            await self.later(max(0.0, due - self.clock.now()) + 0.001)
        self.clock.advance(max(0.0, end - self.clock.now()))

    async def _due_at(self, channel_id: str) -> float | None:
        row = await self.row(channel_id)
        if row.status != "active" or row.due_us is None:
            return None
        return from_us(max(row.due_us, row.rest_us or 0))

    async def log(self, channel_id: str, caller: Caller = OPERATOR) -> Sequence[Delivery]:
        """The channel's deliveries, oldest first."""
        page = await self.deliveries.list(caller, channel_id, EVERYTHING)
        return page.items[::-1]

    async def row(self, channel_id: str) -> Any:  # noqa: ANN401 -- a row
        """The channel as the database has it."""
        (row,) = await read_rows(
            self.engine, "look", select(channels).where(channels.c.id == channel_id)
        )
        return row


@contextlib.asynccontextmanager
async def sending(
    rules: NetworkRules = ON_THIS_MACHINE, deadline_seconds: float = 20.0
) -> AsyncIterator[Mapping[ChannelKind, Sender]]:
    """The real sender of webhooks."""
    async with WebhookSender(rules, deadline_seconds=deadline_seconds, threads=4) as sender:
        yield {ChannelKind.WEBHOOK: sender}
