"""Calls about what is configured and what has happened."""

__all__ = ["list_audit", "list_events", "list_plans", "verify_audit"]

from datetime import datetime

from admin.client.call import Call, asked, given
from admin.wire.people import PlanPage
from admin.wire.records import (
    AuditPage,
    AuditQuery,
    AuditVerdict,
    AuditVerifyQuery,
    EventPage,
    EventQuery,
)


def list_plans() -> Call[PlanPage]:
    """The plans and scopes of the configuration."""
    return asked("plans.list", PlanPage)


def list_audit(  # noqa: PLR0913 -- one parameter for each field of the query
    *,
    account: str | None = None,
    target: str | None = None,
    actor: str | None = None,
    action: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Call[AuditPage]:
    """A page of the audit log, newest first."""
    wanted = given(
        account=account,
        target=target,
        actor=actor,
        action=action,
        since=since,
        until=until,
        limit=limit,
        cursor=cursor,
    )
    return asked("audit.list", AuditPage, query=AuditQuery.model_validate(wanted))


def verify_audit(*, expect: str | None = None) -> Call[AuditVerdict]:
    """Whether the audit log is whole; on a long one this takes a while.

    `expect` is `head_sequence:head_hash` of an earlier verdict, kept elsewhere: it must still be in the log.
    """
    query = AuditVerifyQuery.model_validate(given(expect=expect))
    return asked("audit.verify", AuditVerdict, query=query)


def list_events(
    *, after: int | None = None, limit: int | None = None, account: str | None = None
) -> Call[EventPage]:
    """The events behind number `after`, oldest first."""
    wanted = given(after=after, limit=limit, account=account)
    return asked("events.list", EventPage, query=EventQuery.model_validate(wanted))
