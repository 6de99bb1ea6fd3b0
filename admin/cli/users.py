"""`keywright users`: who uses the console, and owns keys."""

__all__ = ["users"]

from collections.abc import Sequence
from typing import Annotated, Literal

import typer

from admin.cli.desk import Desk, Paging, command
from admin.cli.key_words import receipt_sentence
from admin.cli.options import Account, IfVersion
from admin.cli.output import plain, table
from admin.cli.people_words import user_details, user_row
from admin.client import UNSET
from admin.client.calls import users as calls
from admin.client.pages import EVERY_USER
from admin.core.caller import Role
from admin.wire.words import Unset
from gateway.core.errors import Misuse

users = typer.Typer(help="Users: who may do what, and own keys.", no_args_is_help=True)

UserId = Annotated[str, typer.Argument(metavar="ID", help="The user's id, usr_….")]
Scopes = Annotated[
    list[str] | None,
    typer.Option(
        "--scope",
        help="Their keys hold no more than these; repeat for more. Otherwise all that the plan offers members.",
        show_default=False,
    ),
]
NoScopes = Annotated[bool, typer.Option("--no-scopes", help="Their keys hold none.")]
Status = Annotated[
    Literal["active", "disabled"] | None,
    typer.Option(help="A disabled user's keys are refused.", show_default=False),
]
OneRole = Annotated[Role | None, typer.Option("--role", help="What they may.", show_default=False)]


@command(users)
def create(  # noqa: PLR0913 -- one parameter for each option
    *,
    desk: Desk,
    email: Annotated[str, typer.Option(help="Their address.")],
    name: Annotated[str, typer.Option(help="What people call them.")],
    role: Annotated[
        Role, typer.Option(help="admin: everything; member: their account; viewer: to look.")
    ],
    account: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Their account; an admin has none.", show_default=False),
    ] = None,
    scope: Scopes = None,
    no_scopes: NoScopes = False,
) -> None:
    """Create a user."""
    made = desk.ask(
        calls.create_user(
            email=email,
            name=name,
            role=role,
            account=account,
            scopes=_scopes(scope, is_none=no_scopes),
        )
    )
    desk.show(made, plain(f"Created user {made.id} ({made.name}) as {made.role.value}."))


@command(users, "list")
def list_all(  # noqa: PLR0913 -- one parameter for each option
    *,
    desk: Desk,
    page: Paging,
    search: Annotated[
        str | None, typer.Option(help="Part of the name or e-mail.", show_default=False)
    ] = None,
    account: Account = None,
    role: OneRole = None,
    status: Status = None,
) -> None:
    """List users."""
    wanted = calls.list_users(q=search, account=account, role=role, status=status, **page.asked)
    found = desk.page(EVERY_USER, wanted, page)
    rows = [user_row(each, desk.now) for each in found.users]
    if rows:
        spare = ("created", "status", "account", "email")
        desk.show(found, table(list(rows[0]), [list(row.values()) for row in rows], spare))
    else:
        desk.show(
            found,
            plain(
                "There are no such users."
                " Next: keywright users create --email E --name NAME --role ROLE --account ID"
            ),
        )
    desk.hint_at_more(found.next_cursor)


@command(users)
def show(user_id: UserId, *, desk: Desk) -> None:
    """Show one user."""
    user = desk.ask(calls.show_user(user_id))
    desk.show(user, table((), list(user_details(user, desk.now))))


@command(users)
def update(  # noqa: PLR0913 -- one parameter for each option
    user_id: UserId,
    *,
    desk: Desk,
    name: Annotated[
        str | None, typer.Option(help="What people call them.", show_default=False)
    ] = None,
    role: OneRole = None,
    account: Annotated[
        str | None,
        typer.Option(
            metavar="ID", help="Where they belong now; a member needs one.", show_default=False
        ),
    ] = None,
    scope: Scopes = None,
    no_scopes: NoScopes = False,
    all_scopes: Annotated[
        bool, typer.Option("--all-scopes", help="All that the plan offers members, again.")
    ] = False,
    status: Status = None,
    if_version: IfVersion = None,
) -> None:
    """Change a user; who narrows one narrows their keys at once."""
    if all_scopes and (scope or no_scopes):
        raise Misuse("give one of --scope, --no-scopes and --all-scopes")
    wanted = _scopes(scope, is_none=no_scopes)
    changes: Sequence[str] | Unset | None = UNSET if wanted is None else wanted
    changed = desk.ask(
        calls.update_user(
            user_id,
            name=UNSET if name is None else name,
            role=UNSET if role is None else role,
            account=UNSET if account is None else account,
            scopes=None if all_scopes else changes,
            status=UNSET if status is None else status,
            if_match=if_version,
        )
    )
    enforced = "" if changed.enforced is None else f": {receipt_sentence(changed.enforced)}"
    desk.show(changed, plain(f"Changed user {changed.id} ({changed.name}){enforced or '.'}"))


def _scopes(given: Sequence[str] | None, *, is_none: bool) -> Sequence[str] | None:
    if given and is_none:
        raise Misuse("give one of --scope and --no-scopes")
    return () if is_none else given or None
