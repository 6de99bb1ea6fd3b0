"""`keywright keys`: made, looked at, revoked."""

__all__ = ["keys"]

from typing import Annotated

import typer

from admin.cli.key_words import details, document, enforced, listed, receipt_sentence
from admin.cli.options import ConfigFile, Json
from admin.cli.output import Output, plain, table
from admin.cli.times import duration_seconds
from admin.cli.wiring import call, local_operator, settings_of
from admin.core.page import PAGE_MAX, PageRequest
from admin.services.keys import ChangedKey, KeyFilter, NewKey
from gateway.clock import SystemClock
from gateway.core import token
from gateway.core.changes import Receipt
from gateway.core.keys import Environment, KeyType

keys = typer.Typer(help="API keys: create, look at, revoke.", no_args_is_help=True)

KeyId = Annotated[str, typer.Argument(metavar="ID", help="The key's id, key_….")]


@keys.command()
def create(  # noqa: PLR0913 -- one parameter for each option
    *,
    account: Annotated[str, typer.Option(metavar="ID", help="The account that it belongs to.")],
    name: Annotated[str, typer.Option(help="What people call it.")],
    kind: Annotated[
        KeyType, typer.Option("--type", help="sk for servers, pk for what everybody can read.")
    ] = KeyType.SECRET,
    environment: Annotated[
        Environment, typer.Option("--env", help="Where it works.")
    ] = Environment.LIVE,
    scope: Annotated[
        list[str] | None,
        typer.Option(
            help="What it may do; repeat for more. Otherwise read-only.", show_default=False
        ),
    ] = None,
    expires_in: Annotated[
        str | None,
        typer.Option(metavar="DURATION", help="Its life, such as 90d.", show_default=False),
    ] = None,
    allow_ip: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CIDR", help="Where it may be used from; repeat for more.", show_default=False
        ),
    ] = None,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ORIGIN", help="Web pages that may use it; repeat for more.", show_default=False
        ),
    ] = None,
    config: ConfigFile = None,
    is_json: Json = False,
) -> None:
    """Create a key, and print its secret: this once, and never again."""
    seconds = None if expires_in is None else duration_seconds(expires_in)
    new = NewKey(
        account,
        name,
        type=kind,
        environment=environment,
        scopes=scope or (),
        expires_in_seconds=seconds,
        addresses=allow_ip or (),
        origins=allow_origin or (),
    )
    made = call(config, lambda services: services.keys.create(local_operator(), new))
    Output.to_stdout(is_json=is_json).show(
        {**document(made.key), "secret": made.secret},
        plain(
            f"Created key {made.key.id} ({made.key.name}) with scope {', '.join(made.key.scopes)}."
        ),
        plain("Its secret, which nobody can show again:"),
        plain(f"  {made.secret}"),
    )


@keys.command(name="list")
def list_all(
    *,
    account: Annotated[
        str | None, typer.Option(metavar="ID", help="Only this account's keys.", show_default=False)
    ] = None,
    config: ConfigFile = None,
    is_json: Json = False,
) -> None:
    """List keys. Of their secrets only the first characters are known."""
    wanted = KeyFilter(account_id=account, sort="created")
    found = call(
        config,
        lambda services: services.keys.list(local_operator(), wanted, PageRequest(PAGE_MAX)),
    ).items
    now = SystemClock().now()
    nothing = plain("There are no keys yet. Next: keywright keys create --account ID --name NAME")
    Output.to_stdout(is_json=is_json).show(
        {"keys": [document(key) for key in found]},
        table(*listed(found, now)) if found else nothing,
    )


@keys.command()
def show(key_id: KeyId, *, config: ConfigFile = None, is_json: Json = False) -> None:
    """Show one key."""
    key = call(config, lambda services: services.keys.show(local_operator(), key_id))
    Output.to_stdout(is_json=is_json).show(
        document(key), table((), details(key, SystemClock().now()))
    )


@keys.command()
def revoke(key_id: KeyId, *, config: ConfigFile = None, is_json: Json = False) -> None:
    """Revoke a key for good; returns when every worker enforces it, and says so."""
    revoked = call(config, lambda services: services.keys.revoke(local_operator(), key_id))
    Output.to_stdout(is_json=is_json).show(
        {
            "id": revoked.key.id,
            "status": revoked.key.status.value,
            "enforced": enforced(_receipt(revoked)),
        },
        plain(
            f"Revoked key {revoked.key.id} ({revoked.key.name}): {receipt_sentence(_receipt(revoked))}"
        ),
    )


@keys.command()
def pattern(*, config: ConfigFile = None, is_json: Json = False) -> None:
    """Print the regular expression that finds these keys, for secret scanners."""
    text = token.pattern(settings_of(config).keys.vendor_prefix)
    Output.to_stdout(is_json=is_json).show({"pattern": text}, plain(text))


def _receipt(changed: ChangedKey) -> Receipt:
    return changed.receipt or Receipt(0, 0, 0)
