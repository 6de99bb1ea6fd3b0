"""`keywright channels` and `keywright inbox`: who is told of what happens, and what was sent."""

__all__ = ["channels", "inbox"]

from typing import Annotated, Any, Literal

import typer

from admin.cli.channel_words import (
    attempt_row,
    channel_details,
    channel_row,
    delivery_details,
    delivery_row,
    notice_row,
)
from admin.cli.desk import Desk, Paging, command
from admin.cli.options import Account, IfVersion, Yes
from admin.cli.output import plain, table
from admin.client.calls import notifications as calls
from admin.client.pages import EVERY_CHANNEL, EVERY_DELIVERY, EVERY_NOTICE
from admin.wire.notifications import DeliveryDocument
from admin.wire.words import ChannelKind, DeliveryState, Severity

channels = typer.Typer(
    help="Where notifications go: webhooks, e-mail, chat services.", no_args_is_help=True
)
inbox = typer.Typer(help="What you ought to know.", no_args_is_help=True)

ChannelId = Annotated[str, typer.Argument(metavar="ID", help="The channel's id.")]
DeliveryId = Annotated[str, typer.Argument(metavar="ID", help="The delivery's id.")]
Url = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Of the webhook; of a chat service as Apprise writes it.",
        show_default=False,
    ),
]
Recipients = Annotated[
    list[str] | None,
    typer.Option(
        "--to", metavar="ADDRESS", help="An e-mail address; repeat for more.", show_default=False
    ),
]
Events = Annotated[
    list[str] | None,
    typer.Option(
        "--event",
        metavar="KIND",
        help="Only these: key.revoked, or key.* for all of keys; repeat for more.",
        show_default=False,
    ),
]
AtLeast = Annotated[
    Severity | None,
    typer.Option("--severity", help="Only what matters at least so much.", show_default=False),
]


@command(channels)
def create(  # noqa: PLR0913 -- one parameter for each option
    *,
    desk: Desk,
    kind: Annotated[ChannelKind, typer.Option(help="How it is reached.")],
    name: Annotated[str, typer.Option(help="What it is for.")],
    account: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="Whose events; without it, those of all accounts.",
            show_default=False,
        ),
    ] = None,
    url: Url = None,
    to: Recipients = None,
    event: Events = None,
    severity: AtLeast = None,
) -> None:
    """Send notifications somewhere; a webhook's secret is printed this once."""
    made = desk.ask(
        calls.create_channel(
            kind=kind,
            name=name,
            account=account,
            url=url,
            recipients=to or None,
            events=event or None,
            severity=severity,
        )
    )
    said = [plain(f"Created {made.kind.value} channel {made.id} ({made.name}).")]
    if made.secret is not None:
        said += [
            plain("The secret with which its receiver checks signatures, shown this once:"),
            plain(f"  {made.secret}"),
        ]
    desk.show(made, *said)


@command(channels, "list")
def list_all(
    *,
    desk: Desk,
    page: Paging,
    account: Account = None,
    kind: Annotated[
        ChannelKind | None, typer.Option(help="Only these.", show_default=False)
    ] = None,
) -> None:
    """List channels."""
    wanted = calls.list_channels(account=account, kind=kind, **page.asked)
    found = desk.page(EVERY_CHANNEL, wanted, page)
    rows = [channel_row(each, desk.now) for each in found.channels]
    if rows:
        spare = ("last delivered", "events", "account")
        desk.show(found, table(list(rows[0]), [list(row.values()) for row in rows], spare))
    else:
        desk.show(
            found,
            plain(
                "There are no channels. Next: keywright channels create --kind webhook --name NAME --url URL"
            ),
        )
    desk.hint_at_more(found.next_cursor)


@command(channels)
def show(channel_id: ChannelId, *, desk: Desk) -> None:
    """Show a channel, and how it goes."""
    channel = desk.ask(calls.show_channel(channel_id))
    desk.show(channel, table((), list(channel_details(channel, desk.now))))


@command(channels)
def update(  # noqa: PLR0913 -- one parameter for each option
    channel_id: ChannelId,
    *,
    desk: Desk,
    name: Annotated[str | None, typer.Option(help="Another name.", show_default=False)] = None,
    url: Url = None,
    to: Recipients = None,
    event: Events = None,
    severity: AtLeast = None,
    status: Annotated[
        Literal["active", "paused"] | None,
        typer.Option(help="paused: nothing is sent; active: again.", show_default=False),
    ] = None,
    if_version: IfVersion = None,
) -> None:
    """Change a channel, pause it, or switch it on again."""
    values: dict[str, Any] = {
        "name": name,
        "url": url,
        "recipients": to or None,
        "events": event or None,
        "severity": severity,
        "status": status,
    }
    given = {word: value for word, value in values.items() if value is not None}
    channel = desk.ask(calls.update_channel(channel_id, **given, if_match=if_version))
    desk.show(channel, plain(f"Channel {channel.id} ({channel.name}) is {channel.status.value}."))


