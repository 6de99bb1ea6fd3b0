"""What is configured, and what has happened: plans, the audit log, events."""

__all__ = ["RECORD_ACTS", "plan_document"]

import json
from collections.abc import Mapping
from typing import Final

from admin.core.audit import Stored, parse_head
from admin.core.caller import Caller
from admin.operations.asked import Act, Asked
from admin.operations.values import moment, page_request, seconds
from admin.services.catalogue import Services
from admin.services.plans import Plan, Scope
from admin.services.records import AuditFilter, Event
from admin.wire.people import PlanDocument, PlanPage, PlanQuota, ScopeDocument
from admin.wire.records import (
    AuditDocument,
    AuditPage,
    AuditQuery,
    AuditVerdict,
    AuditVerifyQuery,
    EventDocument,
    EventPage,
    EventQuery,
)


async def _plans(services: Services, caller: Caller, _asked: Asked) -> PlanPage:
    offered = await services.plans.list(caller)
    return PlanPage(
        plans=tuple(map(plan_document, offered.plans)),
        scopes=tuple(map(_scope, offered.scopes)),
        default_plan=offered.default_plan,
    )


async def _audit(services: Services, caller: Caller, asked: Asked) -> AuditPage:
    query = asked.the_query(AuditQuery)
    wanted = AuditFilter(
        account_id=query.account,
        target_id=query.target,
        actor_id=query.actor,
        action=query.action,
        since=seconds(query.since),
        until=seconds(query.until),
    )
    page = await services.records.audit(caller, wanted, page_request(query))
    return AuditPage(entries=tuple(map(_entry, page.items)), next_cursor=page.next_cursor)


async def _verify_audit(services: Services, caller: Caller, asked: Asked) -> AuditVerdict:
    expect = asked.the_query(AuditVerifyQuery).expect
    verdict = await services.records.verify_audit(
        caller, None if expect is None else parse_head(expect)
    )
    return AuditVerdict(
        ok=verdict.ok,
        entries=verdict.entries,
        head_sequence=verdict.head.sequence,
        head_hash=verdict.head.hash,
        broken_at=verdict.broken_at,
        problem=verdict.problem,
    )


async def _events(services: Services, caller: Caller, asked: Asked) -> EventPage:
    query = asked.the_query(EventQuery)
    found = await services.records.events(caller, query.after, query.limit, query.account)
    last = found[-1].sequence if found else query.after
    return EventPage(events=tuple(map(_event, found)), last_sequence=last)


def plan_document(plan: Plan) -> PlanDocument:
    """A plan as it is told."""
    quota = plan.quota
    return PlanDocument(
        name=plan.name,
        limits=tuple(
            {
                "name": limit.name,
                "quota": limit.quota,
                "window": limit.window_seconds,
                "per": limit.per.value,
            }
            for limit in plan.limits
        ),
        member_scopes=plan.member_scopes,
        monthly_quota=None if quota is None else quota.requests,
        quota=None
        if quota is None
        else PlanQuota(requests=quota.requests, bytes=quota.bytes, at_limit=quota.at_limit),
    )


def _scope(scope: Scope) -> ScopeDocument:
    return ScopeDocument(
        name=scope.name,
        rules=tuple(
            {
                name: words
                for name, words in (("methods", rule.methods), ("routes", rule.routes))
                if words is not None
            }
            for rule in scope.rules
        ),
    )


def _entry(stored: Stored) -> AuditDocument:
    entry = stored.entry
    return AuditDocument(
        sequence=stored.sequence,
        at=moment(entry.at_us / 1_000_000),
        actor_kind=entry.actor_kind,
        actor_id=entry.actor_id,
        actor_name=entry.actor_name,
        address=entry.address,
        request_id=entry.request_id,
        action=entry.action,
        target_kind=entry.target_kind,
        target_id=entry.target_id,
        account=entry.account_id,
        before=None if entry.before is None else json.loads(entry.before),
        after=None if entry.after is None else json.loads(entry.after),
        hash=stored.hash,
    )


def _event(event: Event) -> EventDocument:
    return EventDocument(
        sequence=event.sequence,
        at=moment(event.at),
        kind=event.kind,
        account=event.account_id,
        key=event.key_id,
        data=dict(event.data),
    )


RECORD_ACTS: Final[Mapping[str, Act]] = {
    "plans.list": _plans,
    "audit.list": _audit,
    "audit.verify": _verify_audit,
    "events.list": _events,
}
