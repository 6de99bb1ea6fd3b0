"""What the console shows of the gateway itself; the control plane knows how to find out."""

__all__ = ["Change", "Configured", "Overview", "Reload"]

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple


class Change(NamedTuple):
    """One setting that a reload would change; `is_fixed`: that only a restart can, so that a reload is refused."""

    name: str
    before: str
    after: str
    is_fixed: bool


@dataclass(frozen=True, slots=True)
class Reload:
    """What would come of a reload now: it would be refused for its `problems`, or make the `changes`."""

    problems: Sequence[str]
    changes: Sequence[Change]


@dataclass(frozen=True, slots=True)
class Configured:
    """The settings in force, by their names in the file; `file` is what a reload would read."""

    settings: Mapping[str, str]
    file: str


@dataclass(frozen=True, slots=True)
class Overview:
    """Each is asked anew for every page. `readiness` is the document of /readyz, `figures` are since the start."""

    readiness: Callable[[], Awaitable[Mapping[str, Any]]]
    figures: Callable[[], Awaitable[Mapping[str, float]]]
    configured: Callable[[], Configured]
    reload: Callable[[], Awaitable[Reload]]
