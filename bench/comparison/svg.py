"""Bars as SVG: panels below one another, each with its own scale, every bar with its value beside it."""

__all__ = ["Bar", "Group", "Panel", "render"]

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple
from xml.sax.saxutils import escape

_WIDTH: Final = 920
_MARGIN: Final = 24
_NAMES_WIDTH: Final = 220
_VALUES_WIDTH: Final = 70
_BAR_HEIGHT: Final = 16
_BAR_GAP: Final = 3
_GROUP_GAP: Final = 10
_PANEL_HEAD: Final = 58
_PANEL_FOOT: Final = 34
_TICKS: Final = 5
_LEGEND_GAP: Final = 36
# About as wide as one is on average in the small words.
_LETTER_WIDTH: Final = 6.6
# A background and dark words of its own: it is read on light pages and on dark ones.
_STYLE: Final = """\
text { font: 13px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: #1f2933; }
.title { font-size: 20px; font-weight: 600; }
.panel { font-size: 15px; font-weight: 600; }
.small { font-size: 12px; fill: #52606d; }
.name, .value { dominant-baseline: central; }
.name { text-anchor: end; }
.tick { text-anchor: middle; font-size: 12px; fill: #52606d; }
.grid { stroke: #e4e7eb; }
"""


class Bar(NamedTuple):
    """`kind` is what its colour stands for; a value of None is not drawn."""

    kind: str
    value: float | None


class Group(NamedTuple):
    """Bars that belong to one name."""

    name: str
    bars: Sequence[Bar]


class Panel(NamedTuple):
    """`colours` by kind, which a legend explains."""

    title: str
    unit: str
    groups: Sequence[Group]
    colours: Mapping[str, str]
    has_legend: bool = True


def render(title: str, captions: Sequence[str], panels: Sequence[Panel]) -> str:
    """The whole file. Panels without a value are left out."""
    shown = [panel for panel in panels if _largest(panel) > 0]
    parts: list[str] = []
    top = _MARGIN + 24.0
    parts.append(_text(_MARGIN, top, title, "title"))
    for caption in captions:
        top += 20
        parts.append(_text(_MARGIN, top, caption, "small"))
    top += 16
    for panel in shown:
        parts.extend(_panel(panel, top))
        top += _height(panel)
    height = top + _MARGIN / 2
    described = "; ".join(f"{panel.title} ({panel.unit})" for panel in shown)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:.0f}"'
        f' width="{_WIDTH}" height="{height:.0f}" role="img">'
    )
    return "\n".join(
        (
            head,
            f"<title>{escape(title)}</title>",
            f"<desc>{escape(described)}</desc>",
            f"<style>\n{_STYLE}</style>",
            '<rect width="100%" height="100%" rx="8" fill="#ffffff"/>',
            *parts,
            "</svg>\n",
        )
    )


def _panel(panel: Panel, top: float) -> Iterator[str]:
    yield _text(_MARGIN, top + 24, panel.title, "panel")
    yield _text(_MARGIN, top + 44, panel.unit, "small")
    if panel.has_legend:
        yield from _legend(panel, top + 44)
    yield from _axis(panel, top + _PANEL_HEAD, top + _height(panel) - _PANEL_FOOT)
    y = top + _PANEL_HEAD
    for group in panel.groups:
        bars = [bar for bar in group.bars if bar.value is not None]
        y += _GROUP_GAP / 2
        middle = y + (len(bars) * (_BAR_HEIGHT + _BAR_GAP) - _BAR_GAP) / 2
        if bars:
            yield _text(_MARGIN + _NAMES_WIDTH - 8, middle, group.name, "name")
        for bar in bars:
            yield from _bar(panel, bar, y)
            y += _BAR_HEIGHT + _BAR_GAP
        y += _GROUP_GAP / 2


def _bar(panel: Panel, bar: Bar, y: float) -> Iterator[str]:
    value = bar.value or 0.0
    left = _MARGIN + _NAMES_WIDTH
    width = max(1.0, _room() * value / _scale(panel)[-1])
    yield (
        f'<rect x="{left}" y="{y:.1f}" width="{width:.1f}" height="{_BAR_HEIGHT}" rx="2"'
        f' fill="{panel.colours[bar.kind]}"/>'
    )
    yield _text(left + width + 6, y + _BAR_HEIGHT / 2, _number(value), "value")


def _legend(panel: Panel, y: float) -> Iterator[str]:
    """To the right, so that its end is the panel's."""
    kinds = list(dict.fromkeys(bar.kind for group in panel.groups for bar in group.bars))
    widths = [_LEGEND_GAP + _LETTER_WIDTH * len(kind) for kind in kinds]
    x = _WIDTH - _MARGIN - sum(widths)
    for kind, width in zip(kinds, widths, strict=True):
        yield (
            f'<rect x="{x:.0f}" y="{y - 10:.1f}" width="12" height="12"'
            f' fill="{panel.colours[kind]}"/>'
        )
        yield _text(x + 17, y, kind, "small")
        x += width


def _axis(panel: Panel, top: float, bottom: float) -> Iterator[str]:
    scale = _scale(panel)
    for tick in scale:
        x = _MARGIN + _NAMES_WIDTH + _room() * tick / scale[-1]
        yield f'<line class="grid" x1="{x:.1f}" y1="{top:.1f}" x2="{x:.1f}" y2="{bottom:.1f}"/>'
        yield _text(x, bottom + 16, _number(tick), "tick")


def _room() -> float:
    return float(_WIDTH - 2 * _MARGIN - _NAMES_WIDTH - _VALUES_WIDTH)


def _height(panel: Panel) -> float:
    bars = sum(bar.value is not None for group in panel.groups for bar in group.bars)
    groups = len(panel.groups) * (_GROUP_GAP)
    return _PANEL_HEAD + bars * (_BAR_HEIGHT + _BAR_GAP) + groups + _PANEL_FOOT


def _largest(panel: Panel) -> float:
    return max((bar.value or 0.0 for group in panel.groups for bar in group.bars), default=0.0)


def _scale(panel: Panel) -> Sequence[float]:
    """Round numbers from zero to at least the largest value."""
    rough = _largest(panel) / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    return [step * number for number in range(math.ceil(_largest(panel) / step - 1e-9) + 1)]


def _number(value: float) -> str:
    """With as many digits as mean something."""
    if value >= 100 or value == round(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def _text(x: float, y: float, words: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(words)}</text>'
