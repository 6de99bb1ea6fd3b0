"""What a plan allows in a month, also when the configuration does not name the plan any more."""

__all__ = ["PlanQuotas"]

from collections.abc import Collection, Mapping

from gateway.core.quota import Quota


class PlanQuotas:
    """The plans' quotas, one way to read them for all who do: as workers do."""

    def __init__(
        self, quotas: Mapping[str, Quota], default_plan: str, plans: Collection[str]
    ) -> None:
        """`quotas` are those of the plans that have one; `plans` are all that the configuration names."""
        self._quotas = quotas
        self._default_plan = default_plan
        self._plans = frozenset(plans)

    def of(self, plan: str) -> Quota | None:
        """The quota of accounts on this plan; None for any amount."""
        return self._quotas.get(plan if plan in self._plans else self._default_plan)
