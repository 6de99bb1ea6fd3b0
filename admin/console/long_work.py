"""The page of long work: how far it is, and in the end what became of it."""

__all__ = ["WORK_PAGES", "show_work", "work_path"]

from collections.abc import Mapping

from aiohttp import web

from admin.console import words
from admin.console.page import Page, Visit
from admin.services.jobs import Job

# By its kind: the page that tells of it.
_TEMPLATES: Mapping[str, str] = {
    "disable": "keys/disabling.html",
    "import": "keys/imported.html",
}


def work_path(job: Job) -> str:
    """Where its owner sees how far it is."""
    return f"/work/{job.id}"


def show_work(visit: Visit, job: Job) -> web.Response:
    """The page of this work; while it runs, browsers without scripts load it again by themselves."""
    return visit.render(
        _TEMPLATES[job.kind],
        job=job,
        report=job.report,
        is_still=visit.asked("still") is not None,
        words=words,
    )


async def _show(visit: Visit) -> web.StreamResponse:  # noqa: RUF029 -- a page
    return show_work(visit, visit.services.console.jobs.find(visit.caller, visit.id("work_id")))


WORK_PAGES = (Page("GET", "/work/{work_id}", None, _show),)
