"""`keywright accounts`: who holds keys."""

__all__ = ["accounts", "every_account"]

from typing import Annotated

import typer

from admin.cli.options import ConfigFile, Json
from admin.cli.output import Output, plain, table
from admin.cli.times import timestamp, told
from admin.cli.wiring import call, local_operator
from admin.core.page import PAGE_MAX, PageRequest
from admin.services.accounts import AccountFilter, AccountView
from admin.services.catalogue import Services
from gateway.clock import SystemClock

accounts = typer.Typer(help="Accounts: who holds keys, and on which plan.", no_args_is_help=True)


@accounts.command()
def create(
    name: Annotated[str, typer.Argument(help="What people call it.")],
    *,
    plan: Annotated[
        str | None,
        typer.Option(help="Its plan; otherwise accounts.default_plan.", show_default=False),
    ] = None,
    config: ConfigFile = None,
    is_json: Json = False,
) -> None:
    """Create an account."""
    made = call(
        config,
        lambda services: services.accounts.create(local_operator(), name, plan),
        sets_up=True,
    )
    Output.to_stdout(is_json=is_json).show(
        _document(made),
        plain(f"Created account {made.id} ({made.name}) on plan {made.plan}."),
        plain(f"Next: keywright keys create --account {made.id} --name NAME"),
    )


@accounts.command(name="list")
def list_all(*, config: ConfigFile = None, is_json: Json = False) -> None:
    """List all accounts."""
    found = call(config, every_account)
    now = SystemClock().now()
    rows = [
        (each.id, each.name, each.plan, each.api_access.value, told(each.created_at, now))
        for each in found
    ]
    said = table(("id", "name", "plan", "API access", "created"), rows)
    nothing = plain("There are no accounts yet. Next: keywright accounts create NAME")
    Output.to_stdout(is_json=is_json).show(
        {"accounts": [_document(each) for each in found]}, said if found else nothing
    )


async def every_account(services: Services) -> tuple[AccountView, ...]:
    """All of them, oldest first."""
    found: list[AccountView] = []
    cursor = None
    while True:
        page = await services.accounts.list(
            local_operator(), AccountFilter(), PageRequest(PAGE_MAX, cursor)
        )
        found += page.items
        if (cursor := page.next_cursor) is None:
            return tuple(found)


def _document(account: AccountView) -> dict[str, object]:
    return {
        "id": account.id,
        "name": account.name,
        "plan": account.plan,
        "status": account.status,
        "api_access": account.api_access.value,
        "created_at": timestamp(account.created_at),
        "updated_at": timestamp(account.updated_at),
    }
