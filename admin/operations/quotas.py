"""Quotas, between services and the wire."""

__all__ = ["QUOTA_ACTS"]

from collections.abc import Mapping
from typing import Final

from admin.core.caller import Caller
from admin.operations.asked import Act, Asked
from admin.operations.values import moment, page_request, receipt_document, seconds, seconds_in
from admin.services.catalogue import Services
from admin.services.quotas import Billed, ChangedQuota, NewRaise, QuotaStanding
from admin.stores.quotas import Raise
from admin.wire.quotas import (
    BillingPage,
    BillingQuery,
    BillingRow,
    QuotaChanged,
    QuotaDocument,
    QuotaUse,
    RaiseDocument,
    RaiseRequest,
)
from gateway.core.errors import Misuse


async def _show(services: Services, caller: Caller, asked: Asked) -> QuotaDocument:
    return _quota(await services.quotas.show(caller, asked.ids["account_id"]))


async def _raise(services: Services, caller: Caller, asked: Asked) -> QuotaChanged:
    body = asked.the_body(RaiseRequest)
    if (body.until is None) is (body.lasts is None):
        raise Misuse("Give one of until and lasts.")
    until = seconds(body.until)
    if until is None:
        until = services.quotas.now + (seconds_in(body.lasts) or 0.0)
    wanted = NewRaise(body.requests, body.bytes, until, body.reason)
    return _changed(await services.quotas.raise_(caller, asked.ids["account_id"], wanted))


async def _end_raise(services: Services, caller: Caller, asked: Asked) -> QuotaChanged:
    ids = asked.ids
    return _changed(await services.quotas.end_raise(caller, ids["account_id"], ids["raise_id"]))


async def _billing(services: Services, caller: Caller, asked: Asked) -> BillingPage:
    query = asked.the_query(BillingQuery)
    page = await services.quotas.billing(caller, query.month, query.account, page_request(query))
    return BillingPage(rows=tuple(map(_row, page.items)), next_cursor=page.next_cursor)


def _changed(changed: ChangedQuota) -> QuotaChanged:
    return QuotaChanged(
        quota=_quota(changed.standing),
        raise_id=changed.raise_id,
        enforced=receipt_document(changed.receipt),
    )


def _quota(one: QuotaStanding) -> QuotaDocument:
    quota, extra, used = one.quota, one.extra, one.used
    return QuotaDocument(
        account=one.account_id,
        plan=one.plan,
        month=one.month.name,
        starts_at=moment(one.month.start_us / 1e6),
        ends_at=moment(one.month.end_us / 1e6),
        at_limit=None if quota is None else quota.at_limit,
        requests=None if quota is None else _use(quota.requests, extra.requests, used.requests),
        bytes=None if quota is None else _use(quota.bytes, extra.bytes, used.bytes),
        raises=tuple(map(_raise_document, one.raises)),
    )


def _use(limit: int | None, extra: int, used: int) -> QuotaUse | None:
    if limit is None:
        return None
    return QuotaUse(limit=limit, extra=extra, used=used, remaining=max(0, limit + extra - used))


def _raise_document(one: Raise) -> RaiseDocument:
    return RaiseDocument(
        id=one.id,
        requests=one.requests,
        bytes=one.bytes,
        reason=one.reason,
        created_at=moment(one.created_at),
        until=moment(one.until),
    )


def _row(one: Billed) -> BillingRow:
    return BillingRow(
        account=one.account_id,
        name=one.name,
        plan=one.plan,
        month=one.month,
        requests=one.requests,
        bytes_in=one.bytes_in,
        bytes_out=one.bytes_out,
    )


QUOTA_ACTS: Final[Mapping[str, Act]] = {
    "quota.show": _show,
    "quota.raise": _raise,
    "quota.end_raise": _end_raise,
    "usage.billing": _billing,
}
