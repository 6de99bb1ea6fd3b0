"""`keywright usage …`: what keys and accounts did."""

__all__ = ["usage"]

import re
from typing import Annotated

import typer
from typer.core import TyperGroup

from admin.cli.desk import Desk, command
from admin.cli.output import plain, table
from admin.cli.progress import waiting
from admin.cli.times import wire_moment
from admin.cli.usage_words import request_row
from admin.client.call import Call
from admin.client.calls.usage import list_account_requests, list_key_requests
from admin.core.page import PAGE_MAX
from admin.wire.usage import RequestPage

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
) -> None:
    """Show requests one by one, newest first."""
    ask = list_account_requests if of.startswith("acc_") else list_key_requests
    call = ask(
        of,
        since=wire_moment(since, desk.now),
        until=wire_moment(until, desk.now),
        status=status,
        outcome=outcome,
        route=route,
        method=method,
        path=path,
        address=address,
        request_id=request_id,
    )
    with waiting("looking for requests"):
        found = _latest(desk, call, last)
    rows = [
        request_row(each, desk.now, is_of_account=of.startswith("acc_")) for each in found.requests
    ]
    if not rows:
        desk.show(
            found,
            plain("There is no such request; new ones appear within a second or two."),
        )
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
