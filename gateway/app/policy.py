"""From the settings to what admission decides by. Nothing here knows of HTTP, so that both planes can use it."""

__all__ = ["key_places", "plan_quota", "policy_terms", "served_methods"]

from multidict import istr

from gateway.core.keys import Environment
from gateway.core.limits import Limit
from gateway.core.methods import METHODS
from gateway.core.places import Places
from gateway.core.quota import Quota
from gateway.core.routes import Route, RouteTable, parse_pattern
from gateway.core.scopes import ScopeRule, ScopeTable
from gateway.pipeline.terms import Terms
from gateway.settings.sections import (
    PlanSettings,
    RouteSettings,
    ScopeRuleSettings,
    Settings,
)

_ALL_METHODS = "*"


def policy_terms(settings: Settings) -> Terms:
    """What admission decides by."""
    environment = settings.listen.environment
    return Terms(
        routes=RouteTable([_route(route) for route in settings.routes]),
        scopes=ScopeTable(
            {name: [_rule(rule) for rule in rules] for name, rules in settings.scopes.items()}
        ),
        plans={name: _limits(plan) for name, plan in settings.plans.items()},
        default_plan=settings.accounts.default_plan,
        publishable_scopes=settings.publishable_scopes,
        environment=None if environment == "any" else Environment(environment),
        vendor=settings.keys.vendor_prefix,
        query_parameters=frozenset(settings.credentials.query_parameters),
        accepts_imported=settings.keys.accept_imported,
        member_scopes={name: plan.member_scopes for name, plan in settings.plans.items()},
        quotas={
            name: quota
            for name, plan in settings.plans.items()
            if (quota := plan_quota(plan)) is not None
        },
    )


def plan_quota(plan: PlanSettings) -> Quota | None:
    """What accounts on the plan may use in a month; None for any amount."""
    quota = plan.quota
    if quota is None:
        return None if plan.monthly_quota is None else Quota(plan.monthly_quota)
    return Quota(quota.requests, quota.bytes, quota.at_limit)


def served_methods(settings: Settings) -> frozenset[str]:
    """The methods that the proxy listener serves at all."""
    return frozenset(METHODS) | frozenset(settings.listen.methods_extra)


def key_places(settings: Settings) -> Places:
    """The headers that may carry a key."""
    credentials = settings.credentials
    # Every request asks for these; an `istr` is put into lower case once and not each time.
    return Places(tuple(map(istr, credentials.key_headers)), istr(credentials.secret_header))


def _route(route: RouteSettings) -> Route:
    return Route(
        name=route.name,
        patterns=tuple(parse_pattern(text) for text in route.match.path),
        upstream=route.upstream,
        methods=_methods(route.match.methods) or frozenset(),
        plans=frozenset(route.plans),
        cost=route.cost,
        is_critical=route.critical,
    )


def _methods(methods: tuple[str, ...] | None) -> frozenset[str] | None:
    """None for all of them."""
    return None if not methods or _ALL_METHODS in methods else frozenset(methods)


def _rule(rule: ScopeRuleSettings) -> ScopeRule:
    routes = None if rule.routes is None else frozenset(rule.routes)
    return ScopeRule(methods=_methods(rule.methods), routes=routes)


def _limits(plan: PlanSettings) -> tuple[Limit, ...]:
    return tuple(
        Limit(limit.name, limit.quota, limit.window_seconds, limit.per) for limit in plan.limits
    )
