"""Alerts, between services and the wire."""

__all__ = ["ALERT_ACTS"]

from collections.abc import Mapping
from typing import Final

from admin.core.alerts.kinds import AlertKind
from admin.core.caller import Caller
from admin.operations.asked import Act, Asked
from admin.operations.values import given, moment, page_request
from admin.services.alerts import AlertChange, AlertFilter, ChosenAlerts, Standing
from admin.services.catalogue import Services
from admin.wire.alerts import (
    AlertDocument,
    AlertPage,
    AlertQuery,
    AlertSettingsDocument,
    AlertSettingsPatch,
)


async def _list(services: Services, caller: Caller, asked: Asked) -> AlertPage:
    query = asked.the_query(AlertQuery)
    wanted = AlertFilter(query.account, query.key, query.kind, query.severity)
    page = await services.alerts.standing(caller, wanted, page_request(query))
    return AlertPage(alerts=tuple(map(_document, page.items)), next_cursor=page.next_cursor)


async def _show(services: Services, caller: Caller, asked: Asked) -> AlertSettingsDocument:
    return _settings(await services.alerts.show(caller, asked.ids["account_id"]))


async def _update(services: Services, caller: Caller, asked: Asked) -> AlertSettingsDocument:
    patch = asked.the_body(AlertSettingsPatch)
    change = AlertChange(given(patch, "thresholds"), given(patch, "kinds"))
    return _settings(
        await services.alerts.change(caller, asked.ids["account_id"], change, asked.expected)
    )


def _settings(chosen: ChosenAlerts) -> AlertSettingsDocument:
    return AlertSettingsDocument(
        account=chosen.account_id,
        thresholds=chosen.wishes.thresholds,
        thresholds_chosen=chosen.choice.thresholds is not None,
        default_thresholds=chosen.default.thresholds,
        kinds={kind.value: kind not in chosen.wishes.off for kind in AlertKind},
        chosen=tuple(kind.value for kind in AlertKind if kind in chosen.choice.switches),
        version=chosen.version,
    )


def _document(one: Standing) -> AlertDocument:
    return AlertDocument(
        account=one.subject.account_id,
        key=one.subject.key_id or None,
        kind=one.alert.kind,
        severity=one.alert.severity,
        title=one.alert.title,
        text=one.alert.text,
        data=dict(one.alert.facts),
        told_at=moment(one.told_at),
    )


ALERT_ACTS: Final[Mapping[str, Act]] = {
    "alerts.list": _list,
    "alerts.show": _show,
    "alerts.update": _update,
}
