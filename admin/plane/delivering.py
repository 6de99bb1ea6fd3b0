"""From the settings to the senders, and the dispatcher that uses them."""

__all__ = ["delivering", "mail_server"]

import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

from admin.core.notices.channel_words import ChannelKind
from admin.core.notices.places import NetworkRules
from admin.senders.chat import ChatSender
from admin.senders.mail import MailSender, MailServer
from admin.senders.webhook import WebhookSender
from admin.services.dispatching import Dispatcher, Pace, Sender
from admin.services.notice_keeping import NoticeKeeping
from admin.services.sealing import OF_CHANNELS, Sealer
from admin.stores.channels import ChannelStore
from admin.stores.dispatch import DispatchStore
from admin.stores.notices_kept import NoticesKept
from admin.stores.planning import PlanStore
from gateway.app.admitting import Door
from gateway.core.errors import Misuse
from gateway.settings import Settings, revealed
from gateway.tasks import Crew


@contextlib.asynccontextmanager
async def delivering(settings: Settings, door: Door) -> AsyncIterator[None]:
    """Notifications are delivered for as long as the block lasts, and what is under way then is finished.

    Raises Misuse for certificates that cannot be read.
    """
    chosen = settings.notifications
    sealer = Sealer(lambda: door.peppers, OF_CHANNELS)
    async with contextlib.AsyncExitStack() as stack:
        senders = await _senders(stack, settings)
        dispatcher = Dispatcher(
            plans=PlanStore(door.engine),
            store=DispatchStore(door.engine),
            sealer=sealer,
            senders=senders,
            clock=door.clock,
            pace=Pace(
                concurrency=chosen.concurrency,
                attempt_seconds=max(chosen.deadline_seconds, chosen.mail.deadline_seconds),
                give_up_after_seconds=chosen.give_up_after_seconds,
                switch_off_after_seconds=chosen.switch_off_after_seconds,
            ),
            tally=door.metrics.notifications,
        )
        keeping = NoticeKeeping(
            NoticesKept(door.engine),
            ChannelStore(door.engine),
            sealer,
            door.clock,
            keep_seconds=chosen.keep_seconds,
        )
        crew = await stack.enter_async_context(Crew())
        _ = crew.start("notice keeping", keeping.run())
        running = crew.start("notifications", dispatcher.run())

        async def drained() -> None:
            dispatcher.stop()
            await running

        stack.push_async_callback(drained)
        yield


async def _senders(
    stack: contextlib.AsyncExitStack, settings: Settings
) -> dict[ChannelKind, Sender]:
    chosen = settings.notifications
    rules, tls = NetworkRules(chosen.allow_networks), _tls(chosen.ca_file)
    senders: dict[ChannelKind, Sender] = {
        ChannelKind.WEBHOOK: await stack.enter_async_context(
            WebhookSender(
                rules,
                deadline_seconds=chosen.deadline_seconds,
                threads=chosen.concurrency,
                tls=tls,
            )
        )
    }
    if chosen.chat_schemes:
        chat = ChatSender(
            rules,
            chosen.chat_schemes,
            deadline_seconds=chosen.deadline_seconds,
            threads=chosen.concurrency,
        )
        stack.callback(chat.close)
        senders[ChannelKind.CHAT] = chat
    if (server := mail_server(settings)) is not None:
        senders[ChannelKind.EMAIL] = MailSender(server)
    return senders


def mail_server(settings: Settings) -> MailServer | None:
    """Where e-mail is handed over; None without one. Raises Misuse for certificates that cannot be read."""
    mail = settings.notifications.mail
    if mail.host is None or mail.sender is None:
        return None
    return MailServer(
        host=mail.host,
        port=mail.port,
        sender=mail.sender,
        security=mail.security,
        username=mail.username,
        password=revealed(mail.password),
        deadline_seconds=mail.deadline_seconds,
        tls=_tls(settings.notifications.ca_file),
    )


def _tls(ca_file: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except (OSError, ssl.SSLError):
            raise Misuse(
                f"notifications.ca_file: {ca_file} cannot be read, or holds no certificates (PEM)."
            ) from None
    return context
