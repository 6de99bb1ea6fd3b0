"""Charts that are drawn on the server."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin.console.charts import Chart, Kind, Series, bar_of, drawn, ticks
from admin.console.figures import short

SVG = "{http://www.w3.org/2000/svg}"


def chart(
    kind: Kind = Kind.BARS, *values: Sequence[float | None], title: str = "Requests"
) -> Chart:
    """A chart of these series."""
    rows = values or ([1, 2, 3],)
    count = len(rows[0])
    return Chart(
        id="requests",
        title=title,
        description="Requests of each hour.",
        kind=kind,
        labels=[f"{index:02}:00" for index in range(count)],
        moments=[f"2026-01-31 {index:02}:00 UTC" for index in range(count)],
        series=[Series(f"row {index}", f"look-{index}", row) for index, row in enumerate(rows)],
        written=short,
    )


def figure(made: Chart) -> ET.Element:
    """The figure, parsed as strictly as XML is."""
    return ET.fromstring(str(drawn(made)))  # noqa: S314 -- our own markup


def path(made: Chart, look: str) -> str:
    """What is drawn for the series of that look."""
    [found] = [
        one.get("d", "") for one in figure(made).iter("path") if look in one.get("class", "")
    ]
    return found


def test_a_chart_says_in_words_and_in_a_table_what_it_shows() -> None:
    """Who cannot see the drawing reads its title, its meaning and every figure of it."""
    made = figure(chart(Kind.BARS, [1, 2000], [0, 5]))
    svg = made.find("svg")
    assert svg is not None
    named = {one.get("id"): one.text for one in svg if one.get("id")}
    rows = [[cell.text for cell in row] for row in made.iter("tr")]

    assert svg.get("role") == "img"
    assert [named[each] for each in svg.get("aria-labelledby", "").split()] == [
        "Requests",
        "Requests of each hour.",
    ]
    assert rows == [
        ["Time (UTC)", "row 0", "row 1"],
        ["2026-01-31 00:00 UTC", "1", "0"],
        ["2026-01-31 01:00 UTC", "2k", "5"],
    ]


def test_a_chart_passes_a_policy_that_forbids_inline_styles_and_scripts() -> None:
    """A page with charts can keep its strict policy: all looks come from classes."""
    text = str(drawn(chart(Kind.LINES, [1, None, 3])))

    assert not re.search(r"style|fill=|stroke=|\son\w+=|<script", text)


@pytest.mark.parametrize("kind", Kind)
def test_a_name_cannot_become_markup(kind: Kind) -> None:
    """Whoever names a route or a key writes text into a chart, never elements."""
    evil = '"><script>alert(1)</script>'
    made = Chart(
        id="x",
        title=evil,
        description=evil,
        kind=kind,
        labels=[evil],
        moments=[evil],
        series=[Series(evil, evil, [1])],
        written=lambda _: evil,
        first_column=evil,
    )

    assert [one.tag for one in figure(made).iter("script")] == []


def test_bars_stand_on_each_other_and_fill_the_chart() -> None:
    """The height of a bar is its figure: the second series begins where the first ends."""
    made = chart(Kind.BARS, [2], [2])

    assert re.findall(r"M[\d.]+ ([\d.]+)V([\d.]+)", path(made, "look-0")) == [("194", "102")]
    assert re.findall(r"M[\d.]+ ([\d.]+)V([\d.]+)", path(made, "look-1")) == [("102", "10")]


def test_a_line_breaks_where_nothing_is_known() -> None:
    """An hour without requests has no latency, and none is made up between its neighbours."""
    drawn_steps = path(chart(Kind.LINES, [1, 2, None, 3]), "look-0")

    assert re.sub(r"[\d. ]+", "", drawn_steps) == "MhLMh"


def test_nothing_at_all_is_a_chart_too() -> None:
    """An account without a request sees an empty chart, not an error."""
    assert figure(chart(Kind.BARS, [0, 0, 0])).find("svg") is not None
    assert figure(chart(Kind.LINES, [None, None])).find("svg") is not None
    assert figure(chart(Kind.LINES, [])).find("svg") is not None


@pytest.mark.parametrize(
    ("highest", "expected"),
    [
        pytest.param(0, (0, 1), id="nothing"),
        pytest.param(4, (0, 1, 2, 3, 4), id="exact"),
        pytest.param(7, (0, 2, 4, 6, 8), id="rounded-up"),
        pytest.param(1000, (0, 250, 500, 750, 1000), id="quarters"),
        pytest.param(float("inf"), (0, 1), id="no-number"),
        pytest.param(5e-324, (0, 1), id="the-least-there-is"),
    ],
)
def test_an_axis_has_round_figures(highest: float, expected: tuple[float, ...]) -> None:
    """The marks of an axis are figures that people count in."""
    assert ticks(highest) == expected


@given(st.floats(min_value=1e-6, max_value=1e15))
def test_an_axis_reaches_over_every_figure_with_few_marks(highest: float) -> None:
    """No bar leaves its chart, and no axis is crowded."""
    marks = ticks(highest)

    assert marks[-1] >= highest * (1 - 1e-9)
    assert 2 <= len(marks) <= 6


@given(
    st.lists(st.one_of(st.none(), st.floats(min_value=0, max_value=1e12)), min_size=1, max_size=60),
    st.sampled_from(Kind),
)
def test_whatever_the_figures_everything_stays_inside(
    values: list[float | None], kind: Kind
) -> None:
    """No figure is drawn outside the drawing."""
    numbers = re.findall(r"[ V]([-\d.]+)", path(chart(kind, values), "look-0"))

    assert all(10 <= float(number) <= 194 for number in numbers)


@pytest.mark.parametrize(
    ("part", "whole", "width"), [(50, 200, "25"), (5, 0, "0"), (300, 200, "100"), (-1, 10, "0")]
)
def test_a_bar_is_filled_as_far_as_is_used(part: float, whole: float, width: str) -> None:
    """A quota that is used up, and one that is overdrawn, both fill the bar; words say the rest."""
    bar = ET.fromstring(str(bar_of(part, whole, "a < b")))  # noqa: S314 -- our own markup
    filled = [one.get("width") for one in bar if one.get("class") == "bar-part"]

    assert filled == [width]
    assert bar.get("aria-label") == "a < b"
