"""What the comparison makes of its samples: figures, tables, a page and a picture; the measuring is not tested."""

import random
import re
from xml.etree import ElementTree as ET

import pytest

from bench.comparison.chart import chart
from bench.comparison.facts import Facts
from bench.comparison.figures import Sample, Samples
from bench.comparison.memory import Memory
from bench.comparison.paced import percentile
from bench.comparison.page import BEGIN, END, PAGE, Told, between_marks, section
from bench.comparison.plan import CENTRAL, GATEWAY, Part, star
from bench.comparison.subjects import DIRECT, Need, Subject, missing, subjects
from bench.comparison.svg import Bar, Group, Panel, render
from bench.comparison.tables import Table, markdown, tables

OTHER = "nginx-lua-redis"
SAYS = {name: subject.says for name, subject in subjects().items()}
FACTS = Facts("2026-11-21", "A processor", 2, "Linux 6", 0.1, {"wrk": "4.1.0"})


def sample(subject: str, turn: int, case: str = CENTRAL.name, **figures: float) -> Sample:
    """One, of the central case unless another is named."""
    return Sample(case, subject, turn, figures)


def whole_run() -> Samples:
    """Three rounds of everything, with figures of which all are different."""
    dice = random.Random(7)
    names = ("cpu_us", "cpu_all_us", "requests_per_second", "p50_us", "p99_us", "errors")
    paced = ("paced_p50_us", "paced_p99_us")
    found = []
    for turn in range(3):
        for series in star():
            case = series.case.name
            if series.is_paced:
                found.append(Sample(case, DIRECT, turn, dict.fromkeys(paced, 50.0)))
            for subject in series.subjects:
                kinds = (*names, *paced) if series.is_paced else names
                figures = {name: dice.uniform(51, 5000) for name in kinds}
                found.append(Sample(case, subject, turn, figures))
    return Samples(found)


def told(**changes: object) -> Told:
    """A run of which nobody would doubt the figures, but for these changes."""
    words = {"command": "make bench", "rounds": 3, "seconds": 3, "rate": 500, "facts": FACTS}
    return Told(**{**words, "missing": {}, **changes})  # type: ignore[arg-type]


def test_ratios_are_taken_within_a_round() -> None:
    """A machine that becomes twice as slow changes medians, and no ratio."""
    found = Samples(
        sample(name, turn, cpu_us=cost * speed)
        for turn, speed in enumerate((1, 2, 4))
        for name, cost in ((GATEWAY, 30.0), (OTHER, 20.0))
    )

    assert found.median(CENTRAL.name, GATEWAY, "cpu_us") == 60.0
    assert found.ratio(CENTRAL.name, GATEWAY, OTHER, "cpu_us") == 1.5
    assert found.difference(CENTRAL.name, GATEWAY, OTHER, "cpu_us") == 20.0


def test_a_round_without_the_other_has_no_ratio() -> None:
    """What was measured once is not compared with what was measured at another time."""
    found = Samples([sample(GATEWAY, 0, cpu_us=1.0), sample(OTHER, 1, cpu_us=1.0)])

    assert found.ratio(CENTRAL.name, GATEWAY, OTHER, "cpu_us") is None
    assert found.median(CENTRAL.name, "nginx", "cpu_us") is None
    assert found.median(CENTRAL.name, GATEWAY, "p50_us") is None


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        pytest.param(0.5, 50, id="median"),
        pytest.param(0.99, 99, id="99-of-100"),
        pytest.param(1.0, 100, id="slowest"),
    ],
)
def test_percentile_is_a_measured_value(share: float, expected: float) -> None:
    """So many of all answers were as fast as that."""
    values = [float(number) for number in range(100, 0, -1)]

    assert percentile(values, share) == expected


def test_every_figure_is_told() -> None:
    """Each part has its table, and each row a cell for each heading."""
    found = tables(whole_run(), star(), SAYS, Memory(1000, 90, 200, 70, 180))

    assert len(found) == 6
    for table in found:
        assert {len(row) for row in table.rows} == {len(table.headings)}
        assert all(cell != "-" for row in table.rows for cell in row), table.title


def test_a_part_by_itself_has_no_empty_tables() -> None:
    """Whoever asks for one part sees nothing of the others."""
    plan = star(parts=[Part.COLD])
    case = plan[0].case.name
    found = Samples([sample(GATEWAY, 0, case, cpu_us=1.0, requests_per_second=1.0)])

    assert [table.title.partition(":")[0] for table in tables(found, plan, SAYS, None)] == ["Cold"]


