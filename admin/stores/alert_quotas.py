"""What accounts may use in the present month: what their plans say, and what is allowed on top of that."""

__all__ = ["AlertQuotas", "Limit"]

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.stores.quota_tables import quota_raises
from gateway.stores.sql_engine import read_rows
from gateway.stores.tables import to_us


class Limit(NamedTuple):
    """Requests, and bytes both ways; None is any number."""

    requests: int | None = None
    bytes: int | None = None


class AlertQuotas:
    """Raises StoreError when the database cannot answer."""

    def __init__(self, engine: AsyncEngine, of_plans: Mapping[str, Limit]) -> None:
        """`of_plans` are the plans' own quotas, by their names."""
        self._engine = engine
        self._of_plans = of_plans

    async def of(self, plans: Mapping[str, str], now: float) -> Mapping[str, Limit]:
        """The quotas of these accounts, by their ids, from the names of their plans; those without are left out."""
        limits = {
            id_: limit
            for id_, name in plans.items()
            if (limit := self._of_plans.get(name, Limit())) != Limit()
        }
        if not limits:
            return {}
        raises = quota_raises.c
        rows = await read_rows(
            self._engine,
            "read raised quotas",
            select(
                raises.account_id,
                func.sum(raises.requests).label("requests"),
                func.sum(raises.bytes).label("bytes"),
            )
            .where(
                raises.account_id.in_(sorted(limits)),
                raises.until_us > to_us(now),
                raises.ended_us.is_(None),
            )
            .group_by(raises.account_id),
        )
        # PostgreSQL sums whole numbers up to a decimal.
        extra = {row.account_id: Limit(int(row.requests), int(row.bytes)) for row in rows}
        return {id_: _sum(limit, extra.get(id_, Limit())) for id_, limit in limits.items()}


def _sum(limit: Limit, extra: Limit) -> Limit:
    return Limit(
        None if limit.requests is None else limit.requests + (extra.requests or 0),
        None if limit.bytes is None else limit.bytes + (extra.bytes or 0),
    )
