"""Where notifications go: webhooks, e-mail, chat; each with a trial and what was sent to it."""

__all__ = ["CHANNEL_PAGES"]

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web

from admin.console.form import Form
from admin.console.keys.listing import next_page, this_page
from admin.console.once import mark_of
from admin.console.page import Page, Unfit, Visit
from admin.core.caller import Permission
from admin.wire.notifications import (
    ChannelCreated,
    ChannelDocument,
    ChannelPage,
    DeliveryDetails,
    DeliveryDocument,
    DeliveryPage,
)

_KINDS: Final = (
    ("webhook", "Webhook: JSON to a URL of yours, signed"),
    ("email", "E-mail"),
    ("chat", "Chat service"),
)
_SEVERITIES: Final = (
    ("", "As the kind of channel has it"),
    ("info", "Everything"),
    ("warning", "Warnings, and what is critical"),
    ("critical", "What is critical"),
)
_CHANNEL = "/channels/{channel_id}"


async def _list(visit: Visit) -> web.StreamResponse:
    return await _table(visit, {})


async def _table(visit: Visit, errors: Mapping[str, str]) -> web.StreamResponse:
    query = this_page(visit)
    page = await visit.act("channels.list", ChannelPage, query=query)
    return visit.render(
        "channels/list.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        channels=page.channels,
        more=next_page("/channels", visit.request.query, page.next_cursor),
        kinds=_KINDS,
        severities=_SEVERITIES,
        errors=errors,
        once=visit.new_once(),
    )


async def _create(visit: Visit) -> web.StreamResponse:
    form = visit.form()
    once = mark_of(form)
    try:
        made = await visit.act(
            "channels.create", ChannelCreated, body=_body(form, visit.caller.account_id), once=once
        )
    except Unfit as unfit:
        if unfit.is_repeated:
            return visit.redirect(f"/channels/made/{once}")
        return await _table(visit, unfit.errors)
    if made.secret is None:
        return visit.redirect(f"/channels/{made.id}", f"'{made.name}' is a channel. Try it.")
    return visit.redirect(f"/channels/made/{once}")


def _body(form: Form, account_id: str | None) -> dict[str, Any]:
    body: dict[str, Any] = {
        "kind": form.text("kind"),
        "name": form.text("name"),
        "account": account_id,
    }
    if (url := form.given("url")) is not None:
        body["url"] = url
    if recipients := form.lines("recipients"):
        body["recipients"] = recipients
    if (severity := form.given("severity")) is not None:
        body["severity"] = severity
    return body


async def _made(visit: Visit) -> web.StreamResponse:
    """A webhook's secret, this once."""
    earlier = await visit.services.shown_once.take(visit.caller_once(visit.id("channel_once")))
    if earlier is None or earlier.secret is None:
        return visit.render("keys/made_before.html", status=HTTPStatus.NOT_FOUND)
    channel = await visit.act(
        "channels.show", ChannelDocument, ids={"channel_id": earlier.target_id}
    )
    return visit.render("channels/made.html", channel=channel, secret=earlier.secret)


async def _show(visit: Visit) -> web.StreamResponse:
    ids = {"channel_id": visit.id("channel_id")}
    query = this_page(visit)
    channel = await visit.act("channels.show", ChannelDocument, ids=ids)
    page = await visit.act("channels.deliveries", DeliveryPage, ids=ids, query=query)
    return visit.render(
        "channels/show.html",
        channel=channel,
        deliveries=page.deliveries,
        more=next_page(f"/channels/{channel.id}", visit.request.query, page.next_cursor),
        once=visit.new_once(),
    )


async def _switch(visit: Visit) -> web.StreamResponse:
    form = visit.form()
    channel = await visit.act(
        "channels.update",
        ChannelDocument,
        ids={"channel_id": visit.id("channel_id")},
        body={"status": form.text("status")},
        expected=form.number("version"),
    )
    done = "is paused" if channel.status == "paused" else "is on"
    return visit.redirect(f"/channels/{channel.id}", f"'{channel.name}' {done}.")


async def _delete(visit: Visit) -> web.StreamResponse:
    channel = await visit.act(
        "channels.delete", ChannelDocument, ids={"channel_id": visit.id("channel_id")}
    )
    return visit.redirect("/channels", f"'{channel.name}' is taken away.")


async def _try(visit: Visit) -> web.StreamResponse:
    channel_id = visit.id("channel_id")
    await visit.act("channels.test", DeliveryDocument, ids={"channel_id": channel_id}, body={})
    return visit.redirect(
        f"/channels/{channel_id}", "A trial is on its way. Load the page again to see how it went."
    )


async def _rotate(visit: Visit) -> web.StreamResponse:
    once = mark_of(visit.form())
    try:
        await visit.act(
            "channels.rotate",
            ChannelCreated,
            ids={"channel_id": visit.id("channel_id")},
            body={},
            once=once,
        )
    except Unfit as unfit:
        if not unfit.is_repeated:
            raise
    return visit.redirect(f"/channels/made/{once}")


async def _delivery(visit: Visit) -> web.StreamResponse:
    delivery = await visit.act(
        "deliveries.show", DeliveryDetails, ids={"delivery_id": visit.id("delivery_id")}
    )
    body = json.dumps(delivery.body, indent=2, ensure_ascii=False)
    return visit.render("channels/delivery.html", delivery=delivery, body=body)


async def _replay(visit: Visit) -> web.StreamResponse:
    delivery_id = visit.id("delivery_id")
    await visit.act(
        "deliveries.replay", DeliveryDocument, ids={"delivery_id": delivery_id}, body={}
    )
    return visit.redirect(f"/deliveries/{delivery_id}", "It is sent once more.")


_WRITE = Permission.NOTIFICATIONS_WRITE
_READ = Permission.NOTIFICATIONS_READ
CHANNEL_PAGES = (
    Page("GET", "/channels", _READ, _list),
    Page("POST", "/channels", _WRITE, _create, needs_reauthentication=True),
    Page("GET", "/channels/made/{channel_once}", _WRITE, _made),
    Page("GET", _CHANNEL, _READ, _show),
    Page("POST", f"{_CHANNEL}/switch", _WRITE, _switch),
    Page("POST", f"{_CHANNEL}/delete", _WRITE, _delete),
    Page("POST", f"{_CHANNEL}/test", _WRITE, _try),
    Page("POST", f"{_CHANNEL}/rotate", _WRITE, _rotate, needs_reauthentication=True),
    Page("GET", "/deliveries/{delivery_id}", _READ, _delivery),
    Page("POST", "/deliveries/{delivery_id}/replay", _WRITE, _replay),
)
