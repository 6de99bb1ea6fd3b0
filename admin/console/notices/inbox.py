"""The inbox: what its reader ought to know."""

__all__ = ["INBOX_PAGES"]


from aiohttp import web

from admin.console.keys.listing import next_page, this_page
from admin.console.page import Page, Visit
from admin.core.caller import Permission
from admin.wire.notifications import InboxPage, InboxRead


async def _list(visit: Visit) -> web.StreamResponse:
    only_unread = bool(visit.asked("unread"))
    query = this_page(visit, unread=only_unread)
    page = await visit.act("inbox.list", InboxPage, query=query)
    return visit.render(
        "inbox.html",
        notices=page.notices,
        unread=page.unread,
        only_unread=only_unread,
        more=next_page("/inbox", visit.request.query, page.next_cursor),
    )


async def _read(visit: Visit) -> web.StreamResponse:
    await visit.act("inbox.read", InboxRead, body={"up_to": visit.form().number("up_to")})
    return visit.redirect("/inbox")


INBOX_PAGES = (
    Page("GET", "/inbox", Permission.NOTIFICATIONS_READ, _list),
    Page("POST", "/inbox", Permission.NOTIFICATIONS_READ, _read),
)
