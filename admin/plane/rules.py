"""What the configuration says, as the services want to be told it."""

__all__ = ["account_rules", "kept_sums", "key_rules", "offered", "transfer_rules"]

from collections.abc import Mapping

from admin.core.span import Step
from admin.services.accounts import AccountRules
from admin.services.keys import KeyRules
from admin.services.plans import Plan, Plans, Scope, ScopeRule
from admin.services.transfer import TransferRules
from gateway.app.policy import plan_quota
from gateway.core.limits import Limit
from gateway.settings import Settings


def offered(settings: Settings) -> Plans:
    """The plans and scopes that there are to choose from."""
    plans = tuple(
        Plan(
            name=name,
            limits=tuple(
                Limit(limit.name, limit.quota, limit.window_seconds, limit.per)
                for limit in plan.limits
            ),
            member_scopes=plan.member_scopes,
            quota=plan_quota(plan),
            alerts=plan.alerts,
        )
        for name, plan in settings.plans.items()
    )
    scopes = tuple(
        Scope(name, tuple(ScopeRule(rule.methods, rule.routes) for rule in rules))
        for name, rules in settings.scopes.items()
    )
    return Plans(plans, scopes, settings.accounts.default_plan)


def key_rules(settings: Settings) -> KeyRules:
    """What the configuration says about keys."""
    return KeyRules(
        settings.scopes,
        settings.keys.vendor_prefix,
        {name: plan.member_scopes for name, plan in settings.plans.items()},
        settings.accounts.default_plan,
        secret_keys_by_members=settings.keys.secret_keys_by == "members",  # noqa: S105 -- a word for who
        rotation_due_after_seconds=settings.keys.rotation_due_after_seconds,
        retire_unused_after_seconds=settings.keys.retire_unused_after_seconds,
    )


def account_rules(settings: Settings) -> AccountRules:
    """What the configuration says about accounts."""
    return AccountRules(
        settings.plans, settings.accounts.default_plan, settings.accounts.default_api_access
    )


def transfer_rules(settings: Settings) -> TransferRules:
    """What the configuration says about keys that were made elsewhere."""
    return TransferRules(
        settings.scopes,
        account_rules(settings),
        settings.keys.vendor_prefix,
        settings.keys.accept_imported,
    )


def kept_sums(settings: Settings) -> Mapping[Step, float]:
    """For how many seconds sums of usage are kept, by their step."""
    return {
        "minute": settings.usage.keep_minutes_seconds,
        "hour": settings.usage.keep_hours_seconds,
        "day": settings.usage.keep_days_seconds,
    }
