"""Keys that were made elsewhere: a file is looked through first, and taken in when somebody has seen what would be."""

__all__ = ["IMPORT_PAGES", "TakingIn"]

import io
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

from aiohttp import web

from admin.console import words
from admin.console.form import UploadedFile
from admin.console.long_work import work_path
from admin.console.offered import offered_plans
from admin.console.page import Page, Visit
from admin.core.caller import Caller, Permission
from admin.core.faults import NotFound
from admin.core.transfer.entries import Hints
from admin.core.transfer.formats import HEAD_BYTES, Format, detected, read
from admin.core.transfer.lines import LINE_BYTES_MAX
from admin.operations.acts import ACTS
from admin.operations.asked import Asked
from admin.operations.importing import Importing
from admin.services.catalogue import Services
from admin.services.jobs import Job, Steps
from admin.wire.people import AccountPage
from admin.wire.transfer import ImportedLine, ImportLine, ImportRequest, ImportResult

_FILE_BYTES_MAX: Final = 8 * 1024 * 1024
_ACCOUNTS_MAX: Final = 200
_NO_FILE: Final = "Choose a file."
_KONG: Final = (
    "This is a file of Kong's. It is taken in by the command: keywright keys import FILE --dry-run"
)


@dataclass(slots=True)
class TakingIn:
    """A file on its way in. It is kept until it was taken in, or until its report is forgotten."""

    file: UploadedFile | None
    hints: Hints
    dry_run: bool
    work: Importing = field(default_factory=Importing)

    @property
    def name(self) -> str:
        """What its owner calls the file."""
        return "" if self.file is None else self.file.name

    @property
    def line_count(self) -> int:
        """How many lines there are to look at."""
        return 0 if self.file is None else self.file.body.count(b"\n") + 1


async def _show(visit: Visit) -> web.StreamResponse:
    return await _form(visit, {})


async def _form(visit: Visit, errors: Mapping[str, str]) -> web.StreamResponse:
    offer = await offered_plans(visit)
    accounts = await visit.act("accounts.list", AccountPage, query={"limit": _ACCOUNTS_MAX})
    return visit.render(
        "keys/import.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        account_choices=[
            ("", "None: each line names its own"),
            *((one.id, f"{one.name} ({one.id})") for one in accounts.accounts),
        ],
        boxes=words.boxes(map(words.scope_words, offer.scopes)),
        megabytes=_FILE_BYTES_MAX // 1024 // 1024,
        errors=errors,
    )


async def _look_through(visit: Visit) -> web.StreamResponse:
    """What would become of each line; nothing is changed."""
    form = visit.form()
    file = form.file("file")
    if file is None or not file.body.strip():
        return await _form(visit, {"file": _NO_FILE})
    if detected(file.body[:HEAD_BYTES]) is Format.KONG:
        return await _form(visit, {"file": _KONG})
    hints = Hints(visit.now, form.given("account"), tuple(form.all("scopes")))
    return _begun(visit, TakingIn(file, hints, dry_run=True))


async def _take_in(visit: Visit) -> web.StreamResponse:  # noqa: RUF029 -- a page
    """Take in the file that was looked through, once."""
    jobs = visit.services.console.jobs
    looked = jobs.find(visit.caller, visit.id("work_id")).told(TakingIn)
    if looked.file is None or not looked.dry_run:
        raise NotFound("This file was taken in already, or is not known any more. Choose it again.")
    answer = _begun(visit, TakingIn(looked.file, looked.hints, dry_run=False))
    looked.file = None
    return answer


def _begun(visit: Visit, taking: TakingIn) -> web.Response:
    steps = _steps(visit.services, taking)
    job = visit.services.console.jobs.begin(
        visit.caller, "import", taking, steps, taking.line_count
    )
    return visit.redirect(work_path(job))


def _steps(services: Services, taking: TakingIn) -> Steps:
    async def steps(job: Job) -> AsyncGenerator[None, None]:
        body = b"" if taking.file is None else taking.file.body
        entries = read(detected(body[:HEAD_BYTES]), _lines(body), taking.hints)
        for batch in taking.work.batches(entries):
            results = await _sent(services, job.caller, batch, dry_run=taking.dry_run)
            taking.work.settle(results)
            job.done = taking.work.through
            yield
        if not taking.dry_run:
            taking.file = None

    return steps


async def _sent(
    services: Services, caller: Caller, batch: Sequence[ImportLine], *, dry_run: bool
) -> Sequence[ImportedLine]:
    if not batch:
        return ()
    asked = Asked(body=ImportRequest(lines=tuple(batch), dry_run=dry_run))
    result = await ACTS["keys.import"](services, caller, asked)
    return result.results if isinstance(result, ImportResult) else ()


def _lines(body: bytes) -> Iterator[bytes]:
    stream = io.BytesIO(body)
    while piece := stream.readline(LINE_BYTES_MAX + 1):
        yield piece


_IMPORT = Permission.KEYS_IMPORT
IMPORT_PAGES = (
    Page("GET", "/keys/import", _IMPORT, _show),
    Page(
        "POST",
        "/keys/import",
        _IMPORT,
        _look_through,
        body_bytes_max=_FILE_BYTES_MAX,
        takes_file=True,
    ),
    Page("POST", "/keys/import/{work_id}", _IMPORT, _take_in, needs_reauthentication=True),
)
