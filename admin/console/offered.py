"""What the configuration offers to an account: its scopes as boxes to tick, its plans."""

__all__ = ["offered_plans", "offered_scopes"]

from collections.abc import Sequence

from admin.console.page import Visit
from admin.console.words import ScopeWords, scope_words
from admin.core.caller import Role
from admin.wire.people import AccountDocument, PlanPage


async def offered_plans(visit: Visit) -> PlanPage:
    """Every plan and scope of the configuration."""
    return await visit.act("plans.list", PlanPage)


async def offered_scopes(visit: Visit, account_id: str) -> Sequence[ScopeWords]:
    """The scopes that this visitor may give to a key; an admin may give all.

    Whether they may is decided when the key is made: this only saves them from asking in vain.
    """
    offer = await offered_plans(visit)
    if visit.caller.role is Role.ADMIN or not account_id:
        return tuple(map(scope_words, offer.scopes))
    account = await visit.act("accounts.show", AccountDocument, ids={"account_id": account_id})
    plans = {plan.name: plan for plan in offer.plans}
    plan = plans.get(account.plan) or plans.get(offer.default_plan)
    of_plan = None if plan is None else plan.member_scopes
    own = visit.user.scopes
    return tuple(
        scope_words(scope)
        for scope in offer.scopes
        if (of_plan is None or scope.name in of_plan) and (own is None or scope.name in own)
    )
