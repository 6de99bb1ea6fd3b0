"""What a key may do under the present configuration, worked out once per key and not once per request."""

__all__ = ["KnownKey", "Terms", "identity_fields"]

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.core.addresses import Networks, throttle_name
from gateway.core.headers import Lines, TextField
from gateway.core.keys import Environment, Key, KeyType, narrowed
from gateway.core.limits import Bucket, CountedPer, Limit
from gateway.core.routes import RouteTable
from gateway.core.scopes import Rights, ScopeTable


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key whose secret was proved, with everything that can be prepared for its next request.

    `checked_at` is the monotonic time just before its copy was read from a store; `identity` are the
    field lines that tell the upstream who asks; `plan` is one that the configuration names; `scopes`
    are what its owner and the plan leave of the key's.
    """

    key: Key
    plan: str
    scopes: tuple[str, ...]
    rights: Rights
    networks: Networks | None
    origins: frozenset[str]
    buckets: tuple[Bucket, ...]
    address_limits: tuple[Limit, ...]
    identity: Lines
    checked_at: float

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
    is not in it, or has None there, offers all.
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
    _publishable: Rights = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Compile what a publishable key can do at most."""
        publishable = self.scopes.rights(self.publishable_scopes, self.routes.names)
        object.__setattr__(self, "_publishable", publishable)

    def known(self, key: Key, checked_at: float) -> KnownKey:
        """Prepare `key`. Raises ValueError if its address list is unreadable (it is checked when written)."""
        # A plan that left the configuration must not turn its accounts unlimited.
        plan = key.account.plan if key.account.plan in self.plans else self.default_plan
        limits = key.limits or self.plans[plan]
        scopes = narrowed(key.scopes, key.owner, self.member_scopes.get(plan))
        return KnownKey(
            key=key,
            plan=plan,
            scopes=scopes,
            rights=self.scopes.rights(scopes, self.routes.names),
            networks=Networks(key.addresses) if key.addresses else None,
            origins=frozenset(origin.lower().rstrip("/") for origin in key.origins),
            buckets=tuple(
                Bucket(_bucket_name(key.account.id, limit, _counted(key, limit)), limit)
                for limit in limits
                if limit.per is not CountedPer.ADDRESS
            ),
            address_limits=tuple(limit for limit in limits if limit.per is CountedPer.ADDRESS),
            identity=Lines.of(identity_fields(key, scopes)),
            checked_at=checked_at,
        )

    def can_publish(self, key: Key, route: str, method: str) -> bool:
        """False if a publishable key can never do this, whatever its scopes."""
        return key.type is not KeyType.PUBLISHABLE or self._publishable.allow(route, method)


def _bucket_name(account_id: str, limit: Limit, counted: str) -> str:
    # The braces are a Redis Cluster hash tag: all buckets of one request live on one node.
    return f"{{{account_id}}}:{limit.name}:{counted}"


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
