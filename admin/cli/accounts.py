"""`keywright accounts`: who holds keys, and whether these are let through."""

__all__ = ["accounts"]

from typing import Annotated, Literal

import typer

from admin.cli.desk import Desk, Paging, command
from admin.cli.options import IfVersion, Yes
from admin.cli.output import plain, table
from admin.cli.people_words import account_details, account_row, account_sentence
from admin.client import UNSET
from admin.client.calls import accounts as calls
from admin.client.pages import EVERY_ACCOUNT
from gateway.core.keys import ApiAccess

accounts = typer.Typer(
    help="Accounts: who holds keys, on which plan, and with API access or without.",
    no_args_is_help=True,
)

AccountId = Annotated[str, typer.Argument(metavar="ID", help="The account's id, acc_….")]
Plan = Annotated[str | None, typer.Option(help="Its plan.", show_default=False)]
Status = Annotated[
    Literal["active", "suspended"] | None,
    typer.Option(help="A suspended account's keys are refused.", show_default=False),
]
Reason = Annotated[str, typer.Option(metavar="TEXT", help="Why; the account sees it.")]


@command(accounts)
def create(
    name: Annotated[str, typer.Argument(help="What people call it.")],
    *,
    desk: Desk,
    plan: Annotated[
        str | None,
        typer.Option(help="Its plan; otherwise accounts.default_plan.", show_default=False),
    ] = None,
) -> None:
    """Create an account."""
    made = desk.ask(calls.create_account(name=name, plan=plan))
    desk.show(
        made,
        plain(f"Created account {made.id} ({made.name}) on plan {made.plan}."),
        plain(f"Next: keywright keys create --account {made.id} --name NAME"),
    )


@command(accounts, "list")
def list_all(  # noqa: PLR0913 -- one parameter for each option
    *,
    desk: Desk,
    page: Paging,
    search: Annotated[
        str | None, typer.Option(help="Part of the name, or the id.", show_default=False)
    ] = None,
    plan: Plan = None,
    status: Status = None,
    api_access: Annotated[
        ApiAccess | None, typer.Option(help="Only those with this.", show_default=False)
    ] = None,
) -> None:
    """List accounts."""
    wanted = calls.list_accounts(
        q=search, plan=plan, status=status, api_access=api_access, **page.asked
    )
    found = desk.page(EVERY_ACCOUNT, wanted, page)
    rows = [account_row(each, desk.now) for each in found.accounts]
    if rows:
        said = table(list(rows[0]), [list(row.values()) for row in rows], ("created", "status"))
        desk.show(found, said)
    else:
        desk.show(found, plain("There are no such accounts. Next: keywright accounts create NAME"))
    desk.hint_at_more(found.next_cursor)


@command(accounts)
def show(account_id: AccountId, *, desk: Desk) -> None:
    """Show one account."""
    account = desk.ask(calls.show_account(account_id))
    desk.show(account, table((), list(account_details(account, desk.now))))


@command(accounts)
def update(  # noqa: PLR0913 -- one parameter for each option
    account_id: AccountId,
    *,
    desk: Desk,
    name: Annotated[
        str | None, typer.Option(help="What people call it.", show_default=False)
    ] = None,
    plan: Plan = None,
    status: Status = None,
    if_version: IfVersion = None,
) -> None:
    """Change an account's name, plan or status; a narrower plan and a suspension are enforced at once."""
    changed = desk.ask(
        calls.update_account(
            account_id,
            name=UNSET if name is None else name,
            plan=UNSET if plan is None else plan,
            status=UNSET if status is None else status,
            if_match=if_version,
        )
    )
    desk.show(changed, plain(account_sentence("Changed", changed)))


@command(accounts)
def request(
    account_id: AccountId,
    *,
    desk: Desk,
    note: Annotated[str, typer.Option(metavar="TEXT", help="What the access is for.")] = "",
    if_version: IfVersion = None,
) -> None:
    """Request API access for an account that has none."""
    changed = desk.ask(calls.request_access(account_id, note=note, if_match=if_version))
    desk.show(changed, plain(account_sentence("API access requested for", changed)))


@command(accounts)
def approve(
    account_id: AccountId, *, desk: Desk, reason: Reason = "", if_version: IfVersion = None
) -> None:
    """Approve API access: the account's keys are let through."""
    changed = desk.ask(calls.approve_access(account_id, reason=reason, if_match=if_version))
    desk.show(changed, plain(account_sentence("API access approved for", changed)))


@command(accounts)
def deny(
    account_id: AccountId, *, desk: Desk, reason: Reason, if_version: IfVersion = None
) -> None:
    """Deny API access, with a reason."""
    changed = desk.ask(calls.deny_access(account_id, reason=reason, if_match=if_version))
    desk.show(changed, plain(account_sentence("API access denied to", changed)))


@command(accounts)
def disable(
    account_id: AccountId,
    *,
    desk: Desk,
    reason: Reason = "",
    if_version: IfVersion = None,
    yes: Yes = False,
) -> None:
    """Switch API access off: the account's traffic stops at once."""
    desk.make_sure(f"Refuse every key of account {account_id} from now on?", is_sure=yes)
    changed = desk.ask(calls.disable_access(account_id, reason=reason, if_match=if_version))
    desk.show(changed, plain(account_sentence("API access switched off for", changed)))
