"""`keywright accounts`: who holds keys."""

__all__ = ["accounts"]

from typing import Annotated

import typer

from admin.cli.options import ConfigFile, Json
from admin.cli.output import Output, plain, table
from admin.cli.times import timestamp, told
from admin.cli.wiring import call
from admin.services.accounts import AccountView
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
    made = call(config, lambda services: services.accounts.create(name, plan), sets_up=True)
    Output.to_stdout(is_json=is_json).show(
        _document(made),
        plain(f"Created account {made.id} ({made.name}) on plan {made.plan}."),
        plain(f"Next: keywright keys create --account {made.id} --name NAME"),
    )


@accounts.command(name="list")
def list_all(*, config: ConfigFile = None, is_json: Json = False) -> None:
    """List all accounts."""
    found = call(config, lambda services: services.accounts.list())
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
