"""What a key may do under the present configuration, worked out once per key and not once per request."""

__all__ = ["KnownKey", "Terms"]

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gateway.core.addresses import Networks, throttle_name
from gateway.core.keys import Key, KeyType
from gateway.core.limits import Bucket, CountedPer, Limit
from gateway.core.scopes import Rights, ScopeTable


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key whose secret was proved, with everything that can be prepared for its next request.

    `checked_at` is the monotonic time before which its copy was read from a store; `is_confirmed` says
    that SQL itself was asked. `identity` are the field lines that tell the upstream who asks.
    """

    key: Key
    rights: Rights
    networks: Networks | None
    origins: frozenset[str]
    buckets: tuple[Bucket, ...]
    address_limits: tuple[Limit, ...]
    identity: tuple[tuple[str, str], ...]
    checked_at: float
    is_confirmed: bool

    def buckets_for(self, address: str) -> tuple[Bucket, ...]:
        """The buckets that a request from `address` draws on; the same tuple each time unless one counts addresses."""
        if not self.address_limits:
            return self.buckets
        name = throttle_name(address)
        account_id = self.key.account.id
        return self.buckets + tuple(
            Bucket(bucket_name(account_id, limit, name), limit) for limit in self.address_limits
        )


def bucket_name(account_id: str, limit: Limit, counted: str) -> str:
    """The braces are a Redis Cluster hash tag: all buckets of one request live on one node."""
    return f"{{{account_id}}}:{limit.name}:{counted}"


class Terms:
    """The configuration as far as it decides what a key may do."""

    def __init__(
        self,
        scopes: ScopeTable,
        route_names: Iterable[str],
        plans: Mapping[str, tuple[Limit, ...]],
        *,
        default_plan: str,
        publishable_scopes: Iterable[str] = (),
    ) -> None:
        """Plain values from the settings; `default_plan` stands in for a plan that the settings no longer name."""
        self.scopes = scopes
        self._route_names = tuple(route_names)
        self._plans = plans
        self._default_plan = default_plan
        self.publishable_rights = scopes.rights(tuple(publishable_scopes), self._route_names)

    def known(self, key: Key, *, checked_at: float, is_confirmed: bool) -> KnownKey:
        """Prepare `key`. Raises ValueError if its address list is unreadable (it was checked when written)."""
        limits = key.limits or self._plan_limits(key.account.plan)
        return KnownKey(
            key=key,
            rights=self.scopes.rights(key.scopes, self._route_names),
            networks=Networks(key.addresses) if key.addresses else None,
            origins=frozenset(origin.lower().rstrip("/") for origin in key.origins),
            buckets=tuple(
                Bucket(bucket_name(key.account.id, limit, _counted(key, limit)), limit)
                for limit in limits
                if limit.per is not CountedPer.ADDRESS
            ),
            address_limits=tuple(limit for limit in limits if limit.per is CountedPer.ADDRESS),
            identity=_identity(key),
            checked_at=checked_at,
            is_confirmed=is_confirmed,
        )

    def publishes(self, key: Key, route: str, method: str) -> bool:
        """Whether a key of this type may do this at all, whatever its scopes."""
        return key.type is not KeyType.PUBLISHABLE or self.publishable_rights.allow(route, method)

    def _plan_limits(self, plan: str) -> tuple[Limit, ...]:
        # A plan that left the configuration must not turn its accounts unlimited.
        limits = self._plans.get(plan)
        return self._plans[self._default_plan] if limits is None else limits


def _counted(key: Key, limit: Limit) -> str:
    return key.id if limit.per is CountedPer.KEY else "account"


def _identity(key: Key) -> tuple[tuple[str, str], ...]:
    return (
        ("X-Keywright-Key-Id", key.id),
        ("X-Keywright-Account", key.account.id),
        ("X-Keywright-Scopes", " ".join(key.scopes)),
        ("X-Keywright-Environment", key.environment.value),
    )
