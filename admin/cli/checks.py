"""`keywright verify` and `explain`: what would become of a request, without making one."""

__all__ = ["register"]

import sys
from typing import Annotated

import typer
from pydantic import SecretStr

from admin.cli.desk import Desk, command
from admin.cli.output import Said, plain, table
from admin.cli.record_words import limit_row, rule_row, verify_details
from admin.client.calls import checks
from gateway.core.errors import Misuse

REFUSED = 1

Method = Annotated[
    str | None, typer.Option(help="The request's method, such as GET.", show_default=False)
]
Address = Annotated[
    str | None, typer.Option(metavar="IP", help="Where it comes from.", show_default=False)
]

Origin = Annotated[
    str | None, typer.Option(help="The web origin that sends it.", show_default=False)
]


def verify(  # noqa: PLR0913 -- one parameter for each option
    *,
    desk: Desk,
    method: Method = None,
    path: Annotated[
        str | None,
        typer.Option(
            help="The request's path; without it no route is looked at.", show_default=False
        ),
    ] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(help="The key must have this scope; repeat for more.", show_default=False),
    ] = None,
    cost: Annotated[
        int | None,
        typer.Option(
            min=0, help="How much of its limits it takes; 0 takes nothing.", show_default=False
        ),
    ] = None,
    address: Address = None,
    origin: Origin = None,
) -> None:
    """Check a key, read from standard input; exit code 0 if it may be used, 1 if not.

    The key itself is no option: others on this machine would see it.
    """
    verdict = desk.ask(
        checks.verify_token(
            token=_token(),
            method=method,
            path=path,
            scopes=scope or (),
            cost=cost,
            address=address,
            origin=origin,
        )
    )
    word = (
        "may be used" if verdict.active else f"may not be used: {verdict.reason} ({verdict.code})"
    )
    known = list(verify_details(verdict, desk.now))
    desk.show(verdict, plain(f"The key {word}"), *([table((), known)] if known else []))
    if not verdict.active:
        raise typer.Exit(REFUSED)


def explain(  # noqa: PLR0913 -- one parameter for each option
    key: Annotated[str, typer.Argument(metavar="KEY", help="The key's id, key_….")],
    *,
    desk: Desk,
    path: Annotated[str, typer.Option(help="The request's path.")],
    method: Method = None,
    address: Address = None,
    origin: Origin = None,
) -> None:
    """Show each rule and its outcome for a key and a request; nothing is taken from its limits."""
    found = desk.ask(
        checks.explain_request(key_id=key, path=path, method=method, address=address, origin=origin)
    )
    rules = [rule_row(rule) for rule in found.rules]
    limits = [limit_row(limit) for limit in found.limits]
    verdict = "would pass" if found.allowed else f"would be refused: {found.status} {found.code}"
    said: list[Said] = [plain(f"The request {verdict}")]
    for rows in (rules, limits):
        if rows:
            said += [plain(""), table(list(rows[0]), [list(row.values()) for row in rows])]
    desk.show(found, *said)


def _token() -> SecretStr:
    text = _prompted() if sys.stdin.isatty() else sys.stdin.readline()
    if not text.strip():
        raise Misuse("there is no key on standard input; write it there, such as: verify < FILE")
    return SecretStr(text.strip())


def _prompted() -> str:
    return str(typer.prompt("The key", hide_input=True, err=True))


def register(app: typer.Typer) -> None:
    """Add these commands to those of the first level."""
    for act in (verify, explain):
        command(app)(act)