def test_markdown_is_a_table() -> None:
    """Numbers stand to the right, whatever they are called."""
    text = markdown(Table("Speed", ("", "us"), [("nginx", "10.5")]))

    assert text == "**Speed**\n\n|  | us |\n| --- | ---: |\n| nginx | 10.5 |"


def test_who_is_missing_is_named_with_what_to_install() -> None:
    """A peer that is not there is never left out in silence."""
    (nginx, absent) = (
        Subject("a", "", subjects()["nginx"].start, ()),
        Subject("b", "", subjects()["nginx"].start, (Need("no-such-program", "its-package"),)),
    )
    lacking = missing({"a": nginx, "b": absent})

    assert lacking == {"b": ["its-package"]}
    assert "b is missing: apt-get install its-package" in section(told(missing=lacking), [])
    assert all(lacking.keys().isdisjoint(series.subjects) for series in star(lacking))


@pytest.mark.parametrize(
    ("changes", "doubts"),
    [
        pytest.param({}, 0, id="three-rounds-on-a-quiet-machine"),
        pytest.param({"rounds": 1}, 1, id="one-round"),
        pytest.param({"seconds": 1}, 1, id="one-second"),
        pytest.param({"facts": FACTS._replace(load_before=3.0)}, 1, id="busy"),
    ],
)
def test_doubtful_figures_say_so(changes: dict[str, object], doubts: int) -> None:
    """Nobody quotes the figures of a short run, or of a busy machine, without having been told."""
    found = told(**changes)

    assert len(found.doubts()) == doubts
    assert all(doubt in section(found, []) for doubt in found.doubts())


def test_only_what_is_between_the_marks_changes() -> None:
    """Words that somebody wrote on the page stay, however often the figures are written."""
    page = f"# Words\n\n{BEGIN}\nold\n{END}\n\nMore words.\n"
    once = between_marks(page, "new")

    assert once == f"# Words\n\n{BEGIN}\n\nnew\n\n{END}\n\nMore words.\n"
    assert between_marks(once, "new") == once


@pytest.mark.parametrize(
    "page",
    [
        pytest.param("no marks", id="none"),
        pytest.param(f"{BEGIN} never ends", id="no-end"),
        pytest.param(f"{END}{BEGIN}", id="wrong-order"),
        pytest.param(f"{BEGIN}{BEGIN}{END}", id="twice"),
    ],
)
def test_a_page_without_its_marks_is_left_alone(page: str) -> None:
    """A slip in the page costs a run its record, not the page its words."""
    with pytest.raises(ValueError, match="mark"):
        between_marks(page, "new")


def test_the_page_has_its_marks() -> None:
    """`make bench` does not find out after ten minutes that it has nowhere to write."""
    assert "figures" in between_marks(PAGE.read_text(), "figures")


def test_picture_shows_every_bar_inside_itself() -> None:
    """It is well-formed, says what it shows and in what unit, and no bar leaves it."""
    text = chart(whole_run(), star(), ["where & when"])
    root = ET.fromstring(text)  # noqa: S314 -- our own
    width = float(root.attrib["width"])
    rects = [each.attrib for each in root.iter("{http://www.w3.org/2000/svg}rect")]
    bars = [each for each in rects if each.get("height") == "16"]

    assert re.search("<title>.+</title>", text)
    assert "microseconds of processor time" in text
    assert "where &amp; when" in text
    # Nine side by side, seven cases of three, and two percentiles of nine.
    assert len(bars) == 9 + 21 + 18
    assert all(float(bar["x"]) + float(bar["width"]) < width - 60 for bar in bars)


def test_bars_have_one_scale() -> None:
    """Twice the value is twice the length, and the largest ends within the scale."""
    groups = [Group(name, [Bar("k", value)]) for name, value in (("a", 40.0), ("b", 80.0))]
    text = render(
        "t", [], [Panel("p", "u", [*groups, Group("c", [Bar("k", None)])], {"k": "#000"})]
    )
    widths = [float(width) for width in re.findall(r'width="([\d.]+)" height="16"', text)]

    assert widths[1] == pytest.approx(2 * widths[0], abs=0.2)
    assert ">80</text>" in text
    assert ">c</text>" not in text


def test_templates_leave_no_word_unreplaced() -> None:
    """Each configuration of a peer names only what its start fills in."""
    known = {"CODE", "FOLDER", "KIBIBYTE", "LIMITS", "LUA", "MODULES", "PORT", "REDIS"}
    known |= {"UPSTREAM", "USER"}
    folder = PAGE.parents[1] / "bench/comparison/peers"
    named = {
        word
        for path in folder.iterdir()
        if path.suffix in {".cfg", ".conf"} or path.name == "Caddyfile"
        for word in re.findall(r"<([A-Z]+)>", path.read_text())
    }

    assert named == known
