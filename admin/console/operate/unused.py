"""Keys that nobody uses, or that are old: the list to go through, and how to disable many of them."""

__all__ = ["UNUSED_PAGES"]

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, NamedTuple

from aiohttp import web

from admin.console import words
from admin.console.keys.listing import next_page
from admin.console.long_work import work_path
from admin.console.page import Page, Visit
from admin.core.caller import Caller, Permission
from admin.core.faults import Changed, Conflict
from admin.core.page import PAGE_MAX
from admin.operations.acts import ACTS
from admin.operations.asked import Asked
from admin.services.catalogue import Services
from admin.services.jobs import Job, Steps
from admin.wire.keys import KeyChanged, KeyDocument, KeyPage, KeyQuery
from gateway.core.errors import Misuse

_ROWS: Final = 50
# So many are told of one by one; of the others only how many there were.
_TOLD_MAX: Final = 200
# What is looked for, by the name of the filter and its value.
_KINDS: Final[Mapping[str, tuple[str, str, str]]] = {
    "unused": ("Not used for 90 days", "unused_for", "90d"),
    "unused-year": ("Not used for a year", "unused_for", "365d"),
    "old": ("Older than a year", "older_than", "365d"),
    "expiring": ("Expiring within 30 days", "expiring_in", "30d"),
}


class Missed(NamedTuple):
    """A key that was not disabled, and why."""

    key_id: str
    why: str


@dataclass(slots=True)
class Disabling:
    """What is told of many keys that are disabled: each of the first ones, and how many there were."""

    count: int = 0
    missed_count: int = 0
    told: list[KeyChanged] = field(default_factory=list)
    missed: list[Missed] = field(default_factory=list)

    def done(self, key: KeyChanged) -> None:
        """One more is disabled."""
        self.count += 1
        if len(self.told) < _TOLD_MAX:
            self.told.append(key)

    def not_done(self, key_id: str, why: str) -> None:
        """One could not be."""
        self.missed_count += 1
        if len(self.missed) < _TOLD_MAX:
            self.missed.append(Missed(key_id, why))


async def _list(visit: Visit) -> web.StreamResponse:
    return await _table(visit, {})


async def _table(visit: Visit, errors: Mapping[str, str]) -> web.StreamResponse:
    query = visit.request.query
    kind = _kind(visit)
    found = await visit.act("keys.list", KeyPage, query=_asked(kind, _ROWS, query.get("cursor")))
    return visit.render(
        "keys/unused.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        keys=found.keys,
        kind=kind,
        kinds=_KINDS,
        more=next_page("/keys/unused", query, found.next_cursor),
        errors=errors,
        words=words,
    )


def _kind(visit: Visit) -> str:
    asked = visit.request.query.get("kind", "")
    return asked if asked in _KINDS else "unused"


def _asked(kind: str, limit: int, cursor: str | None = None) -> dict[str, Any]:
    _, name, value = _KINDS[kind]
    asked = {name: value, "state": "active", "limit": limit}
    return asked | {"cursor": cursor} if cursor else asked


async def _disable(visit: Visit) -> web.StreamResponse:
    """Disable each of those that are ticked."""
    chosen = visit.form().all("key")[:_ROWS]
    if not chosen:
        return await _table(visit, {"": "Tick the keys that are to be disabled."})
    report = Disabling()
    return _begun(visit, report, _of_chosen(visit.services, report, chosen), len(chosen))


async def _ask_all(visit: Visit) -> web.StreamResponse:  # noqa: RUF029 -- a page
    """The question before everything that the list shows, on all of its pages, is disabled."""
    kind = _kind(visit)
    said = _KINDS[kind][0]
    return visit.render(
        "confirm.html",
        title="Disable all of them?",
        sentences=(
            f"Every active key that you see under \u201c{said}\u201d is disabled, on all pages of the list.",
            "Requests with them are refused from then on. Each can be enabled again.",
        ),
        action=f"/keys/unused/all?kind={kind}",
        button="Disable all of them",
        back=f"/keys/unused?kind={kind}",
    )


async def _disable_all(visit: Visit) -> web.StreamResponse:  # noqa: RUF029 -- a page
    kind, report = _kind(visit), Disabling()

    def page_after(cursor: str | None) -> Asked:
        return visit.asking(KeyQuery, {}, _asked(kind, PAGE_MAX, cursor))

    return _begun(visit, report, _of_all(visit.services, report, page_after), None)


def _begun(visit: Visit, report: Disabling, steps: Steps, total: int | None) -> web.Response:
    job = visit.services.console.jobs.begin(visit.caller, "disable", report, steps, total)
    return visit.redirect(work_path(job))


def _of_chosen(services: Services, report: Disabling, chosen: Sequence[str]) -> Steps:
    async def steps(job: Job) -> AsyncGenerator[None, None]:
        for key_id in chosen:
            await _disable_one(services, job.caller, report, key_id)
            job.done += 1
            yield

    return steps


def _of_all(
    services: Services, report: Disabling, page_after: Callable[[str | None], Asked]
) -> Steps:
    """Count them, then disable them page by page: who uses a key meanwhile takes it off the list."""

    async def page(caller: Caller, cursor: str | None) -> tuple[Sequence[KeyDocument], str | None]:
        found = await ACTS["keys.list"](services, caller, page_after(cursor))
        return (found.keys, found.next_cursor) if isinstance(found, KeyPage) else ((), None)

    async def steps(job: Job) -> AsyncGenerator[None, None]:
        count, is_first, cursor = 0, True, None
        while is_first or cursor:
            is_first = False
            keys, cursor = await page(job.caller, cursor)
            count += len(keys)
            yield
        job.total, is_first = count, True
        while is_first or cursor:
            is_first = False
            keys, cursor = await page(job.caller, cursor)
            for key in keys:
                await _disable_one(services, job.caller, report, key.id)
                job.done += 1
                yield

    return steps


async def _disable_one(services: Services, caller: Caller, report: Disabling, key_id: str) -> None:
    try:
        done = await ACTS["keys.disable"](services, caller, Asked({"key_id": key_id}))
    except (Misuse, Conflict, Changed) as error:
        report.not_done(key_id, str(error))
    else:
        if isinstance(done, KeyChanged):
            report.done(done)


_WRITE = Permission.KEYS_WRITE
UNUSED_PAGES = (
    Page("GET", "/keys/unused", _WRITE, _list),
    Page("POST", "/keys/unused", _WRITE, _disable),
    Page("GET", "/keys/unused/all", _WRITE, _ask_all),
    Page("POST", "/keys/unused/all", _WRITE, _disable_all),
)
