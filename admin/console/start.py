"""The first page after signing in."""

__all__ = ["START_PAGES"]

from aiohttp import web

from admin.console.page import Page, Visit


async def _start(visit: Visit) -> web.StreamResponse:  # noqa: RUF029 -- a handler
    return visit.render("start.html")


START_PAGES = (Page("GET", "/", None, _start),)
