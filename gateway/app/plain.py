"""From the operator's settings to the plain values that each room takes."""

__all__ = [
    "batch_pace",
    "client_bounds",
    "lane_terms",
    "policy_terms",
    "upstreams",
]

from gateway.core.addresses import Networks
from gateway.core.keys import Environment
from gateway.core.limits import Limit
from gateway.core.routes import Route, RouteTable, parse_pattern
from gateway.core.scopes import ScopeRule, ScopeTable
from gateway.http.bounds import ClientBounds
from gateway.http.terms import METHODS, LaneTerms
from gateway.pipeline.terms import Terms
from gateway.settings.sections import (
    ListenSettings,
    PlanSettings,
    RouteSettings,
    ScopeRuleSettings,
    Settings,
)
from gateway.upstream.client import Upstream, UpstreamBounds
from gateway.usage.batch import Pace

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
        member_scopes={name: plan.member_scopes for name, plan in settings.plans.items()},
    )


def _route(route: RouteSettings) -> Route:
    return Route(
        name=route.name,
        patterns=tuple(parse_pattern(text) for text in route.match.path),
        upstream=route.upstream,
        methods=_methods(route.match.methods) or frozenset(),
        plans=frozenset(route.plans),
        cost=route.cost,
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


def client_bounds(listen: ListenSettings) -> ClientBounds:
    """What one client may ask of the proxy listener."""
    return ClientBounds(
        target_bytes=listen.max_target_bytes,
        header_bytes=listen.max_header_bytes,
        body_bytes=listen.max_body_bytes,
        header_seconds=listen.header_deadline_seconds,
        body_idle_seconds=listen.body_idle_deadline_seconds,
        body_seconds=listen.body_deadline_seconds,
        keepalive_seconds=listen.keepalive_idle_seconds,
    )


def lane_terms(settings: Settings) -> LaneTerms:
    """How the proxy listener takes requests in and refuses them."""
    listen = settings.listen
    odd = listen.forward_names_with
    return LaneTerms(
        realm=listen.realm,
        docs_url=settings.docs_url,
        has_legacy_headers=settings.headers.legacy,
        trusted=Networks(listen.trusted_proxies),
        methods=METHODS | frozenset(listen.methods_extra),
        odd_characters=("_" if odd.underscore else "") + ("." if odd.dot else ""),
        bounds=client_bounds(listen),
    )


def upstreams(settings: Settings) -> dict[str, Upstream]:
    """The APIs behind the gateway, by name; none is connected yet."""
    return {
        name: Upstream(
            name,
            upstream.targets,
            bounds=UpstreamBounds(
                connect_seconds=upstream.connect_deadline_seconds,
                response_seconds=upstream.response_deadline_seconds,
                idle_seconds=upstream.idle_deadline_seconds,
                max_connections=upstream.max_connections,
            ),
            is_host_preserved=upstream.host_header == "preserve",
        )
        for name, upstream in settings.upstreams.items()
    }


def batch_pace(settings: Settings) -> Pace:
    """How usage is written."""
    return Pace(
        queue_max=settings.usage.queue_max,
        batch_max=settings.usage.flush_size,
        interval_seconds=settings.usage.flush_interval_seconds,
    )
