"""What admission would say of a request, rule by rule, without a secret and without taking a token.

No rule is written twice: each step of admission is asked, and when it refuses, it is asked again as if
that one rule had let the request pass. So what comes behind the first refusal is told, too.
"""

__all__ = ["Explanation", "Outcome", "Ruling", "Supposed", "explain"]

import enum
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, TypeAlias

from gateway.core.keys import ApiAccess, Key, KeyStatus, KeyType
from gateway.core.limits import Grant
from gateway.core.paths import CanonicalTarget
from gateway.core.refusal import Refusal, Refused
from gateway.core.routes import Route
from gateway.pipeline.admission import Admission, limited
from gateway.pipeline.inquiry import Waits
from gateway.pipeline.sentences import FACTS, Facts
from gateway.pipeline.terms import KnownKey

_NOTHING_TO_JUDGE: Final = "There is no route to judge it by."


class Outcome(enum.StrEnum):
    """How one rule ends."""

    PASS = "pass"  # noqa: S105 -- not a password
    REFUSE = "refuse"
    NOT_REACHED = "not_reached"


class Supposed(NamedTuple):
    """A request as the key's holder would make it. An empty address is none."""

    method: str
    target: str
    address: str = ""
    origin: str | None = None


@dataclass(frozen=True, slots=True)
class Ruling:
    """One rule's part; `refused` is set when it refuses."""

    rule: str
    outcome: Outcome
    detail: str
    refused: Refused | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """All rules, in the order in which admission asks; the first that refuses is the answer. `grant`: what is left."""

    key: Key
    rulings: tuple[Ruling, ...]
    route: Route | None
    grant: Grant

    @property
    def refused(self) -> Refused | None:
        """Why the request would be refused; None if it would pass."""
        return next((ruling.refused for ruling in self.rulings if ruling.refused), None)


# A step of admission: its rules in their order, each with the reasons it may give. A cure is the key as
# it would have to be for that reason to be gone.
_Rules: TypeAlias = Mapping[str, Collection[Refusal]]
_Cures: TypeAlias = Mapping[Refusal, Callable[[KnownKey], KnownKey]]
_Ask: TypeAlias = Callable[[KnownKey], Refused | None]

_STATE: Final[_Rules] = {
    "status": (Refusal.REVOKED_KEY, Refusal.DISABLED_KEY),
    "not_before": (Refusal.NOT_YET_VALID,),
    "expiry": (Refusal.EXPIRED_KEY,),
    "environment": (Refusal.ENVIRONMENT_MISMATCH,),
    "api_access": (Refusal.API_ACCESS_DISABLED,),
}
_PLACE: Final[_Rules] = {
    "address": (Refusal.IP_NOT_ALLOWED,),
    "origin": (Refusal.ORIGIN_NOT_ALLOWED,),
}
_POLICY: Final[_Rules] = {
    "route_environment": (Refusal.ENVIRONMENT_MISMATCH,),
    "plan": (Refusal.PLAN_REQUIRED,),
    "publishable": (Refusal.PUBLISHABLE_KEY,),
    "scope": (Refusal.INSUFFICIENT_SCOPE,),
}


async def explain(
    admission: Admission, key: Key, supposed: Supposed, methods: Collection[str]
) -> Explanation:
    """Each rule's outcome for this request, with `key` as SQL has it this very moment.

    `methods` are those that are served at all. Takes no token; what is left is asked of the limiter.
    """
    # Read from SQL just now, so it cannot be out of date.
    known = admission.terms.known(key, math.inf)
    target = admission.target(supposed.target, None)
    matched = None
    if not isinstance(target, Refused):
        matched = admission.terms.routes.match(supposed.method, target)
    route = matched if isinstance(matched, Route) else None
    facts = Facts(known, admission.terms, supposed.method, supposed.address, supposed.origin, route)
    grant = await _left(admission, known, supposed.address)
    rulings = (
        _method(supposed.method, methods),
        _path(target),
        *_step(_STATE, admission.refused_state, facts, _state_cures(admission)),
        *_step(
            _PLACE,
            lambda one: admission.refused_place(one, supposed.address, supposed.origin),
            facts,
            _PLACE_CURES,
        ),
        *_routing(admission, target, facts),
        _quota(known, route, grant),
        _limits(known, route, grant),
    )
    return Explanation(key, rulings, route, grant)


async def _left(admission: Admission, known: KnownKey, address: str) -> Grant:
    meter = known.meter
    if meter is not None:
        await admission.quotas.look(meter)
    while True:
        grant = admission.take(known, address, 0)
        found = await grant.resolve() if isinstance(grant, Waits) else grant
        if found is not None:
            levels = () if meter is None else meter.levels(admission.clock.monotonic())
            return found._replace(levels=levels)


def _method(method: str, methods: Collection[str]) -> Ruling:
    if method in methods:
        return Ruling("method", Outcome.PASS, f"{method} is served.")
    refused = Refused(Refusal.METHOD_NOT_ALLOWED)
    return Ruling("method", Outcome.REFUSE, f"{method} is not served.", refused)


def _path(target: CanonicalTarget | Refused) -> Ruling:
    if isinstance(target, Refused):
        return Ruling("path", Outcome.REFUSE, target.hint, target)
    return Ruling("path", Outcome.PASS, "The path can be read in one way only.")


