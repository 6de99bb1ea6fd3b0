"""`keywright audit`, `events`, `plans` and `me`: what is configured, what has happened, who is asking."""

__all__ = ["audit", "register"]

from typing import Annotated

import typer

from admin.cli.desk import Desk, Paging, command
from admin.cli.options import Account
from admin.cli.output import plain, table
from admin.cli.people_words import plan_row, scope_row
from admin.cli.progress import waiting
from admin.cli.record_words import audit_row, event_row
from admin.cli.times import ago
from admin.client.calls import records, tokens
from admin.client.pages import EVERY_ENTRY, EVERY_EVENT
from admin.core.audit import parse_head

REFUSED = 1

audit = typer.Typer(help="The audit log: who did what, and the proof.", no_args_is_help=True)


@command(audit, "list")
def list_entries(  # noqa: PLR0913 -- one parameter for each option
    *,
    desk: Desk,
    page: Paging,
    account: Account = None,
    target: Annotated[
        str | None,
        typer.Option(metavar="ID", help="What was acted upon.", show_default=False),
    ] = None,
    actor: Annotated[
        str | None, typer.Option(metavar="ID", help="Who acted.", show_default=False)
    ] = None,
    action: Annotated[
        str | None, typer.Option(help="What was done, such as key.revoke.", show_default=False)
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="From then on; a time, or 7d for a week ago.", show_default=False
        ),
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="Up to then.", show_default=False)
    ] = None,
) -> None:
    """List who did what, newest first."""
    wanted = records.list_audit(
        account=account,
        target=target,
        actor=actor,
        action=action,
        since=ago(since, desk.now),
        until=ago(until, desk.now),
        **page.asked,
    )
    found = desk.page(EVERY_ENTRY, wanted, page)
    rows = [audit_row(each, desk.now) for each in found.entries]
    if rows:
        said = table(list(rows[0]), [list(row.values()) for row in rows], ("address", "no"))
        desk.show(found, said)
    else:
        desk.show(found, plain("The audit log has no such entry."))
    desk.hint_at_more(found.next_cursor)


@command(audit)
def verify(
    *,
    desk: Desk,
    expect: Annotated[
        str | None,
        typer.Option(
            metavar="SEQUENCE:HASH",
            help="An end that was printed earlier and kept elsewhere; it must still be there.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Check that no entry of the audit log was changed, added or taken out; exit code 1 if one was."""
    noted = None if expect is None else str(parse_head(expect))
    with waiting("reading the audit log"):
        verdict = desk.ask(records.verify_audit(expect=noted))
    if verdict.ok:
        desk.show(
            verdict,
            plain(f"The audit log is whole: {verdict.entries} entries."),
            plain(
                f"Its end is {verdict.head_sequence}:{verdict.head_hash}; keep that elsewhere, and give it to"
                " --expect later to notice a log that was written anew as a whole."
            ),
        )
        return
    where = "" if verdict.broken_at is None else f" at entry {verdict.broken_at}"
    desk.show(verdict, plain(f"The audit log is broken{where}: {verdict.problem}"))
    raise typer.Exit(REFUSED)


def events(
    *,
    desk: Desk,
    after: Annotated[
        int, typer.Option(metavar="NO", min=0, help="Only those behind this number.")
    ] = 0,
    limit: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, max=200, help="At most so many.", show_default=False),
    ] = None,
    account: Account = None,
    is_all: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
) -> None:
    """Show what has happened, oldest first."""
    wanted = records.list_events(after=after or None, limit=limit, account=account)
    found = desk.every(EVERY_EVENT, wanted) if is_all else desk.ask(wanted)
    rows = [event_row(each, desk.now) for each in found.events]
    if not rows:
        desk.show(found, plain(f"Nothing has happened behind number {after}."))
        return
    said = table(list(rows[0]), [list(row.values()) for row in rows], ("data", "account"))
    desk.show(found, said)


def plans(*, desk: Desk) -> None:
    """Show the plans and scopes of the configuration."""
    page = desk.ask(records.list_plans())
    plan_rows = [plan_row(plan, page) for plan in page.plans]
    scope_rows = [scope_row(scope) for scope in page.scopes]
    tables = [
        table(list(rows[0]), [list(row.values()) for row in rows])
        for rows in (plan_rows, scope_rows)
        if rows
    ]
    nothing = plain("The configuration has no plans and no scopes.")
    desk.show(page, *([tables[0], plain(""), *tables[1:]] if tables else [nothing]))


def me(*, desk: Desk) -> None:
    """Show who you are to Keywright, and what you may."""
    found = desk.ask(tokens.me())
    of = "all accounts" if found.account is None else f"account {found.account}"
    desk.show(
        found,
        plain(f"You are {found.kind} {found.name} ({found.id}): {found.role.value} of {of}."),
        plain(f"You may: {', '.join(found.permissions)}."),
    )


def register(app: typer.Typer) -> None:
    """Add these commands to those of the first level."""
    for act in (events, plans, me):
        command(app)(act)
