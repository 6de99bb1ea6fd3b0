"""What accounts may use in the present month: what their plans say, and what is allowed on top of that."""

__all__ = ["AlertQuotas", "Limit"]

from collections.abc import Mapping
from typing import NamedTuple

from admin.core.plan_quotas import PlanQuotas
from admin.stores.quotas import QuotaStore
from gateway.core.quota import NO_EXTRA, Extra, Quota


class Limit(NamedTuple):
    """Requests, and bytes both ways; None is any number."""

    requests: int | None = None
    bytes: int | None = None


class AlertQuotas:
    """Raises StoreError when the database cannot answer."""

    def __init__(self, store: QuotaStore, of_plans: PlanQuotas) -> None:
        """`store` has what is allowed on top."""
        self._store = store
        self._of_plans = of_plans

    async def of(self, plans: Mapping[str, str], now: float) -> Mapping[str, Limit]:
        """The quotas of these accounts, by their ids, from the names of their plans; those without are left out."""
        quotas = {
            id_: quota
            for id_, name in plans.items()
            if (quota := self._of_plans.of(name)) is not None
        }
        extras = await self._store.extras(sorted(quotas), now)
        return {id_: _sum(quota, extras.get(id_, NO_EXTRA)) for id_, quota in quotas.items()}


def _sum(quota: Quota, extra: Extra) -> Limit:
    return Limit(
        None if quota.requests is None else quota.requests + extra.requests,
        None if quota.bytes is None else quota.bytes + extra.bytes,
    )
