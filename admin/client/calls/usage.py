"""Calls about what keys did."""

__all__ = ["list_account_requests", "list_key_requests"]

from typing import Any

from admin.client.call import Call, asked, given
from admin.wire.usage import RequestPage, RequestQuery


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


def _request_query(**words: Any) -> RequestQuery:  # noqa: ANN401 -- the query's own fields
    return RequestQuery.model_validate(given(**words))
