"""Quotas, as the configuration wants them."""

__all__ = ["plan_quotas", "quota_service"]

from sqlalchemy.ext.asyncio import AsyncEngine

from admin.core.plan_quotas import PlanQuotas
from admin.services.enforcing import Enforcement
from admin.services.quotas import QuotaService
from admin.services.repeats import Repeats
from admin.stores.quotas import QuotaStore
from gateway.app.policy import plan_quota
from gateway.ports import Clock
from gateway.settings import Settings
from gateway.stores.quota_view import QuotaView
from gateway.stores.redis_client import RedisStore
from gateway.stores.sql_usage_totals import SqlUsageTotals


def plan_quotas(settings: Settings) -> PlanQuotas:
    """What plans allow."""
    found = {name: plan_quota(plan) for name, plan in settings.plans.items()}
    return PlanQuotas(
        {name: quota for name, quota in found.items() if quota is not None},
        settings.accounts.default_plan,
        settings.plans,
    )


def quota_service(  # noqa: PLR0913, PLR0917 -- one parameter for each part
    settings: Settings,
    engine: AsyncEngine,
    redis: RedisStore,
    enforcement: Enforcement,
    repeats: Repeats,
    clock: Clock,
) -> QuotaService:
    """What is told of quotas, and changed in them."""
    return QuotaService(
        QuotaStore(engine),
        QuotaView(redis),
        SqlUsageTotals(engine),
        enforcement,
        repeats,
        clock,
        plan_quotas(settings),
    )
