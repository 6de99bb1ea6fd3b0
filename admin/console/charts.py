"""Charts as SVG, drawn on the server, each with a table of the same figures for those who do not see it.

Pure: from figures to markup. Colours and strokes come from classes, so that a page may forbid inline styles
and has a dark side; what a bar stands for is told where the pointer rests on it.
"""

__all__ = ["Chart", "Kind", "Series", "bar_of", "drawn", "ticks"]

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from markupsafe import Markup, escape

_WIDTH: Final = 720
_HEIGHT: Final = 220
_LEFT: Final = 52
_RIGHT: Final = 8
_TOP: Final = 10
_BOTTOM: Final = 26
_INNER_WIDTH: Final = _WIDTH - _LEFT - _RIGHT
_INNER_HEIGHT: Final = _HEIGHT - _TOP - _BOTTOM
_TICKS: Final = 4
_LABELS_MAX: Final = 8
# Less is nothing, to the eye; and a quarter of the least number there is would be none.
_LEAST: Final = 1e-12
_GAP: Final = 0.2  # of a bar's place
_NONE: Final = "\u2013"


class Kind(StrEnum):
    """How series are drawn: bars stand upon each other, lines do not."""

    BARS = "bars"
    LINES = "lines"


@dataclass(frozen=True, slots=True)
class Series:
    """One row of figures; None where there is none. `look` is the class that colours it."""

    name: str
    look: str
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """What is to be drawn: a figure of each series for each of `labels`, written by `written`.

    `id` is unique on its page. `labels` are short, for the axis; `moments` say the same in full.
    """

    id: str
    title: str
    description: str
    kind: Kind
    labels: Sequence[str]
    moments: Sequence[str]
    series: Sequence[Series]
    written: Callable[[float], str]
    first_column: str = "Time (UTC)"


def drawn(chart: Chart) -> Markup:
    """The whole figure: drawing, legend, table."""
    return Markup('<figure class="chart" id="{}">{}{}{}</figure>').format(
        chart.id, _drawing(chart), _legend(chart), _table(chart)
    )


def bar_of(part: float, whole: float, words: str, look: str = "") -> Markup:
    """A bar that is filled as far as `part` is of `whole`; `words` say the same. More than all fills it."""
    share = 0.0 if whole <= 0 else min(1.0, max(0.0, part / whole))
    return Markup(
        '<svg class="bar {}" viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<rect class="bar-rest" width="100" height="6"/><rect class="bar-part" width="{}" height="6"/></svg>'
    ).format(look, words, _number(100 * share))


def ticks(highest: float) -> tuple[float, ...]:
    """About four round figures from 0 up to at least `highest`."""
    if not _LEAST < highest < math.inf:
        return (0.0, 1.0)
    rough = highest / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
    steps = max(1, math.ceil(highest / step - 1e-9))
    return tuple(index * step for index in range(steps + 1))


def _drawing(chart: Chart) -> Markup:
    marks = ticks(_highest(chart))
    draw = _bars if chart.kind is Kind.BARS else _lines
    return Markup(
        '<svg viewBox="0 0 {} {}" role="img" aria-labelledby="{}-title {}-words">'
        '<title id="{}-title">{}</title><desc id="{}-words">{}</desc>{}{}{}{}</svg>'
    ).format(
        _WIDTH,
        _HEIGHT,
        chart.id,
        chart.id,
        chart.id,
        chart.title,
        chart.id,
        chart.description,
        _joined(_grid(chart, marks)),
        _joined(_axis(chart)),
        _joined(draw(chart, marks[-1])),
        _joined(_hints(chart)),
    )


def _highest(chart: Chart) -> float:
    columns = zip(*(one.values for one in chart.series), strict=True)
    together = sum if chart.kind is Kind.BARS else max
    return max((together([value or 0.0 for value in column]) for column in columns), default=0.0)


def _grid(chart: Chart, marks: Sequence[float]) -> Iterator[Markup]:
    for mark in marks:
        y = _number(_y(mark, marks[-1]))
        yield Markup('<path class="grid" d="M{} {}H{}"/>').format(_LEFT, y, _WIDTH - _RIGHT)
        yield Markup('<text class="mark" x="{}" y="{}" dy=".32em">{}</text>').format(
            _LEFT - 6, y, chart.written(mark)
        )


