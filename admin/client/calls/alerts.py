"""Calls about alerts."""

__all__ = ["list_alerts", "show_alerts", "update_alerts"]

from collections.abc import Mapping, Sequence

from admin.client.call import Call, asked, changed, given
from admin.client.calls.choices import AlertKindWord, SeverityWord
from admin.wire.alerts import (
    AlertPage,
    AlertQuery,
    AlertSettingsDocument,
    AlertSettingsPatch,
)
from admin.wire.words import UNSET, Unset


def list_alerts(  # noqa: PLR0913 -- one parameter for each field of the query
    *,
    account: str | None = None,
    key: str | None = None,
    kind: AlertKindWord | None = None,
    severity: SeverityWord | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Call[AlertPage]:
    """A page of the alerts that stand now, told last first."""
    wanted = given(
        account=account, key=key, kind=kind, severity=severity, limit=limit, cursor=cursor
    )
    return asked("alerts.list", AlertPage, query=AlertQuery.model_validate(wanted))


def show_alerts(account_id: str) -> Call[AlertSettingsDocument]:
    """What an account is told of."""
    return asked("alerts.show", AlertSettingsDocument, {"account_id": account_id})


def update_alerts(
    account_id: str,
    *,
    thresholds: Sequence[int] | Unset | None = UNSET,
    kinds: Mapping[AlertKindWord, bool | None] | Unset = UNSET,
    if_match: int | None = None,
) -> Call[AlertSettingsDocument]:
    """Change what is given; None goes back to the configuration's."""
    return asked(
        "alerts.update",
        AlertSettingsDocument,
        {"account_id": account_id},
        body=AlertSettingsPatch.model_validate(changed(thresholds=thresholds, kinds=kinds)),
        if_match=if_match,
    )
