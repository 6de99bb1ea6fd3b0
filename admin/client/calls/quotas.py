"""Calls about quotas."""

__all__ = ["end_raise", "list_billing", "raise_quota", "show_quota"]

from datetime import datetime

from admin.client.call import Call, asked, given
from admin.wire.keys import Empty
from admin.wire.quotas import (
    BillingPage,
    BillingQuery,
    QuotaChanged,
    QuotaDocument,
    RaiseRequest,
)


def show_quota(account_id: str) -> Call[QuotaDocument]:
    """How an account's present month stands."""
    return asked("quota.show", QuotaDocument, {"account_id": account_id})


def raise_quota(  # noqa: PLR0913 -- one parameter for each field of the request
    account_id: str,
    *,
    requests: int = 0,
    bytes: int = 0,  # noqa: A002 -- the field's name
    until: datetime | None = None,
    lasts: str | None = None,
    reason: str,
    idempotency_key: str | None = None,
) -> Call[QuotaChanged]:
    """Allow an account more for a time."""
    wanted = given(requests=requests, bytes=bytes, until=until, lasts=lasts, reason=reason)
    body = RaiseRequest.model_validate(wanted)
    ids = {"account_id": account_id}
    return asked("quota.raise", QuotaChanged, ids, body=body, idempotency_key=idempotency_key)


def end_raise(account_id: str, raise_id: str) -> Call[QuotaChanged]:
    """End a raise before its time."""
    ids = {"account_id": account_id, "raise_id": raise_id}
    return asked("quota.end_raise", QuotaChanged, ids, body=Empty())


def list_billing(
    *,
    month: str | None = None,
    account: str | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Call[BillingPage]:
    """A page of what accounts used in a month."""
    wanted = given(month=month, account=account, limit=limit, cursor=cursor)
    return asked("usage.billing", BillingPage, query=BillingQuery.model_validate(wanted))
