"""`keywright quota`: what accounts may use in a month, have used, and are to be billed for."""

__all__ = ["quota"]

from collections.abc import Iterator
from typing import Annotated

import typer

from admin.cli.desk import Desk, Paging, command
from admin.cli.key_words import receipt_sentence
from admin.cli.options import Account
from admin.cli.output import plain, table
from admin.cli.times import ahead, duration
from admin.client.calls import quotas as calls
from admin.client.pages import EVERY_BILLED
from admin.core.csv_cells import csv_row
from admin.wire.quotas import BillingRow, QuotaChanged, QuotaDocument, QuotaUse

quota = typer.Typer(
    help="Quotas: what accounts may use in a month, and have used.", no_args_is_help=True
)

AccountId = Annotated[str, typer.Argument(metavar="ID", help="The account's id, acc_….")]


@command(quota)
def show(account_id: AccountId, *, desk: Desk) -> None:
    """Show how an account's month stands."""
    found = desk.ask(calls.show_quota(account_id))
    desk.show(found, table((), list(_details(found))))


@command(quota, "raise")
def raise_(  # noqa: PLR0913 -- one parameter for each option
    account_id: AccountId,
    *,
    desk: Desk,
    requests: Annotated[
        int, typer.Option(metavar="N", min=0, help="So many requests more.", show_default=False)
    ] = 0,
    size: Annotated[
        int,
        typer.Option("--bytes", metavar="N", min=0, help="So many bytes more.", show_default=False),
    ] = 0,
    lasts: Annotated[
        str | None,
        typer.Option("--for", metavar="TIME", help="For 7d, 12h, ….", show_default=False),
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="Until this time.", show_default=False)
    ] = None,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; for the audit log.")],
) -> None:
    """Allow an account more until a time; it counts at once, and again every month until then."""
    changed = desk.ask(
        calls.raise_quota(
            account_id,
            requests=requests,
            bytes=size,
            until=ahead(until, desk.now),
            lasts=duration(lasts),
            reason=reason,
        )
    )
    desk.show(changed, plain(_sentence("Raised", changed)))


@command(quota, "end-raise")
def end_raise(
    account_id: AccountId,
    raise_id: Annotated[str, typer.Argument(metavar="RAISE", help="The raise's id, raise_….")],
    *,
    desk: Desk,
) -> None:
    """End a raise before its time."""
    changed = desk.ask(calls.end_raise(account_id, raise_id))
    desk.show(changed, plain(_sentence("Ended the raise of", changed)))


@command(quota)
def billing(
    *,
    desk: Desk,
    page: Paging,
    month: Annotated[
        str | None,
        typer.Option(metavar="YYYY-MM", help="The present one if not said.", show_default=False),
    ] = None,
    account: Account = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="All of it, as CSV.")] = False,
) -> None:
    """List what each account used in a month (UTC), by the records."""
    wanted = calls.list_billing(month=month, account=account, **page.asked)
    if as_csv:
        lines = [
            csv_row(row.model_dump().values()) for row in desk.every(EVERY_BILLED, wanted).rows
        ]
        typer.echo(csv_row(BillingRow.model_fields) + "".join(lines), nl=False)
        return
    found = desk.page(EVERY_BILLED, wanted, page)
    rows = [
        [row.account, row.name, row.month, *map(str, (row.requests, row.bytes_in, row.bytes_out))]
        for row in found.rows
    ]
    names = ("account", "name", "month", "requests", "bytes in", "bytes out")
    desk.show(found, table(names, rows) if rows else plain("No such account."))
    desk.hint_at_more(found.next_cursor)


def _details(found: QuotaDocument) -> Iterator[tuple[str, str]]:
    yield "account", found.account
    yield "plan", found.plan
    yield "month", f"{found.month} (until {found.ends_at:%Y-%m-%d %H:%M} UTC)"
    yield "requests", _use(found.requests)
    yield "bytes", _use(found.bytes)
    yield "when used up", "-" if found.at_limit is None else found.at_limit.value
    for one in found.raises:
        more = f"{one.requests} requests, {one.bytes} bytes until {one.until:%Y-%m-%d %H:%M} UTC"
        yield one.id, f"{more}: {one.reason}"


def _use(use: QuotaUse | None) -> str:
    if use is None:
        return "any number"
    extra = f" + {use.extra}" if use.extra else ""
    return f"{use.used} of {use.limit}{extra}, {use.remaining} left"


def _sentence(did: str, changed: QuotaChanged) -> str:
    proof = "" if changed.enforced is None else f": {receipt_sentence(changed.enforced)}"
    return f"{did} account {changed.quota.account} ({changed.raise_id}){proof}"