def _axis(chart: Chart) -> Iterator[Markup]:
    every = max(1, math.ceil(len(chart.labels) / _LABELS_MAX))
    for index, label in enumerate(chart.labels):
        if index % every == 0:
            x = _number(_middle(chart, index))
            yield Markup('<text class="label" x="{}" y="{}">{}</text>').format(
                x, _HEIGHT - 8, label
            )


def _bars(chart: Chart, top: float) -> Iterator[Markup]:
    """One path for all bars of a series: a page of charts stays small."""
    place = _place(chart)
    width = _number(place * (1 - _GAP))
    stood = [0.0] * len(chart.labels)
    for one in chart.series:
        steps = []
        for index, value in enumerate(one.values):
            if not value:
                continue
            x = _LEFT + index * place + place * _GAP / 2
            low, high = _y(stood[index], top), _y(stood[index] + value, top)
            stood[index] += value
            steps.append(f"M{_number(x)} {_number(low)}V{_number(high)}h{width}V{_number(low)}z")
        yield Markup('<path class="series {}" d="{}"/>').format(one.look, "".join(steps))


def _lines(chart: Chart, top: float) -> Iterator[Markup]:
    """A line breaks where there is no figure; a figure between two gaps is a dot."""
    for one in chart.series:
        steps = []
        is_drawing = False
        for index, value in enumerate(one.values):
            if value is None:
                is_drawing = False
                continue
            at = f"{_number(_middle(chart, index))} {_number(_y(value, top))}"
            # Of no length, but with round ends: that is how SVG draws a dot.
            steps.append(f"L{at}" if is_drawing else f"M{at}h0")
            is_drawing = True
        yield Markup('<path class="line {}" d="{}"/>').format(one.look, "".join(steps))


def _hints(chart: Chart) -> Iterator[Markup]:
    """What the pointer is told over each place."""
    place = _place(chart)
    for index, when in enumerate(chart.moments):
        told = [
            f"{one.name}: {_written(chart, value)}"
            for one in chart.series
            if (value := one.values[index]) is not None
        ]
        if told:
            yield Markup(
                '<rect class="hint" x="{}" y="{}" width="{}" height="{}"><title>{}\n{}</title></rect>'
            ).format(
                _number(_LEFT + index * place),
                _TOP,
                _number(place),
                _INNER_HEIGHT,
                when,
                "\n".join(told),
            )


def _legend(chart: Chart) -> Markup:
    keys = _joined(
        Markup('<li><span class="swatch {}"></span>{}</li>').format(one.look, one.name)
        for one in chart.series
    )
    return Markup('<figcaption><ul class="legend" aria-hidden="true">{}</ul></figcaption>').format(
        keys
    )


def _table(chart: Chart) -> Markup:
    head = _joined(Markup('<th scope="col">{}</th>').format(one.name) for one in chart.series)
    rows = _joined(
        Markup('<tr><th scope="row">{}</th>{}</tr>').format(
            when,
            _joined(
                Markup("<td>{}</td>").format(_written(chart, one.values[index]))
                for one in chart.series
            ),
        )
        for index, when in enumerate(chart.moments)
    )
    return Markup(
        '<details class="as-table"><summary>The same as a table</summary>'
        '<div class="scroll" tabindex="0" role="region" aria-label="{}">'
        '<table><thead><tr><th scope="col">{}</th>{}</tr></thead><tbody>{}</tbody></table></div></details>'
    ).format(chart.title, chart.first_column, head, rows)


def _written(chart: Chart, value: float | None) -> str:
    return _NONE if value is None else chart.written(value)


def _place(chart: Chart) -> float:
    return _INNER_WIDTH / max(1, len(chart.labels))


def _middle(chart: Chart, index: int) -> float:
    return _LEFT + (index + 0.5) * _place(chart)


def _y(value: float, top: float) -> float:
    return _TOP + _INNER_HEIGHT * (1 - value / top)


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _joined(parts: Iterator[Markup]) -> Markup:
    return Markup("").join(map(escape, parts))
