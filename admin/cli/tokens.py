"""`keywright tokens`: admin tokens, with which programs ask the admin API."""

__all__ = ["tokens"]

from typing import Annotated

import typer

from admin.cli.desk import Desk, Paging, command
from admin.cli.options import Yes
from admin.cli.output import plain, table
from admin.cli.people_words import token_details, token_row
from admin.cli.times import duration
from admin.client.calls import tokens as calls
from admin.client.pages import EVERY_TOKEN
from admin.core.caller import Permission, Role

tokens = typer.Typer(
    help="Admin tokens: for programs that use the admin API.", no_args_is_help=True
)

TokenId = Annotated[str, typer.Argument(metavar="ID", help="The token's id, not the token itself.")]


@command(tokens)
def create(  # noqa: PLR0913 -- one parameter for each option
    *,
    desk: Desk,
    name: Annotated[str, typer.Option(help="What it is for.")],
    role: Annotated[
        Role, typer.Option(help="admin: everything; member: one account; viewer: to look.")
    ],
    account: Annotated[
        str | None,
        typer.Option(metavar="ID", help="The one account that it sees.", show_default=False),
    ] = None,
    permission: Annotated[
        list[Permission] | None,
        typer.Option(
            metavar="P",
            help="Only this of what its role may, such as keys:read; repeat for more.",
            show_default=False,
        ),
    ] = None,
    expires_in: Annotated[
        str | None,
        typer.Option(metavar="DURATION", help="Its life, such as 90d.", show_default=False),
    ] = None,
) -> None:
    """Create an admin token, and print it: this once, and never again."""
    made = desk.ask(
        calls.create_token(
            name=name,
            role=role,
            account=account,
            permissions=permission or None,
            expires_in=duration(expires_in),
        )
    )
    desk.show(
        made,
        plain(f"Created admin token {made.id} ({made.name}) with role {made.role.value}."),
        plain("The token, which nobody can show again:"),
        plain(f"  {made.secret}"),
    )


@command(tokens, "list")
def list_all(*, desk: Desk, page: Paging) -> None:
    """List admin tokens; of the tokens themselves nothing is known."""
    found = desk.page(EVERY_TOKEN, calls.list_tokens(**page.asked), page)
    rows = [token_row(each, desk.now) for each in found.tokens]
    if rows:
        spare = ("created", "expires", "account")
        desk.show(found, table(list(rows[0]), [list(row.values()) for row in rows], spare))
    else:
        desk.show(
            found,
            plain(
                "There are no admin tokens. Next: keywright tokens create --name NAME --role ROLE"
            ),
        )
    desk.hint_at_more(found.next_cursor)


@command(tokens)
def show(token_id: TokenId, *, desk: Desk) -> None:
    """Show one admin token."""
    token = desk.ask(calls.show_token(token_id))
    desk.show(token, table((), list(token_details(token, desk.now))))


@command(tokens)
def revoke(token_id: TokenId, *, desk: Desk, yes: Yes = False) -> None:
    """Revoke an admin token for good; its next request is refused."""
    desk.make_sure(f"Revoke admin token {token_id} for good?", is_sure=yes)
    token = desk.ask(calls.revoke_token(token_id))
    desk.show(token, plain(f"Revoked admin token {token.id} ({token.name})."))
