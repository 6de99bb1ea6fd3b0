"""The one admission (design §1): whichever lane, protocol or endpoint asks, this decides.

Credential, key, address and origin, route and plan, scope, quota, limits: in that order, and the first "no" is
the answer. It is synchronous as long as what it needs is in memory, and says so when it is not.
"""

__all__ = ["Admission", "limited"]

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, NamedTuple

from gateway.core.credential import Credential, Pair, Peppers
from gateway.core.key_state import state_refusal
from gateway.core.limits import Bucket, Grant
from gateway.core.meter import Meter
from gateway.core.methods import METHODS
from gateway.core.paths import CanonicalTarget, canonical
from gateway.core.places import without_parameters
from gateway.core.quota import Ruling
from gateway.core.refusal import Refusal, Refused
from gateway.core.routes import Ambiguous, Route
from gateway.pipeline.freshness import Freshness
from gateway.pipeline.inquiry import Admitted, Decision, Inquiry, Waits
from gateway.pipeline.known import KnownKeys
from gateway.pipeline.lookup import Lookup
from gateway.pipeline.sought import Sought, SoughtImported, seek
from gateway.pipeline.terms import KnownKey, Standing, Terms
from gateway.pipeline.throttle import FailureThrottle
from gateway.ports import Clock, Limiter, Quotas

# As the class itself does it, but for a Python function between.
_made: Final = tuple.__new__
_NO_LIMITS = Grant(allowed=True, states=(), retry_after_seconds=0.0)
_MALFORMED = Refused(Refusal.MALFORMED_KEY)
_HALF = Refused(
    Refusal.MALFORMED_KEY, hint="If this is the API key of a pair, send its API secret as well."
)
_UNKNOWN = Refused(Refusal.UNKNOWN_KEY)
_RETRY_SECONDS = 1.0
_CLOSED = Refused(
    Refusal.OVERLOADED,
    hint="No request can be recorded at the moment.",
    retry_after_seconds=_RETRY_SECONDS,
)
_TARGETS_MAX = 2048
_TARGET_LENGTH_MAX = 128
_THROTTLED_HINT = "Too many unknown API keys came from this address."


class _Request(NamedTuple):
    """One request that waits, as far as it can be understood without the key."""

    inquiry: Inquiry
    target: CanonicalTarget
    credential: Credential | Pair


