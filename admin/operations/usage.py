"""What keys did, as documents."""

__all__ = ["USAGE_ACTS", "request_document", "request_filter"]

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final, Literal

from admin.core.caller import Caller
from admin.core.series import Figures, Group, Report
from admin.operations.asked import Act, Asked
from admin.operations.values import looked_back, moment, page_request
from admin.services.catalogue import Services
from admin.services.usage import RequestFilter, RollupFilter, Subject, Timeframe
from admin.stores.usage_requests import Logged
from admin.wire.usage import (
    FiguresDocument,
    GroupDocument,
    PointDocument,
    RequestDocument,
    RequestPage,
    RequestQuery,
    UsageQuery,
    UsageReport,
)

SubjectKind = Literal["key", "account", "everything"]


def subject_of(kind: SubjectKind, asked: Asked) -> Subject:
    """Whose usage the path names."""
    return Subject(kind, asked.ids.get(f"{kind}_id", ""))


def _requests(kind: SubjectKind) -> Callable[[Services, Caller, Asked], Awaitable[RequestPage]]:
    async def act(services: Services, caller: Caller, asked: Asked) -> RequestPage:
        query = asked.the_query(RequestQuery)
        wanted = request_filter(query, services.usage.now)
        page = await services.usage.requests(
            caller, subject_of(kind, asked), wanted, page_request(query)
        )
        return RequestPage(
            requests=tuple(map(request_document, page.items)), next_cursor=page.next_cursor
        )

    return act


def request_filter(query: RequestQuery, now: float) -> RequestFilter:
    """The filter that a query describes; `now` is where "24h" counts back from. Raises Misuse."""
    path = query.path
    return RequestFilter(
        since=looked_back(query.since, now),
        until=looked_back(query.until, now),
        status=_statuses(query.status),
        outcome=query.outcome,
        route=query.route,
        method=query.method,
        path=None if path is None else path.removesuffix("*"),
        path_begins=path is not None and path.endswith("*"),
        address=query.address,
        request_id=query.request_id,
    )


def _statuses(text: str | None) -> tuple[int, int] | None:
    """`404`, or `4xx` for all of them."""
    if text is None:
        return None
    if text.endswith("xx"):
        lowest = int(text[0]) * 100
        return lowest, lowest + 99
    return int(text), int(text)


def request_document(logged: Logged) -> RequestDocument:
    """A record as it is told."""
    record = logged.record
    return RequestDocument(
        at=moment(record.at),
        key=record.key_id or "",
        account=record.account_id,
        secret_id=record.secret_id,
        request_id=record.request_id,
        method=record.method,
        path=record.path,
        route=record.route,
        status=record.status,
        outcome=record.outcome,
        duration_ms=round(record.duration_seconds * 1000, 3),
        bytes_in=record.bytes_in,
        bytes_out=record.bytes_out,
        address=record.address,
    )


def _usage(kind: SubjectKind) -> Callable[[Services, Caller, Asked], Awaitable[UsageReport]]:
    async def act(services: Services, caller: Caller, asked: Asked) -> UsageReport:
        query = asked.the_query(UsageQuery)
        now = services.usage.now
        time = Timeframe(looked_back(query.from_, now), looked_back(query.to, now), query.step)
        wanted = RollupFilter(
            query.route, query.outcome, None if query.status is None else int(query.status[0])
        )
        report = await services.usage.series(caller, subject_of(kind, asked), time, wanted)
        return _report(report)

    return act


def _report(report: Report) -> UsageReport:
    fields = {"from": moment(report.span.since)}
    return UsageReport(
        **fields,
        to=moment(report.span.until),
        step=report.span.step,
        totals=FiguresDocument(**_figures(report.totals)),
        series=tuple(
            PointDocument(
                at=moment(bucket.at), statuses=dict(bucket.statuses), **_figures(bucket.figures)
            )
            for bucket in report.series
        ),
        by_route=_groups(report.by_route),
        by_outcome=_groups(report.by_outcome),
        by_status=_groups(report.by_status),
    )


def _groups(groups: Iterable[Group]) -> tuple[GroupDocument, ...]:
    return tuple(GroupDocument(name=each.name, **_figures(each.figures)) for each in groups)


def _figures(figures: Figures) -> dict[str, Any]:
    return {name: getattr(figures, name) for name in FiguresDocument.model_fields}


USAGE_ACTS: Final[Mapping[str, Act]] = {
    "keys.requests": _requests("key"),
    "accounts.requests": _requests("account"),
    "keys.usage": _usage("key"),
    "accounts.usage": _usage("account"),
    "usage.show": _usage("everything"),
}
