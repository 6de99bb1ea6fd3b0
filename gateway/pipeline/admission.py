"""The one admission (design §1): whichever lane, protocol or endpoint asks, this decides.

Credential, key, address and origin, route and plan, scope, limits: in that order, and the first "no" is
the answer. It is synchronous as long as what it needs is in memory, and says so when it is not.
"""

__all__ = ["Admission"]

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from gateway.core.credential import Credential, Peppers, extract
from gateway.core.key_state import state_refusal
from gateway.core.keys import KeyDigest
from gateway.core.limits import Grant
from gateway.core.paths import CanonicalTarget, canonical
from gateway.core.refusal import Refusal, Refused
from gateway.core.routes import Ambiguous, Route
from gateway.pipeline.freshness import Freshness
from gateway.pipeline.inquiry import Admitted, Decision, Inquiry, Waits
from gateway.pipeline.known import KnownKeys
from gateway.pipeline.lookup import Lookup, Sought
from gateway.pipeline.terms import KnownKey, Terms
from gateway.pipeline.throttle import FailureThrottle
from gateway.ports import Clock, Limiter

_NO_LIMITS = Grant(allowed=True, states=(), retry_after_seconds=0.0)
_MALFORMED = Refused(Refusal.MALFORMED_KEY)
_UNKNOWN = Refused(Refusal.UNKNOWN_KEY)
_RETRY_SECONDS = 1.0
_THROTTLED_HINT = "Too many unknown API keys came from this address."


class _Request(NamedTuple):
    """One request, as far as it can be understood without the key."""

    inquiry: Inquiry
    target: CanonicalTarget
    credential: Credential
    digest: KeyDigest


@dataclass(slots=True, kw_only=True)
class Admission:
    """Decides about requests. `decide` neither waits nor raises."""

    terms: Terms
    known: KnownKeys
    lookup: Lookup
    freshness: Freshness
    throttle: FailureThrottle
    limiter: Limiter
    peppers: Peppers
    clock: Clock
    is_encoded_slash_allowed: bool = False

    def decide(self, inquiry: Inquiry) -> Decision:
        """Yes, no, or "this needs I/O"."""
        target = canonical(
            inquiry.target, inquiry.host, encoded_slash=self.is_encoded_slash_allowed
        )
        if isinstance(target, str):
            return Refused(Refusal.BAD_REQUEST, hint=target)
        credential = extract(inquiry.authorization)
        if isinstance(credential, Refused):
            return credential
        # The digest first: whose is known need not be parsed again.
        digest = credential.digest(self.peppers.current)
        request = _Request(inquiry, target, credential, digest)
        known = self.known.get(digest)
        return self._seek(request) if known is None else self._judge(request, known)

    def _seek(self, request: _Request) -> Decision:
        """For a key that is not in memory: refuse it from memory, or look it up."""
        if request.credential.parse(self.terms.vendor) is None:
            return _MALFORMED
        if self.known.is_unknown(request.digest):
            return _UNKNOWN
        wait_seconds = self.throttle.retry_after_seconds(request.inquiry.address)
        if wait_seconds > 0:
            return Refused(
                Refusal.RATE_LIMITED, hint=_THROTTLED_HINT, retry_after_seconds=wait_seconds
            )
        return Waits(partial(self._find, request))

    async def _find(self, request: _Request) -> Admitted | Refused:
        parsed = request.credential.parse(self.terms.vendor)
        if parsed is None:
            return _MALFORMED
        found = await self.lookup.find(Sought(request.digest, request.credential, parsed.secret_id))
        if isinstance(found, Refusal):
            if found is not Refusal.UNKNOWN_KEY:
                return Refused(found, retry_after_seconds=_RETRY_SECONDS)
            self.throttle.failed(request.inquiry.address)
            return _UNKNOWN
        decision = self._judge(request, found)
        return await decision.resolve() if isinstance(decision, Waits) else decision

    def _judge(self, request: _Request, known: KnownKey) -> Decision:
        """For a caller who has proved to hold the secret."""
        refused = self._refuse_key(known, request.inquiry)
        if refused is not None:
            return refused
        route = self._route(known, request.inquiry.method, request.target)
        if isinstance(route, Refused):
            return route
        # Last, so that a request refused for another reason takes no tokens.
        buckets = known.buckets_for(request.inquiry.address)
        grant = self.limiter.take_nowait(buckets, route.cost) if buckets else _NO_LIMITS
        if grant is None:
            return Waits(partial(self._take, request, known, route, self.known.ticket()))
        return _answer(known, route, request.target, grant)

    def _refuse_key(self, known: KnownKey, inquiry: Inquiry) -> Refused | None:
        """What the key itself says against the request, before any route is looked at."""
        key = known.key
        if not self.freshness.is_trusted(known):
            return Refused(Refusal.STORE_UNAVAILABLE, key=key, retry_after_seconds=_RETRY_SECONDS)
        reason = state_refusal(key, self.clock.now(), self.terms.environment)
        if reason is not None:
            return Refused(reason, key=key)
        if known.networks is not None and not known.networks.contains(inquiry.address):
            return Refused(Refusal.IP_NOT_ALLOWED, key=key)
        # A request without an Origin is refused too: browsers leave it out where they trust
        # themselves, not where the key's owner does.
        if known.origins and (inquiry.origin or "").lower() not in known.origins:
            return Refused(Refusal.ORIGIN_NOT_ALLOWED, key=key)
        return None

    def _route(self, known: KnownKey, method: str, target: CanonicalTarget) -> Route | Refused:
        """The route, if the key may use it with this method."""
        key = known.key
        route = self.terms.routes.match(method, target)
        if route is None:
            return Refused(Refusal.NO_ROUTE, key=key)
        if isinstance(route, Ambiguous):
            return Refused(Refusal.BAD_REQUEST, key=key, hint=route.hint)
        reason = self._policy_refusal(known, route, method)
        if reason is None:
            return route
        is_about_scopes = reason is Refusal.INSUFFICIENT_SCOPE
        scopes = self.terms.scopes.allowing(route.name, method) if is_about_scopes else ()
        return Refused(reason, key=key, route=route.name, scopes=scopes)

    def _policy_refusal(self, known: KnownKey, route: Route, method: str) -> Refusal | None:
        key = known.key
        if route.environment is not None and key.environment is not route.environment:
            return Refusal.ENVIRONMENT_MISMATCH
        if route.plans and known.plan not in route.plans:
            return Refusal.PLAN_REQUIRED
        if not self.terms.can_publish(key, route.name, method):
            return Refusal.PUBLISHABLE_KEY
        if not known.rights.allow(route.name, method):
            return Refusal.INSUFFICIENT_SCOPE
        return None

    async def _take(
        self, request: _Request, known: KnownKey, route: Route, ticket: int
    ) -> Admitted | Refused:
        buckets = known.buckets_for(request.inquiry.address)
        grant = await self.limiter.take(buckets, route.cost)
        if self.known.accepts(known.key, ticket):
            return _answer(known, route, request.target, grant)
        # The key was changed while we waited, and this worker has said that it knows.
        return await self._find(request)


def _answer(
    known: KnownKey, route: Route, target: CanonicalTarget, grant: Grant
) -> Admitted | Refused:
    if grant.allowed:
        return Admitted(known.key, route, target, grant, known)
    return Refused(
        Refusal.RATE_LIMITED,
        key=known.key,
        route=route.name,
        grant=grant,
        retry_after_seconds=grant.retry_after_seconds,
    )
