"""`keywright alerts`: what accounts are warned of, and what stands now."""

__all__ = ["alerts"]

from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from admin.cli.alert_words import alert_row, settings_details
from admin.cli.desk import Desk, Paging, command
from admin.cli.options import Account, IfVersion
from admin.cli.output import plain, table
from admin.client import UNSET
from admin.client.calls import alerts as calls
from admin.client.calls.choices import AlertKindWord
from admin.client.pages import EVERY_ALERT
from admin.core.alerts.kinds import AlertKind, Severity
from gateway.core.errors import Misuse

alerts = typer.Typer(
    help="Alerts: what an account is warned of, and what stands now.", no_args_is_help=True
)

AccountId = Annotated[str, typer.Argument(metavar="ID", help="The account's id, acc_….")]
Kinds = list[AlertKind]


@command(alerts, "list")
def list_all(  # noqa: PLR0913 -- one parameter for each option
    *,
    desk: Desk,
    page: Paging,
    account: Account = None,
    key: Annotated[
        str | None, typer.Option(metavar="ID", help="Only this key's.", show_default=False)
    ] = None,
    kind: Annotated[
        AlertKind | None, typer.Option(help="Only of this kind.", show_default=False)
    ] = None,
    severity: Annotated[
        Severity | None, typer.Option(help="Only of this severity.", show_default=False)
    ] = None,
) -> None:
    """List the alerts that stand now, told last first."""
    wanted = calls.list_alerts(account=account, key=key, kind=kind, severity=severity, **page.asked)
    found = desk.page(EVERY_ALERT, wanted, page)
    rows = [alert_row(each, desk.now) for each in found.alerts]
    if rows:
        said = table(list(rows[0]), [list(row.values()) for row in rows], ("account", "told"))
        desk.show(found, said)
    else:
        desk.show(found, plain("No such alert stands."))
    desk.hint_at_more(found.next_cursor)


@command(alerts)
def show(account_id: AccountId, *, desk: Desk) -> None:
    """Show what an account is told of."""
    chosen = desk.ask(calls.show_alerts(account_id))
    desk.show(chosen, table((), list(settings_details(chosen))))


@command(alerts)
def update(  # noqa: PLR0913 -- one parameter for each option
    account_id: AccountId,
    *,
    desk: Desk,
    threshold: Annotated[
        list[int] | None,
        typer.Option(
            metavar="PERCENT",
            min=1,
            max=1000,
            help="Tell at so much of the monthly quota; once for each. They replace those before.",
            show_default=False,
        ),
    ] = None,
    no_thresholds: Annotated[
        bool, typer.Option("--no-thresholds", help="Tell at no part of the quota.")
    ] = False,
    default_thresholds: Annotated[
        bool, typer.Option("--default-thresholds", help="Tell where the configuration says.")
    ] = False,
    on: Annotated[Kinds | None, typer.Option(help="Switch a kind on.", show_default=False)] = None,
    off: Annotated[
        Kinds | None, typer.Option(help="Switch a kind off.", show_default=False)
    ] = None,
    default: Annotated[
        Kinds | None, typer.Option(help="Leave a kind to the configuration.", show_default=False)
    ] = None,
    if_version: IfVersion = None,
) -> None:
    """Change what an account is told of."""
    ways = [bool(threshold), no_thresholds, default_thresholds]
    if sum(ways) > 1:
        raise Misuse("Give --threshold, --no-thresholds or --default-thresholds, but one of them.")
    kinds = _switched(on or (), off or (), default or ())
    chosen = desk.ask(
        calls.update_alerts(
            account_id,
            thresholds=None if default_thresholds else threshold or [] if any(ways) else UNSET,
            kinds=kinds or UNSET,
            if_match=if_version,
        )
    )
    desk.show(chosen, table((), list(settings_details(chosen))))


def _switched(
    on: Sequence[AlertKind], off: Sequence[AlertKind], default: Sequence[AlertKind]
) -> Mapping[AlertKindWord, bool | None]:
    kinds: dict[AlertKindWord, bool | None] = {}
    for names, turned in ((on, True), (off, False), (default, None)):
        for kind in names:
            if kinds.setdefault(kind, turned) is not turned:
                raise Misuse(f"'{kind.value}' is given twice, and not in the same way.")
    return kinds