def _routing(
    admission: Admission, target: CanonicalTarget | Refused, facts: Facts
) -> tuple[Ruling, ...]:
    """The route, and what it asks of the key."""
    if isinstance(target, Refused):
        return _out_of_reach("route", *_POLICY)
    route = facts.route
    if route is None:
        refused = admission.route(facts.known, facts.method, target)
        if not isinstance(refused, Refused):
            raise TypeError("admission has a route where its table has none")
        words = refused.hint or FACTS["route"](facts)
        return (Ruling("route", Outcome.REFUSE, words, refused), *_out_of_reach(*_POLICY))

    def ask(known: KnownKey) -> Refused | None:
        found = admission.route(known, facts.method, target)
        return found if isinstance(found, Refused) else None

    return (
        Ruling("route", Outcome.PASS, FACTS["route"](facts)),
        *_step(_POLICY, ask, facts, _policy_cures(route)),
    )


def _quota(known: KnownKey, route: Route | None, grant: Grant) -> Ruling:
    meter = known.meter
    if meter is None:
        return Ruling("quota", Outcome.PASS, "Its account has no monthly quota.")
    if route is None:
        return Ruling("quota", Outcome.NOT_REACHED, _NOTHING_TO_JUDGE)
    if not grant.levels:
        return Ruling(
            "quota", Outcome.NOT_REACHED, "Redis does not answer, so what is left is not known."
        )
    words = " ".join(
        f"{level.name} has {level.remaining} of {level.limit} left." for level in grant.levels
    )
    if not meter.is_over:
        return Ruling("quota", Outcome.PASS, words)
    if meter.goes_on(is_critical=route.is_critical):
        return Ruling("quota", Outcome.PASS, f"{words} This request is served all the same.")
    over = grant._replace(allowed=False, violated=meter.used_up(), is_over_quota=True)
    return Ruling("quota", Outcome.REFUSE, words, limited(known, route, over))


def _limits(known: KnownKey, route: Route | None, grant: Grant) -> Ruling:
    if route is None:
        return Ruling("limits", Outcome.NOT_REACHED, _NOTHING_TO_JUDGE)
    if grant.is_degraded:
        return Ruling(
            "limits", Outcome.NOT_REACHED, "Redis does not answer, so what is left is not known."
        )
    if not grant.states:
        return Ruling("limits", Outcome.PASS, "It has no limits.")
    left = ", ".join(
        f"{state.limit.name} has {state.remaining} of {state.limit.quota}" for state in grant.states
    )
    words = f"The request takes {route.cost}; {left} left."
    short = tuple(state.limit.name for state in grant.states if state.remaining < route.cost)
    if not short:
        return Ruling("limits", Outcome.PASS, words)
    refused = Refused(
        Refusal.RATE_LIMITED,
        key=known.key,
        route=route.name,
        grant=grant._replace(allowed=False, violated=short),
    )
    return Ruling("limits", Outcome.REFUSE, words, refused)


def _step(rules: _Rules, ask: _Ask, facts: Facts, cures: _Cures) -> tuple[Ruling, ...]:
    """The ruling of each of `rules`, which `ask` judges in this order and stops at the first refusal."""
    found: dict[Refusal, Refused] = {}
    known = facts.known
    while (refused := ask(known)) is not None and refused.reason not in found:
        found[refused.reason] = refused
        known = cures[refused.reason](known)
    return tuple(_ruling(rule, reasons, found, facts) for rule, reasons in rules.items())


def _ruling(
    rule: str, reasons: Collection[Refusal], found: Mapping[Refusal, Refused], facts: Facts
) -> Ruling:
    refused = next((found[reason] for reason in reasons if reason in found), None)
    outcome = Outcome.PASS if refused is None else Outcome.REFUSE
    return Ruling(rule, outcome, FACTS[rule](facts), refused)


def _out_of_reach(*rules: str) -> tuple[Ruling, ...]:
    return tuple(Ruling(rule, Outcome.NOT_REACHED, _NOTHING_TO_JUDGE) for rule in rules)


def _state_cures(admission: Admission) -> _Cures:
    def in_environment(known: KnownKey) -> KnownKey:
        return _with_key(known, environment=admission.terms.environment)

    return {
        Refusal.REVOKED_KEY: _activated,
        Refusal.DISABLED_KEY: _activated,
        Refusal.NOT_YET_VALID: lambda known: _with_key(known, not_before=None),
        Refusal.EXPIRED_KEY: lambda known: _with_key(
            known, expires_at=None, secret_expires_at=None
        ),
        Refusal.ENVIRONMENT_MISMATCH: in_environment,
        Refusal.API_ACCESS_DISABLED: lambda known: _with_key(
            known, account=replace(known.key.account, api_access=ApiAccess.APPROVED)
        ),
    }


_PLACE_CURES: Final[_Cures] = {
    Refusal.IP_NOT_ALLOWED: lambda known: replace(known, networks=None),
    Refusal.ORIGIN_NOT_ALLOWED: lambda known: replace(known, origins=frozenset()),
}


def _policy_cures(route: Route) -> _Cures:
    return {
        Refusal.ENVIRONMENT_MISMATCH: lambda known: _standing(known, environment=route.environment),
        Refusal.PLAN_REQUIRED: lambda known: _standing(known, plan=next(iter(route.plans))),
        Refusal.PUBLISHABLE_KEY: lambda known: _standing(known, type=KeyType.SECRET),
        # The last rule: nothing is asked behind it.
        Refusal.INSUFFICIENT_SCOPE: lambda known: known,
    }


def _activated(known: KnownKey) -> KnownKey:
    return _with_key(known, status=KeyStatus.ACTIVE)


def _standing(known: KnownKey, **fields: object) -> KnownKey:
    # What was found to be allowed is so for the real one only.
    standing = replace(known.standing, allowed=set(), **fields)  # type: ignore[arg-type]
    return replace(known, standing=standing)


def _with_key(known: KnownKey, **fields: object) -> KnownKey:
    return replace(known, key=replace(known.key, **fields))  # type: ignore[arg-type]
