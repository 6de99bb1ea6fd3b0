"""What the configuration offers: plans and scopes."""

__all__ = ["Plan", "PlanService", "Plans", "Scope", "ScopeRule"]

from dataclasses import dataclass
from typing import NamedTuple

from admin.core.caller import Caller, Permission
from gateway.core.limits import Limit
from gateway.core.quota import Quota


@dataclass(frozen=True, slots=True)
class Plan:
    """What an account on it may use; `member_scopes` None: all. Without a quota there is no end to a month's use.

    Alerts are percents of the monthly quota, None: those of the installation.
    """

    name: str
    limits: tuple[Limit, ...]
    member_scopes: tuple[str, ...] | None = None
    quota: Quota | None = None
    alerts: tuple[int, ...] | None = None


class ScopeRule(NamedTuple):
    """These methods on these routes; None: not restricted."""

    methods: tuple[str, ...] | None
    routes: tuple[str, ...] | None


class Scope(NamedTuple):
    """What a key with it may do: whatever one of the rules allows."""

    name: str
    rules: tuple[ScopeRule, ...]


@dataclass(frozen=True, slots=True)
class Plans:
    """All that there is to choose from."""

    plans: tuple[Plan, ...]
    scopes: tuple[Scope, ...]
    default_plan: str


class PlanService:
    """Tells what was configured when the process started. Raises NotAllowed."""

    def __init__(self, offered: Plans) -> None:
        """`offered` is what the configuration names."""
        self._offered = offered

    async def list(self, caller: Caller) -> Plans:
        """Every plan and scope."""
        caller.require(Permission.PLANS_READ)
        return self._offered
