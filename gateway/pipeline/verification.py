"""Whether a key may be used, asked by somebody who holds it but has no request to pass on (design §6).

The steps are admission's own, in its order; those that need a request are left out when there is none.
"""

__all__ = ["Verification", "Verified", "verify"]

from collections.abc import Collection
from dataclasses import replace
from typing import NamedTuple

from gateway.core.credential import Credential
from gateway.core.keys import KeyType
from gateway.core.limits import Grant
from gateway.core.paths import CanonicalTarget
from gateway.core.refusal import Refusal, Refused
from gateway.core.routes import Route
from gateway.pipeline.admission import Admission, limited
from gateway.pipeline.inquiry import Waits
from gateway.pipeline.terms import KnownKey

# What a use costs that belongs to no route.
_COST = 1


class Verification(NamedTuple):
    """What the key is to be used for. Without `target` no route is judged; without `address`, none is good enough.

    `scopes` must all be held. `cost` replaces the route's; 0 takes nothing. `payer` answers for unknown
    keys, as the address of a request does.
    """

    method: str = "GET"
    target: str | None = None
    scopes: tuple[str, ...] = ()
    cost: int | None = None
    address: str = ""
    origin: str | None = None
    payer: str = ""


class Verified(NamedTuple):
    """Yes: whose key it is, the route if there was a path, and what is left. The tokens are already taken."""

    known: KnownKey
    route: Route | None
    grant: Grant


async def verify(
    admission: Admission,
    credential: Credential,
    asked: Verification,
    methods: Collection[str],
) -> Verified | Refused:
    """Judge the key as `admission` would; an outage is a Refused too (503). `methods` are those that are served."""
    target = _target(admission, asked, methods)
    if isinstance(target, Refused):
        return target
    while True:
        known = await _found(admission, credential, asked)
        if isinstance(known, Refused):
            return known
        route = _judged(admission, known, asked, target)
        if isinstance(route, Refused):
            return route
        grant = await _taken(admission, known, asked, route)
        # None: the key was changed meanwhile, and has to be found anew.
        if grant is not None:
            return _answer(known, route, grant, asked)


def _target(
    admission: Admission, asked: Verification, methods: Collection[str]
) -> CanonicalTarget | Refused | None:
    if asked.target is None:
        return None
    if asked.method not in methods:
        return Refused(Refusal.METHOD_NOT_ALLOWED)
    return admission.target(asked.target, None)


async def _found(
    admission: Admission, credential: Credential, asked: Verification
) -> KnownKey | Refused:
    found = admission.find(credential, asked.address or asked.payer)
    return await found.resolve() if isinstance(found, Waits) else found


async def _taken(
    admission: Admission, known: KnownKey, asked: Verification, route: Route | None
) -> Grant | None:
    cost = asked.cost
    if cost is None:
        cost = _COST if route is None else route.cost
    is_critical = route is not None and route.is_critical
    grant = admission.take(known, asked.address, cost, is_critical=is_critical)
    return await grant.resolve() if isinstance(grant, Waits) else grant


def _judged(
    admission: Admission, known: KnownKey, asked: Verification, target: CanonicalTarget | None
) -> Route | Refused | None:
    refused = admission.refused_state(known) or admission.refused_place(
        known, asked.address, asked.origin
    )
    if refused is not None:
        return refused
    route = None if target is None else admission.route(known, asked.method, target)
    if isinstance(route, Refused):
        return route
    return _refused_scopes(admission, known, asked.scopes) or route


def _refused_scopes(
    admission: Admission, known: KnownKey, scopes: tuple[str, ...]
) -> Refused | None:
    """A scope counts if the key has it, its owner leaves it, and the configuration still has it."""
    terms = admission.terms
    lacking = [
        name for name in scopes if name not in known.scopes or name in terms.scopes.unknown([name])
    ]
    if lacking:
        words = f"It lacks {' and '.join(lacking)}."
        return Refused(Refusal.INSUFFICIENT_SCOPE, key=known.key, hint=words)
    if known.key.type is KeyType.PUBLISHABLE:
        too_much = [name for name in scopes if name not in terms.publishable_scopes]
        if too_much:
            return Refused(Refusal.PUBLISHABLE_KEY, key=known.key)
    return None


def _answer(
    known: KnownKey, route: Route | None, grant: Grant, asked: Verification
) -> Verified | Refused:
    # Who only looks is told what is left, even where that is a debt.
    if grant.allowed or asked.cost == 0:
        return Verified(known, route, grant)
    refused = limited(known, route, grant)
    # A guess at this process's share of the rate is no answer to give about a key.
    is_guess = grant.is_degraded and refused.reason is Refusal.RATE_LIMITED
    return replace(refused, reason=Refusal.STORE_UNAVAILABLE) if is_guess else refused
