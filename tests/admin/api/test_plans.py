"""Plans as they are told to programs and people."""

from admin.cli.people_words import plan_row
from admin.operations.records import plan_document
from admin.plane.rules import offered
from admin.wire.people import PlanPage
from gateway.settings import Settings
from tests.admin.api.stand import Api

PLANS = {
    "free": {"limits": []},
    "short": {"limits": [], "monthly_quota": 500},
    "whole": {"limits": [], "quota": {"requests": 500, "bytes": "50GiB", "at_limit": "soft"}},
    "bytes": {"limits": [], "quota": {"bytes": "1GiB"}},
}


def test_the_whole_quota_of_a_plan_is_told() -> None:
    """Requests, bytes and what happens beyond them, however the configuration says it."""
    settings = Settings.model_validate({"plans": PLANS, "accounts": {"default_plan": "free"}})
    plans = tuple(map(plan_document, offered(settings).plans))
    page = PlanPage(plans=plans, scopes=(), default_plan="free")
    told = {
        plan.name: (
            plan.monthly_quota,
            plan.quota and (plan.quota.requests, plan.quota.bytes, plan.quota.at_limit),
            plan_row(plan, page)["monthly quota"],
        )
        for plan in plans
    }

    assert told == {
        "free": (None, None, "none"),
        "short": (500, (500, None, "refuse"), "500"),
        "whole": (500, (500, 50 << 30, "soft"), "500 and 50.0 GiB, soft"),
        "bytes": (None, (None, 1 << 30, "refuse"), "1.0 GiB"),
    }


async def test_plans_are_listed_with_their_quota(api: Api) -> None:
    """As the documentation of the API shows it."""
    answer = await api.ask("GET", "/v1/plans")
    quotas = {plan["name"]: plan["quota"] for plan in answer.json()["plans"]}

    assert quotas["starter"] == {"requests": 1_000_000, "bytes": None, "at_limit": "refuse"}
    assert quotas["large"] is None
