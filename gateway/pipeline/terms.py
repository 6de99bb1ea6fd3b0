"""What a key may do under the present configuration, worked out once per key and not once per request."""

__all__ = ["KnownKey", "Standing", "Terms", "identity_fields"]

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

from gateway.core.addresses import Networks, throttle_name
from gateway.core.headers import Lines, TextField, lines_of
from gateway.core.key_state import good_span
from gateway.core.keys import Environment, Key, KeyType, narrowed
from gateway.core.limits import Bucket, CountedPer, Limit
from gateway.core.meter import Meter
from gateway.core.meters import Meters
from gateway.core.problem import Policies
from gateway.core.quota import Quota
from gateway.core.routes import RouteTable
from gateway.core.scopes import Rights, ScopeTable

_Place = TypeVar("_Place")
_Shared = TypeVar("_Shared")

# Standings, and sets of limits, that are kept for the keys to come: few of each are ever different.
_SHARED_MAX: Final = 4096
# One for all: an empty set takes as much as a full one.
_NO_ORIGINS: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Standing:
    """What all keys of one type, environment, plan and set of scopes may do.

    `allowed` are the routes and methods that were found to be allowed: admission asks here first.
    """

    type: KeyType
    environment: Environment
    plan: str
    rights: Rights
    allowed: set[tuple[str, str]] = field(default_factory=set, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key whose secret was proved, with everything that can be prepared for its next request.

    `checked_at` is the monotonic time just before its copy was read from a store; `identity` are the
    field lines that tell the upstream who asks; the plan of its `standing` is one that the configuration names;
    `scopes` are what its owner and the plan leave of the key's. The key itself is no reason to refuse from
    `good_from` on until `good_until` (seconds since the epoch, the last not included). `meter` counts what its account
    uses of its quota, None if it has none.
    """

    key: Key
    scopes: tuple[str, ...]
    standing: Standing
    networks: Networks | None
    origins: frozenset[str]
    buckets: tuple[Bucket, ...]
    address_limits: tuple[Limit, ...]
    policies: Policies
    identity: Lines
    good_from: float
    good_until: float
    checked_at: float
    meter: Meter | None = None

    @property
    def plan(self) -> str:
        """The plan that it has here."""
        return self.standing.plan

    def buckets_for(self, address: str) -> tuple[Bucket, ...]:
        """What a request from `address` draws on; the same tuple each time unless a limit counts addresses."""
        if not self.address_limits:
            return self.buckets
        counted = throttle_name(address)
        account_id = self.key.account.id
        return self.buckets + tuple(
            Bucket(_bucket_name(account_id, limit, counted), limit) for limit in self.address_limits
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The configuration as far as it decides what a key may do.

    `default_plan` must be one of `plans`; it stands in for a plan that the configuration no longer
    names. `environment` is the one that this listener serves, None for both. `vendor` stands first
    in every token, if it is not empty. `query_parameters` may carry a key; `accepts_imported` says that keys may be
    values made elsewhere. `member_scopes` are what a plan offers to members; a plan that
    is not in it, or has None there, offers all. `quotas` are those of the plans that have one, and `meters` count them.
    """

    routes: RouteTable
    scopes: ScopeTable
    plans: Mapping[str, tuple[Limit, ...]]
    default_plan: str
    publishable_scopes: tuple[str, ...] = ()
    environment: Environment | None = None
    vendor: str = ""
    query_parameters: frozenset[str] = frozenset()
    accepts_imported: bool = False
    member_scopes: Mapping[str, tuple[str, ...] | None] = field(default_factory=dict)
    quotas: Mapping[str, Quota] = field(default_factory=dict)
    meters: Meters = field(default_factory=Meters, repr=False, compare=False)
    _publishable: Rights = field(init=False, repr=False)
    _standings: dict[tuple[KeyType, Environment, str, tuple[str, ...]], Standing] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _policies: dict[tuple[Limit, ...], Policies] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        """Compile what a publishable key can do at most."""
        publishable = self.scopes.rights(self.publishable_scopes, self.routes.names)
        object.__setattr__(self, "_publishable", publishable)

    def known(self, key: Key, checked_at: float) -> KnownKey:
        """Prepare `key`. Raises ValueError if its address list is unreadable (it is checked when written)."""
        # A plan that left the configuration must not turn its accounts unlimited.
        plan = key.account.plan if key.account.plan in self.plans else self.default_plan
        limits = key.limits or self.plans[plan]
        quota = self.quotas.get(plan)
        scopes = narrowed(key.scopes, key.owner, self.member_scopes.get(plan))
        counted = tuple(limit for limit in limits if limit.per is not CountedPer.ADDRESS)
        address_limits = tuple(limit for limit in limits if limit.per is CountedPer.ADDRESS)
        good_from, good_until = good_span(key, self.environment)
        return KnownKey(
            key=key,
            scopes=scopes,
            standing=self._standing(key, plan, scopes),
            networks=Networks(key.addresses) if key.addresses else None,
            origins=_origins(key) if key.origins else _NO_ORIGINS,
            buckets=tuple(
                Bucket(_bucket_name(key.account.id, limit, _counted(key, limit)), limit)
                for limit in counted
            ),
            address_limits=address_limits,
            policies=self._policies_of(counted + address_limits),
            identity=lines_of(identity_fields(key, scopes)),
            good_from=good_from,
            good_until=good_until,
            checked_at=checked_at,
            meter=None if quota is None else self.meters.of(key.account.id, quota),
        )

    def _standing(self, key: Key, plan: str, scopes: tuple[str, ...]) -> Standing:
        place = (key.type, key.environment, plan, scopes)
        found = self._standings.get(place)
        if found is None:
            rights = self.scopes.rights(scopes, self.routes.names)
            found = Standing(key.type, key.environment, plan, rights)
            _keep(self._standings, place, found)
        return found

    def _policies_of(self, limits: tuple[Limit, ...]) -> Policies:
        found = self._policies.get(limits)
        if found is None:
            found = Policies(limits)
            _keep(self._policies, limits, found)
        return found

    def can_publish(self, kind: KeyType, route: str, method: str) -> bool:
        """False if a publishable key can never do this, whatever its scopes."""
        return kind is not KeyType.PUBLISHABLE or self._publishable.allow(route, method)


def _keep(shared: dict[_Place, _Shared], place: _Place, made: _Shared) -> None:
    if len(shared) >= _SHARED_MAX:
        shared.clear()
    shared[place] = made


def _bucket_name(account_id: str, limit: Limit, counted: str) -> str:
    # The braces are a Redis Cluster hash tag: all buckets of one request live on one node.
    return f"{{{account_id}}}:{limit.name}:{counted}"


def _origins(key: Key) -> frozenset[str]:
    return frozenset(origin.lower().rstrip("/") for origin in key.origins)


def _counted(key: Key, limit: Limit) -> str:
    return key.id if limit.per is CountedPer.KEY else "account"


def identity_fields(key: Key, scopes: tuple[str, ...]) -> tuple[TextField, ...]:
    """Who asks, as the upstream is told; `scopes` are those that are left of the key's."""
    return (
        ("X-Keywright-Key-Id", key.id),
        ("X-Keywright-Account", key.account.id),
        ("X-Keywright-Scopes", " ".join(scopes)),
        ("X-Keywright-Environment", key.environment.value),
    )
