"""The picture of a run: what a request costs, what it costs when one thing is changed, and the time that is added."""

__all__ = ["chart"]

from collections.abc import Sequence
from typing import Final

from bench.comparison.figures import Samples
from bench.comparison.plan import CENTRAL, GATEWAY, Part, Series
from bench.comparison.subjects import DIRECT
from bench.comparison.svg import Bar, Group, Panel, render

_OURS: Final = "#0b7285"
_THEIRS: Final = "#9aa5b1"
_OTHERS: Final = ("#9aa5b1", "#d9a441", "#b98bc9", "#7fb37a")
_P50, _P99 = "p50", "p99"
_PERCENTILES: Final = {_P50: "#0b7285", _P99: "#8fc9d4"}
_UNIT: Final = "microseconds of processor time for a request: less is better"


def chart(samples: Samples, plan: Sequence[Series], captions: Sequence[str]) -> str:
    """An SVG file."""
    panels = (_side_by_side(samples), _variations(samples, plan), _added(samples))
    return render("Keywright beside its peers", captions, panels)


def _side_by_side(samples: Samples) -> Panel:
    case = CENTRAL.name
    names = [name for name in samples.subjects(case) if name != DIRECT]
    groups = [Group(name, [Bar(name, samples.median(case, name, "cpu_us"))]) for name in names]
    groups.sort(key=lambda group: group.bars[0].value or 0.0)
    colours = {name: _OURS if name.startswith(GATEWAY) else _THEIRS for name in names}
    # Each has one bar, with its name beside it: there is nothing for a legend to explain.
    return Panel(f"Side by side ({case})", _UNIT, groups, colours, has_legend=False)


def _variations(samples: Samples, plan: Sequence[Series]) -> Panel:
    cases = [each.case.name for each in plan if each.part is Part.VARIATIONS]
    names = list(dict.fromkeys(name for case in cases for name in samples.subjects(case)))
    labels = {CENTRAL.name: "nothing changed"} | {case: case for case in cases}
    groups = [
        Group(label, [Bar(name, samples.median(case, name, "cpu_us")) for name in names])
        for case, label in labels.items()
    ]
    others = zip((name for name in names if name != GATEWAY), _OTHERS, strict=False)
    return Panel("One thing changed at a time", _UNIT, groups, {GATEWAY: _OURS} | dict(others))


def _added(samples: Samples) -> Panel:
    case = CENTRAL.name

    def bar(name: str, kind: str) -> Bar:
        value = samples.difference(case, name, DIRECT, f"paced_{kind}_us")
        return Bar(kind, None if value is None else max(0.0, value))

    names = [name for name in samples.subjects(case) if name != DIRECT]
    groups = [Group(name, [bar(name, _P50), bar(name, _P99)]) for name in names]
    unit = "microseconds more than without a proxy: less is better"
    return Panel("Added latency at a fixed rate", unit, groups, _PERCENTILES)
