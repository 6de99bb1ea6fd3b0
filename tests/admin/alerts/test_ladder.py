"""When something is told, and when not again."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin.core.alerts.ladder import Level, Look, Step, climb

STEPS = (Step(75, 70), Step(90, 85), Step(100, 95))


def told(
    values: Sequence[int], steps: Sequence[Step] = STEPS, period: str = "2026-11"
) -> list[tuple[int, ...]]:
    """What each of these values in turn leads to."""
    level: Level | None = None
    found = []
    for at_us, value in enumerate(values, 1):
        level, crossed = climb(level, steps, Look(at_us, period, value))
        found.append(crossed)
    return found


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param([0, 74], [(), ()], id="below-all"),
        pytest.param([74, 75], [(), (75,)], id="at-the-very-step"),
        pytest.param([75, 75, 89], [(75,), (), ()], id="once"),
        pytest.param([75, 90, 100], [(75,), (90,), (100,)], id="again-if-it-keeps-rising"),
        pytest.param([0, 99], [(), (75, 90)], id="two-at-once"),
        pytest.param([300], [(75, 90, 100)], id="far-beyond"),
        pytest.param([76, 71, 76], [(75,), (), ()], id="wavering-is-no-new-crossing"),
        pytest.param([76, 70, 76], [(75,), (), ()], id="at-the-lower-end-it-still-stands"),
        pytest.param([76, 69, 76], [(75,), (), (75,)], id="again-after-it-fell-well-below"),
        pytest.param([92, 80, 92], [(75, 90), (), (90,)], id="only-the-step-that-fell"),
    ],
)
def test_each_step_is_told_on_the_way_up(
    values: list[int], expected: list[tuple[int, ...]]
) -> None:
    """A crossing is told once; again only when it goes on to the next step, or after a real fall."""
    assert told(values) == expected


def test_new_period_begins_anew() -> None:
    """A new month's crossing is told although the month before ended above."""
    level, _ = climb(None, STEPS, Look(1, "2026-11", 80))
    level, crossed = climb(level, STEPS, Look(2, "2026-12", 10))
    assert (level.step, crossed) == (None, ())
    _, crossed = climb(level, STEPS, Look(3, "2026-12", 80))
    assert crossed == (75,)


def test_step_that_was_taken_out_is_not_told_again_when_it_is_back() -> None:
    """Who removes a threshold and sets it again, while the value stays above, is not told twice."""
    level, _ = climb(None, STEPS, Look(1, "", 80))
    level, crossed = climb(level, (Step(90, 85),), Look(2, "", 80))
    assert crossed == ()
    _, crossed = climb(level, STEPS, Look(3, "", 80))
    assert crossed == ()


def test_new_step_below_what_stands_is_old_news() -> None:
    """A threshold of 50 that is set at 80 percent is not told after 75 was."""
    level, _ = climb(None, STEPS, Look(1, "", 80))
    _, crossed = climb(level, (Step(50, 45), *STEPS), Look(2, "", 80))
    assert crossed == ()


def of_heights(heights: list[int]) -> st.SearchStrategy[tuple[Step, ...]]:
    """Ladders with steps at these heights."""
    return st.tuples(*(st.builds(Step, st.just(at), st.integers(0, at)) for at in heights))


ladders = st.lists(st.integers(1, 200), min_size=1, max_size=6, unique=True).flatmap(of_heights)
values = st.lists(st.integers(0, 250), max_size=30)


@given(ladders, values)
def test_step_is_never_told_twice_without_a_fall_between(
    steps: tuple[Step, ...], seen: list[int]
) -> None:
    """Between two alerts of one step, the value was below the height at which that is forgotten."""
    alerts = told(seen, steps)
    for step in steps:
        at = [number for number, crossed in enumerate(alerts) if step.at in crossed]
        for first, second in pairwise(at):
            assert min(seen[first:second]) < step.until


@given(ladders, values)
def test_every_crossing_is_told(steps: tuple[Step, ...], seen: list[int]) -> None:
    """Whatever height was ever reached has been told."""
    alerts = {at for crossed in told(seen, steps) for at in crossed}
    assert alerts == {step.at for step in steps if step.at <= max(seen, default=-1)}


@given(ladders, values, st.data())
def test_what_only_grows_is_told_in_any_order(
    steps: tuple[Step, ...], seen: list[int], data: st.DataObject
) -> None:
    """Of what only grows, such as a month's usage, each step is told once, in whatever order the looks come."""
    looks = [Look(at_us, "2026-11", value) for at_us, value in enumerate(sorted(seen), 1)]
    level: Level | None = None
    alerts: list[int] = []
    for look in data.draw(st.permutations(looks)):
        level, crossed = climb(level, steps, look)
        alerts += crossed
    assert sorted(alerts) == sorted({step.at for step in steps if step.at <= max(seen, default=-1)})


@given(ladders, values, st.data())
def test_late_look_of_an_old_month_changes_nothing(
    steps: tuple[Step, ...], seen: list[int], data: st.DataObject
) -> None:
    """A look at the month before that arrives late neither tells nor forgets anything."""
    level, _ = climb(None, steps, Look(100, "2026-12", data.draw(st.integers(0, 250))))
    for at_us, value in enumerate(seen[:90], 1):
        late, crossed = climb(level, steps, Look(at_us, "2026-11", value))
        assert (late, crossed) == (level, ())