@command(channels)
def delete(
    channel_id: ChannelId, *, desk: Desk, if_version: IfVersion = None, yes: Yes = False
) -> None:
    """Take a channel away: nothing more is sent to it."""
    desk.make_sure(f"Delete channel {channel_id}?", is_sure=yes)
    channel = desk.ask(calls.delete_channel(channel_id, if_match=if_version))
    desk.show(channel, plain(f"Deleted channel {channel.id} ({channel.name})."))


@command(channels)
def rotate(
    channel_id: ChannelId,
    *,
    desk: Desk,
    overlap: Annotated[
        str, typer.Option(metavar="DURATION", help="How long the old secret signs, too: 0s to 30d.")
    ] = "24h",
    if_version: IfVersion = None,
) -> None:
    """Give a webhook a new secret, and print it this once."""
    made = desk.ask(
        calls.rotate_channel(channel_id, overlap=overlap.strip().lower(), if_match=if_version)
    )
    desk.show(
        made,
        plain(f"Channel {made.id} ({made.name}) has a new secret, shown this once:"),
        plain(f"  {made.secret}"),
    )


@command(channels, "test")
def try_it(channel_id: ChannelId, *, desk: Desk) -> None:
    """Send a trial; a running 'keywright serve' delivers it in a moment."""
    delivery = desk.ask(calls.try_channel(channel_id))
    desk.show(
        delivery,
        plain(f"Sent a trial: delivery {delivery.id}."),
        plain(f"What becomes of it: keywright channels delivery {delivery.id}"),
    )


@command(channels)
def deliveries(
    channel_id: ChannelId,
    *,
    desk: Desk,
    page: Paging,
    state: Annotated[
        DeliveryState | None, typer.Option(help="Only these.", show_default=False)
    ] = None,
) -> None:
    """List what was sent to a channel, newest first."""
    wanted = calls.list_deliveries(channel_id, state=state, **page.asked)
    found = desk.page(EVERY_DELIVERY, wanted, page)
    rows = [delivery_row(each, desk.now) for each in found.deliveries]
    if rows:
        desk.show(found, table(list(rows[0]), [list(row.values()) for row in rows], ("next try",)))
    else:
        desk.show(found, plain("Nothing was sent to it."))
    desk.hint_at_more(found.next_cursor)


@command(channels)
def delivery(delivery_id: DeliveryId, *, desk: Desk) -> None:
    """Show one delivery, and each attempt."""
    found = desk.ask(calls.show_delivery(delivery_id))
    rows = [attempt_row(each, desk.now) for each in found.log]
    said = [table((), list(delivery_details(found, desk.now)))]
    if rows:
        said.append(table(list(rows[0]), [list(row.values()) for row in rows]))
    desk.show(found, *said)


@command(channels)
def replay(delivery_id: DeliveryId, *, desk: Desk) -> None:
    """Send a finished delivery once more, under its own id."""
    found: DeliveryDocument = desk.ask(calls.replay_delivery(delivery_id))
    desk.show(found, plain(f"Delivery {found.id} ({found.title}) is sent again."))


@command(inbox, "list")
def list_notices(
    *,
    desk: Desk,
    page: Paging,
    account: Account = None,
    severity: AtLeast = None,
    unread: Annotated[bool, typer.Option("--unread", help="Only what you have not read.")] = False,
) -> None:
    """List notices, newest first."""
    wanted = calls.list_inbox(
        account=account, severity=severity, unread=unread or None, **page.asked
    )
    found = desk.page(EVERY_NOTICE, wanted, page)
    rows = [notice_row(each, desk.now) for each in found.notices]
    if rows:
        desk.show(
            found,
            table(list(rows[0]), [list(row.values()) for row in rows], ("account",)),
            plain(f"{found.unread} unread."),
        )
    else:
        desk.show(found, plain("There is nothing in the inbox."))
    desk.hint_at_more(found.next_cursor)


@command(inbox)
def read(
    notices: Annotated[
        list[int] | None,
        typer.Argument(metavar="NO...", help="Numbers of notices.", show_default=False),
    ] = None,
    *,
    desk: Desk,
    up_to: Annotated[
        int | None,
        typer.Option(metavar="NO", min=0, help="All up to this one.", show_default=False),
    ] = None,
) -> None:
    """Note what you have read; others still find it unread."""
    left = desk.ask(calls.mark_read(notices=notices or None, up_to=up_to))
    desk.show(left, plain(f"{left.unread} unread."))
