"""`keywright usage …`: what keys and accounts did."""

__all__ = ["usage"]

import re
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from admin.cli.desk import Desk, command
from admin.cli.output import plain, table
from admin.cli.progress import waiting
from admin.cli.times import wire_moment
from admin.cli.usage_lines import point_lines, print_as_they_come, write_out
from admin.cli.usage_words import report_said, request_row
from admin.client.call import Call
from admin.client.calls.usage import (
    StepWord,
    list_account_requests,
    list_key_requests,
    show_account_usage,
    show_key_usage,
    show_usage,
)
from admin.client.streams import export_requests, tail_requests
from admin.core.page import PAGE_MAX
from admin.wire.usage import RequestPage
from gateway.core.errors import Misuse

_OURS = re.compile(r"(?:key|acc)_")
_SPARE = ("in", "out", "took", "request id", "route", "outcome", "address")


class _Group(TyperGroup):
    """Of an id alone the latest requests are shown."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        is_command = any(each in self.commands for each in args)
        if not is_command and any(_OURS.match(each) for each in args):
            args = ["requests", *args]
        return super().parse_args(ctx, args)


usage = typer.Typer(
    cls=_Group,
    help="What keys and accounts did. 'usage KEY' shows a key's latest requests.",
    no_args_is_help=True,
)

Of = Annotated[
    str, typer.Argument(metavar="ID", help="A key's id (key_…) or an account's (acc_…).")
]
Since = Annotated[
    str | None,
    typer.Option(
        metavar="TIME", help="From then on; a time, or 24h for a day ago.", show_default=False
    ),
]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="Up to then.", show_default=False)]
Status = Annotated[
    str | None,
    typer.Option(metavar="S", help="With this status: 404, or 4xx for all.", show_default=False),
]
Outcome = Annotated[
    str | None,
    typer.Option(
        metavar="WORD",
        help="With this outcome: served, or a refusal's code such as rate_limited.",
        show_default=False,
    ),
]
Route = Annotated[
    str | None, typer.Option(metavar="NAME", help="On this route.", show_default=False)
]
Method = Annotated[
    str | None, typer.Option(metavar="M", help="With this method.", show_default=False)
]
PathOption = Annotated[
    str | None,
    typer.Option(
        metavar="PATH", help="With this path; /v1/dns/* for all that begin so.", show_default=False
    ),
]
Address = Annotated[
    str | None, typer.Option(metavar="IP", help="From this address.", show_default=False)
]
RequestId = Annotated[
    str | None,
    typer.Option("--request-id", metavar="ID", help="With this X-Request-Id.", show_default=False),
]


Csv = Annotated[bool, typer.Option("--csv", help="Write all of them as CSV, oldest first.")]
Jsonl = Annotated[
    bool, typer.Option("--jsonl", help="Write all of them, oldest first, one JSON object a line.")
]


@command(usage)
def requests(  # noqa: PLR0913 -- one parameter for each option
    of: Of,
    *,
    desk: Desk,
    last: Annotated[int, typer.Option(metavar="N", min=1, max=10_000, help="How many.")] = 20,
    since: Since = None,
    until: Until = None,
    status: Status = None,
    outcome: Outcome = None,
    route: Route = None,
    method: Method = None,
    path: PathOption = None,
    address: Address = None,
    request_id: RequestId = None,
    is_csv: Csv = False,
    is_jsonl: Jsonl = False,
    follow: Annotated[
        bool, typer.Option("--follow", help="Then go on with those that come in.")
    ] = False,
) -> None:
    """Show requests one by one, newest first."""
    narrowing: dict[str, Any] = {
        "status": status,
        "outcome": outcome,
        "route": route,
        "method": method,
        "path": path,
        "address": address,
        "request_id": request_id,
    }
    times: dict[str, Any] = {
        "since": wire_moment(since, desk.now),
        "until": wire_moment(until, desk.now),
    }
    if is_csv or is_jsonl:
        _require_one(desk, is_csv, is_jsonl, follow)
        form = "csv" if is_csv else "jsonl"
        write_out(desk.download(export_requests(of, format=form, **times, **narrowing)))
        return
    is_of_account = of.startswith("acc_")
    if is_of_account:
        wanted = list_account_requests(of, **times, **narrowing)
    else:
        wanted = list_key_requests(of, **times, **narrowing)
    shown: set[str] = set()

    def show_latest() -> None:
        with waiting("looking for requests"):
            found = _latest(desk, wanted, last)
        _show(desk, found, is_of_account=is_of_account)
        shown.update(each.request_id for each in found.requests)

    if not follow:
        show_latest()
        return
    _require_one(desk, follow)
    # The list is read when it is followed already, so that nothing comes in between the two.
    coming = desk.follow(tail_requests(of, **narrowing), show_latest)
    fresh = (each for each in coming if each.request_id not in shown)
    print_as_they_come(desk, fresh, is_of_account=is_of_account)


@command(usage)
def tail(  # noqa: PLR0913 -- one parameter for each option
    of: Of,
    *,
    desk: Desk,
    status: Status = None,
    outcome: Outcome = None,
    route: Route = None,
    method: Method = None,
    path: PathOption = None,
    address: Address = None,
    request_id: RequestId = None,
    is_jsonl: Annotated[
        bool, typer.Option("--jsonl", help="One JSON object a line, for programs.")
    ] = False,
) -> None:
    """Print requests as they come in, until Ctrl-C."""
    if desk.output.is_json:
        raise Misuse("--json is one document, and this never ends: use --jsonl")
    coming = desk.follow(
        tail_requests(
            of,
            status=status,
            outcome=outcome,
            route=route,
            method=method,
            path=path,
            address=address,
            request_id=request_id,
        )
    )
    print_as_they_come(desk, coming, is_of_account=of.startswith("acc_"), is_jsonl=is_jsonl)


@command(usage)
def show(  # noqa: PLR0913 -- one parameter for each option
    of: Annotated[
        str | None,
        typer.Argument(
            metavar="ID",
            help="A key's id (key_…) or an account's (acc_…); everything if not said.",
            show_default=False,
        ),
    ] = None,
    *,
    desk: Desk,
    since: Since = None,
    until: Until = None,
    step: Annotated[
        StepWord, typer.Option(metavar="S", help="minute, hour or day; otherwise what fits.")
    ] = "auto",
    route: Route = None,
    outcome: Outcome = None,
    status: Annotated[
        str | None,
        typer.Option(metavar="S", help="With a status of this class: 4xx.", show_default=False),
    ] = None,
    is_csv: Annotated[bool, typer.Option("--csv", help="Write the points as CSV.")] = False,
    is_jsonl: Annotated[
        bool, typer.Option("--jsonl", help="Write the points, one JSON object a line.")
    ] = False,
) -> None:
    """Show what was used in a time, the last day if not said: sums, latencies, and point by point."""
    narrowing: dict[str, Any] = {
        "from_": wire_moment(since, desk.now),
        "to": wire_moment(until, desk.now),
        "step": step,
        "route": route,
        "outcome": outcome,
        "status": status,
    }
    if of is None:
        wanted = show_usage(**narrowing)
    elif of.startswith("acc_"):
        wanted = show_account_usage(of, **narrowing)
    else:
        wanted = show_key_usage(of, **narrowing)
    report = desk.ask(wanted)
    if is_csv or is_jsonl:
        _require_one(desk, is_csv, is_jsonl)
        write_out(point_lines(report, is_csv=is_csv))
        return
    desk.show(report, *report_said(report))


def _require_one(desk: Desk, *others: bool) -> None:
    if sum((desk.output.is_json, *others)) > 1:
        raise Misuse("--json, --csv, --jsonl and --follow are different things: give one")


def _show(desk: Desk, found: RequestPage, *, is_of_account: bool) -> None:
    rows = [request_row(each, desk.now, is_of_account=is_of_account) for each in found.requests]
    if not rows:
        desk.show(found, plain("There is no such request; new ones appear within a second or two."))
        return
    desk.show(found, table(list(rows[0]), [list(row.values()) for row in rows], _SPARE))


def _latest(desk: Desk, call: Call[RequestPage], count: int) -> RequestPage:
    """That many, from as many pages as it takes."""
    page = desk.ask(call.asking(limit=min(count, PAGE_MAX)))
    found = list(page.requests)
    while len(found) < count and page.next_cursor is not None:
        size = min(count - len(found), PAGE_MAX)
        page = desk.ask(call.asking(limit=size, cursor=page.next_cursor))
        found += page.requests
    return RequestPage(requests=tuple(found), next_cursor=page.next_cursor)
