"""What an account wants to be told: the installation's and the plan's defaults, and what it chose itself."""

__all__ = ["THRESHOLDS_MAX", "THRESHOLD_MAX", "Choice", "Defaults", "Wishes", "wishes"]

from collections.abc import Mapping
from dataclasses import dataclass, field

from admin.core.alerts.kinds import AlertKind

# An account may pass its quota where that is configured to be no limit.
THRESHOLD_MAX = 1000
THRESHOLDS_MAX = 20


@dataclass(frozen=True, slots=True)
class Defaults:
    """What the configuration says: thresholds in percent, by plan where that has its own, and which kinds are off."""

    thresholds: tuple[int, ...] = (75, 90, 100)
    of_plans: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    off: frozenset[AlertKind] = frozenset()


@dataclass(frozen=True, slots=True)
class Choice:
    """What an account chose; `thresholds` None: the default ones. `switches` only holds what it has decided on."""

    thresholds: tuple[int, ...] | None = None
    switches: Mapping[AlertKind, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What counts for an account."""

    thresholds: tuple[int, ...]
    off: frozenset[AlertKind] = frozenset()


def wishes(defaults: Defaults, plan: str, choice: Choice) -> Wishes:
    """What counts for an account on `plan`."""
    default = defaults.of_plans.get(plan, defaults.thresholds)
    off = {kind for kind in AlertKind if not choice.switches.get(kind, kind not in defaults.off)}
    chosen = default if choice.thresholds is None else choice.thresholds
    return Wishes(tuple(sorted(set(chosen))), frozenset(off))
