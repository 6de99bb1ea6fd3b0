"""Calls about what keys did."""

__all__ = [
    "StepWord",
    "list_account_requests",
    "list_key_requests",
    "show_account_usage",
    "show_key_usage",
    "show_usage",
]

from typing import Any, Literal

from admin.client.call import Call, asked, given
from admin.wire.usage import RequestPage, RequestQuery, UsageQuery, UsageReport

StepWord = Literal["minute", "hour", "day", "auto"]


def list_key_requests(  # noqa: PLR0913 -- one parameter for each field of the query
    key_id: str,
    *,
    since: str | None = None,
    until: str | None = None,
    status: str | None = None,
    outcome: str | None = None,
    route: str | None = None,
    method: str | None = None,
    path: str | None = None,
    address: str | None = None,
    request_id: str | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Call[RequestPage]:
    """A page of a key's requests, newest first; times are RFC 3339, or "24h" for a day ago."""
    query = _request_query(
        since=since,
        until=until,
        status=status,
        outcome=outcome,
        route=route,
        method=method,
        path=path,
        address=address,
        request_id=request_id,
        limit=limit,
        cursor=cursor,
    )
    return asked("keys.requests", RequestPage, {"key_id": key_id}, query=query)


def list_account_requests(  # noqa: PLR0913 -- one parameter for each field of the query
    account_id: str,
    *,
    since: str | None = None,
    until: str | None = None,
    status: str | None = None,
    outcome: str | None = None,
    route: str | None = None,
    method: str | None = None,
    path: str | None = None,
    address: str | None = None,
    request_id: str | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Call[RequestPage]:
    """A page of the requests of all of an account's keys, newest first."""
    query = _request_query(
        since=since,
        until=until,
        status=status,
        outcome=outcome,
        route=route,
        method=method,
        path=path,
        address=address,
        request_id=request_id,
        limit=limit,
        cursor=cursor,
    )
    return asked("accounts.requests", RequestPage, {"account_id": account_id}, query=query)


def show_key_usage(  # noqa: PLR0913 -- one parameter for each field of the query
    key_id: str,
    *,
    from_: str | None = None,
    to: str | None = None,
    step: StepWord | None = None,
    route: str | None = None,
    outcome: str | None = None,
    status: str | None = None,
) -> Call[UsageReport]:
    """What a key's requests amount to, point by point; times are RFC 3339, or "30d" for a month ago."""
    query = _usage_query(from_=from_, to=to, step=step, route=route, outcome=outcome, status=status)
    return asked("keys.usage", UsageReport, {"key_id": key_id}, query=query)


def show_account_usage(  # noqa: PLR0913
    account_id: str,
    *,
    from_: str | None = None,
    to: str | None = None,
    step: StepWord | None = None,
    route: str | None = None,
    outcome: str | None = None,
    status: str | None = None,
) -> Call[UsageReport]:
    """What the requests of all of an account's keys amount to."""
    query = _usage_query(from_=from_, to=to, step=step, route=route, outcome=outcome, status=status)
    return asked("accounts.usage", UsageReport, {"account_id": account_id}, query=query)


def show_usage(  # noqa: PLR0913
    *,
    from_: str | None = None,
    to: str | None = None,
    step: StepWord | None = None,
    route: str | None = None,
    outcome: str | None = None,
    status: str | None = None,
) -> Call[UsageReport]:
    """What all requests amount to that the token may see."""
    query = _usage_query(from_=from_, to=to, step=step, route=route, outcome=outcome, status=status)
    return asked("usage.show", UsageReport, query=query)


def _usage_query(**words: Any) -> UsageQuery:  # noqa: ANN401
    return UsageQuery.model_validate(given(**words))


def _request_query(**words: Any) -> RequestQuery:  # noqa: ANN401 -- the query's own fields
    return RequestQuery.model_validate(given(**words))
