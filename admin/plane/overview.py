"""The gateway as a whole, for the console: how it is, what it counts, how it is configured, what a reload would do."""

__all__ = ["Source", "overview_of"]

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from admin.console.overview import Change, Configured, Overview, Reload
from admin.plane.exposition import Family, read
from admin.plane.gathering import Gatherer
from gateway.settings import Settings, entries, fixed_changes
from gateway.settings import read as read_settings

_NONE: Final = "not there"
# Families whose series are added up to one figure; of the others the highest counts.
_SUMS: Final = (
    "keywright_requests_total",
    "keywright_usage_lost_total",
    "keywright_usage_damaged_total",
)
_HIGHEST: Final = ("keywright_usage_lag_seconds", "keywright_event_loop_lag_seconds")
_REVOCATIONS: Final = "keywright_revocation_seconds"


@dataclass(frozen=True, slots=True)
class Source:
    """What a reload reads: a file (None: the built-in defaults) under environment variables."""

    file: Path | None
    variables: Mapping[str, str]


def overview_of(settings: Settings, gatherer: Gatherer, source: Source | None) -> Overview:
    """What there is to know; without `source` there is nothing to reload from."""
    known = Source(None, {}) if source is None else source
    file = "the built-in defaults" if known.file is None else str(known.file)
    return Overview(
        readiness=partial(_readiness, gatherer),
        figures=partial(_figures, gatherer),
        configured=lambda: Configured(entries(settings), file),
        reload=partial(asyncio.to_thread, _reload, settings, known),
    )


async def _readiness(gatherer: Gatherer) -> Mapping[str, Any]:
    _, document = await gatherer.readiness()
    return document


async def _figures(gatherer: Gatherer) -> Mapping[str, float]:
    text = (await gatherer.metrics()).decode()
    return await asyncio.to_thread(lambda: _counted(read(text)))


def _counted(families: Iterable[Family]) -> dict[str, float]:
    """Figures by name; what no process has is left out."""
    found: dict[str, float] = {}
    for one in families:
        values = _of_histogram(one) if one.name == _REVOCATIONS else one.values
        if one.name in _SUMS and values:
            found[one.name] = sum(values.values())
        elif one.name in _HIGHEST and values:
            found[one.name] = max(values.values())
        elif one.name == _REVOCATIONS and values:
            found |= values
    return found


def _of_histogram(family: Family) -> dict[str, float]:
    """How many there were, and how long all of them took together."""
    count = sum(v for name, v in family.values.items() if name.startswith(f"{family.name}_count"))
    total = sum(v for name, v in family.values.items() if name.startswith(f"{family.name}_sum"))
    return {f"{family.name}_count": count, f"{family.name}_sum": total}


def _reload(settings: Settings, source: Source) -> Reload:
    """Blocks: reads the file, and all that it refers to."""
    reading = read_settings(source.file, source.variables, to_serve=True)
    if reading.settings is None:
        return Reload(tuple(map(str, reading.problems)), ())
    before, after = entries(settings), entries(reading.settings)
    fixed = fixed_changes(settings, reading.settings)
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    # Of a secret nobody is told what it was; that it is another one is all there is to say.
    hidden = [name for name in fixed if name not in names]
    changes = [
        Change(name, before.get(name, _NONE), after.get(name, _NONE), is_fixed=name in fixed)
        for name in (*names, *hidden)
    ]
    problems = [f"{name} cannot change by a reload: stop and start the gateway." for name in fixed]
    return Reload(problems, changes)