@dataclass(slots=True, kw_only=True)
class Admission:
    """Decides about requests. `decide` neither waits nor raises.

    Its steps, in the order in which `decide` takes them, are there for whoever asks for less than a request
    (verify, explain): `find`, `refused_state`, `refused_place`, `route`, `take`. While it `is_closed` (None: it
    never is) nobody is found.
    """

    terms: Terms
    known: KnownKeys
    lookup: Lookup
    freshness: Freshness
    throttle: FailureThrottle
    limiter: Limiter
    peppers: Peppers
    clock: Clock
    quotas: Quotas
    is_encoded_slash_allowed: bool = False
    is_closed: Callable[[], bool] | None = None
    # What was read in a method, target and Host field, which follows from the configuration alone.
    _read: dict[tuple[str, str, str | None], tuple[CanonicalTarget, Route]] = field(
        default_factory=dict, init=False, repr=False
    )

    def decide(self, inquiry: Inquiry) -> Decision:
        """Yes, no, or "this needs I/O"."""
        method, sent, host, presented, _, _ = inquiry
        if self.terms.query_parameters:
            sent, values = without_parameters(sent, self.terms.query_parameters)
            presented = presented.with_keys(values) if values else presented
        read = self._read.get((method, sent, host))
        target, route = (self.target(sent, host), None) if read is None else read
        if isinstance(target, Refused):
            return target
        credential = presented.credential()
        if isinstance(credential, Refused):
            return credential
        known = self.known.get(credential.digest(self.peppers.current))
        if known is not None and self.is_closed is None:
            return self._judge(inquiry, target, credential, known, route)
        found = self.find(credential, inquiry.address)
        if isinstance(found, KnownKey):
            return self._judge(inquiry, target, credential, found, route)
        if isinstance(found, Refused):
            return found
        return Waits(partial(self._resume, _Request(inquiry, target, credential), found))

    def target(self, target: str, host: str | None) -> CanonicalTarget | Refused:
        """The one reading of a request target; `host` is the Host field's value."""
        read = canonical(target, host, encoded_slash=self.is_encoded_slash_allowed)
        return Refused(Refusal.BAD_REQUEST, hint=read) if isinstance(read, str) else read

    def find(
        self, credential: Credential | Pair, address: str
    ) -> KnownKey | Refused | Waits[KnownKey | Refused]:
        """The key that the credential proves, in whatever state it is; `address` answers for failures."""
        if self.is_closed is not None and self.is_closed():
            return _CLOSED
        # The digest first: whose is known need not be parsed again.
        digest = credential.digest(self.peppers.current)
        known = self.known.get(digest)
        if known is None and isinstance(credential, Pair):
            known = self._known_pair(credential)
        if known is not None:
            return known
        terms = self.terms
        sought = seek(
            credential, digest, vendor=terms.vendor, accepts_imported=terms.accepts_imported
        )
        if sought is None or self.known.is_unknown(digest):
            return _nobodys(credential, sought)
        wait_seconds = self.throttle.retry_after_seconds(address)
        if wait_seconds > 0:
            return Refused(
                Refusal.RATE_LIMITED, hint=_THROTTLED_HINT, retry_after_seconds=wait_seconds
            )
        return Waits(partial(self._look_up, sought, address))

    def _known_pair(self, pair: Pair) -> KnownKey | None:
        for token in pair.tokens(self.terms.vendor):
            known = self.known.get(token.digest(self.peppers.current))
            if known is not None:
                return known
        return None

    async def _look_up(self, sought: Sought | SoughtImported, address: str) -> KnownKey | Refused:
        found = await self.lookup.find(sought)
        if isinstance(found, KnownKey):
            return found
        if found is not Refusal.UNKNOWN_KEY:
            return Refused(found, retry_after_seconds=_RETRY_SECONDS)
        self.throttle.failed(address)
        return _nobodys(sought.sent, sought)

    def refused_state(self, known: KnownKey) -> Refused | None:
        """Why the key may not be used now, whatever for; None if it may."""
        if not self.freshness.is_trusted(known):
            return Refused(
                Refusal.STORE_UNAVAILABLE, key=known.key, retry_after_seconds=_RETRY_SECONDS
            )
        reason = state_refusal(known.key, self.clock.now(), self.terms.environment)
        return None if reason is None else Refused(reason, key=known.key)

    def refused_place(self, known: KnownKey, address: str, origin: str | None) -> Refused | None:
        """Why the key may not be used from this address and by this origin; None if it may."""
        if known.networks is not None and not known.networks.contains(address):
            return Refused(Refusal.IP_NOT_ALLOWED, key=known.key)
        # A request without an Origin is refused too: browsers leave it out where they trust
        # themselves, not where the key's owner does.
        if known.origins and (origin or "").lower() not in known.origins:
            return Refused(Refusal.ORIGIN_NOT_ALLOWED, key=known.key)
        return None

    def route(self, known: KnownKey, method: str, target: CanonicalTarget) -> Route | Refused:
        """The route, if the key may use it with this method."""
        key = known.key
        route = self.terms.routes.match(method, target)
        if route is None:
            return Refused(Refusal.NO_ROUTE, key=key)
        if isinstance(route, Ambiguous):
            return Refused(Refusal.BAD_REQUEST, key=key, hint=route.hint)
        if (route.name, method) in known.standing.allowed:
            return route
        reason = self._policy_refusal(known.standing, route, method)
        if reason is None:
            if method in METHODS:  # others are whatever callers choose
                known.standing.allowed.add((route.name, method))
            return route
        is_about_scopes = reason is Refusal.INSUFFICIENT_SCOPE
        scopes = self.terms.scopes.allowing(route.name, method) if is_about_scopes else ()
        return Refused(reason, key=key, route=route.name, scopes=scopes)

    def _policy_refusal(self, standing: Standing, route: Route, method: str) -> Refusal | None:
        if route.environment is not None and standing.environment is not route.environment:
            return Refusal.ENVIRONMENT_MISMATCH
        if route.plans and standing.plan not in route.plans:
            return Refusal.PLAN_REQUIRED
        if not self.terms.can_publish(standing.type, route.name, method):
            return Refusal.PUBLISHABLE_KEY
        if not standing.rights.allow(route.name, method):
            return Refusal.INSUFFICIENT_SCOPE
        return None

    def take(
        self, known: KnownKey, address: str, cost: int, *, is_critical: bool = False
    ) -> Grant | Waits[Grant | None]:
        """Take one request from the account's quota and tokens from every limit of the key, or nothing; the grant says.

        A cost of nothing only looks. What `is_critical` may pass though the quota is used up. None: the key was
        changed meanwhile, and is to be found and judged anew. Who was allowed ends it with `known.meter.ended`.
        """
        meter = known.meter
        # From memory, nearly always; the rest is the same said at length.
        if meter is None or not cost or meter.take(self.clock.monotonic()):
            buckets = known.buckets_for(address) if known.address_limits else known.buckets
            if not buckets:
                return _NO_LIMITS
            grant = self.limiter.take_nowait(buckets, cost)
            if grant is not None:
                if meter is not None and not grant.allowed and cost:
                    return self._given_back(meter, grant)
                return grant
            charged = meter if cost else None
            return Waits(partial(self._take, known, buckets, cost, charged, self.known.ticket()))
        return self._judge_quota(known, meter, address, cost, is_critical=is_critical)

    async def _take(
        self,
        known: KnownKey,
        buckets: Sequence[Bucket],
        cost: int,
        charged: Meter | None,
        ticket: int,
    ) -> Grant | None:
        try:
            grant = await self.limiter.take(buckets, cost)
        except BaseException:  # its caller has gone
            if charged is not None:
                charged.put_back()
            raise
        # Otherwise this worker has said meanwhile that it knows of a change.
        is_good = self.known.accepts(known.key, ticket)
        if charged is not None and not (is_good and grant.allowed):
            grant = self._given_back(charged, grant)
        return grant if is_good else None

    def _judge_quota(
        self, known: KnownKey, meter: Meter, address: str, cost: int, *, is_critical: bool
    ) -> Grant | Waits[Grant | None]:
        """What becomes of a request for which nothing is held."""
        now = self.clock.monotonic()
        ruling = meter.judge(now, is_critical=is_critical)
        if ruling is Ruling.REFUSE:
            return Grant(
                allowed=False,
                states=(),
                retry_after_seconds=_RETRY_SECONDS if meter.is_alone else meter.ends_at - now,
                violated=meter.used_up(),
                is_degraded=meter.is_degraded,
                is_over_quota=True,
                levels=meter.levels(now),
            )
        if ruling is Ruling.ASK:
            ticket = self.known.ticket()
            again = partial(self.take, known, address, cost, is_critical=is_critical)
            return Waits(partial(self._fill, known, meter, again, ticket))
        buckets = known.buckets_for(address)
        grant = self.limiter.take_nowait(buckets, cost) if buckets else _NO_LIMITS
        if grant is None:
            return Waits(partial(self._take, known, buckets, cost, meter, self.known.ticket()))
        return grant if grant.allowed else self._given_back(meter, grant)

    async def _fill(
        self,
        known: KnownKey,
        meter: Meter,
        again: Callable[[], Grant | Waits[Grant | None]],
        ticket: int,
    ) -> Grant | None:
        await self.quotas.fill(meter)
        if not self.known.accepts(known.key, ticket):
            return None
        grant = again()
        return await grant.resolve() if isinstance(grant, Waits) else grant

    def _given_back(self, meter: Meter, grant: Grant) -> Grant:
        meter.put_back()
        return grant._replace(levels=meter.levels(self.clock.monotonic()))

    def _judge(
        self,
        inquiry: Inquiry,
        target: CanonicalTarget,
        credential: Credential | Pair,
        known: KnownKey,
        route: Route | None = None,
    ) -> Decision:
        """For a caller who has proved to hold the secret; `route` is the request's, if that is known already."""
        refused = None
        is_good = known.good_from <= self.clock.now() < known.good_until
        if not (is_good and self.freshness.is_trusted(known)):
            refused = self.refused_state(known)
        if refused is None and (known.networks is not None or known.origins):
            refused = self.refused_place(known, inquiry.address, inquiry.origin)
        if refused is not None:
            return refused
        if route is None or (route.name, inquiry.method) not in known.standing.allowed:
            found = self.route(known, inquiry.method, target)
            if isinstance(found, Refused):
                return found
            route = found
            self._remember(inquiry, target, route)
        # Last, so that a request refused for another reason takes no tokens.
        grant = self.take(known, inquiry.address, route.cost, is_critical=route.is_critical)
        if isinstance(grant, Grant):
            if grant.allowed:
                return _made(Admitted, (known.key, route, target, grant, known))
            return limited(known, route, grant)
        request = _Request(inquiry, target, credential)
        return Waits(partial(self._finish, request, known, route, grant))

    def _remember(self, inquiry: Inquiry, target: CanonicalTarget, route: Route) -> None:
        """Short targets come again and again; only holders of keys get here."""
        sent = target.origin_form
        if sent.startswith("/") and len(sent) <= _TARGET_LENGTH_MAX and inquiry.method in METHODS:
            if len(self._read) >= _TARGETS_MAX:
                self._read.clear()
            self._read[inquiry.method, sent, inquiry.host] = (target, route)

    async def _finish(
        self, request: _Request, known: KnownKey, route: Route, waits: Waits[Grant | None]
    ) -> Admitted | Refused:
        grant = await waits.resolve()
        if grant is not None:
            if grant.allowed:
                return Admitted(known.key, route, request.target, grant, known)
            return limited(known, route, grant)
        found = self.find(request.credential, request.inquiry.address)
        return await self._resume(request, found)

    async def _resume(
        self, request: _Request, found: KnownKey | Refused | Waits[KnownKey | Refused]
    ) -> Admitted | Refused:
        if isinstance(found, Waits):
            found = await found.resolve()
        if isinstance(found, Refused):
            return found
        decision = self._judge(request.inquiry, request.target, request.credential, found)
        return await decision.resolve() if isinstance(decision, Waits) else decision


def _nobodys(credential: Credential | Pair, sought: Sought | SoughtImported | None) -> Refused:
    """What is told of a credential of no key. Of a text of any shape there is nothing more to say."""
    if isinstance(sought, Sought):
        return _UNKNOWN
    if isinstance(credential, Credential) and credential.is_api_key:
        return _HALF
    return _MALFORMED


def limited(known: KnownKey, route: Route | None, grant: Grant) -> Refused:
    """The refusal of a request to which a limit or a quota says no."""
    reason = Refusal.RATE_LIMITED
    if grant.is_over_quota:
        # Without both stores nobody can say that the quota is used up.
        is_unknown = grant.is_degraded and not grant.violated
        reason = Refusal.STORE_UNAVAILABLE if is_unknown else Refusal.QUOTA_EXCEEDED
    return Refused(
        reason,
        key=known.key,
        route=None if route is None else route.name,
        grant=grant,
        retry_after_seconds=grant.retry_after_seconds,
    )
