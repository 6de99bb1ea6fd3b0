"""When something is told: on the way up, once for each step; again only after it fell well below.

A ladder knows nothing of what its numbers mean. What is remembered of it is one step, so that neither a
restart nor a second look tells anything twice.
"""

__all__ = ["Climb", "Level", "Look", "Step", "climb"]

from collections.abc import Sequence
from typing import NamedTuple


class Step(NamedTuple):
    """Told when the value is at or above `at`; forgotten when it falls below `until`, which is not above `at`."""

    at: int
    until: int


class Look(NamedTuple):
    """A value as it was at some moment (microseconds since the epoch). In another `period`, all begins anew."""

    at_us: int
    period: str
    value: int


class Level(NamedTuple):
    """What is remembered: the highest step that stands (its `at`; None for below all), and since which look."""

    period: str
    step: int | None
    seen_us: int


class Climb(NamedTuple):
    """What is to be remembered from now on, and which steps are to be told, lowest first; usually none."""

    level: Level
    crossed: tuple[int, ...]


def climb(known: Level | None, steps: Sequence[Step], look: Look) -> Climb:
    """What a look means for what is known.

    A look from before the one that is remembered changes nothing, in whatever order looks arrive.
    """
    if known is not None and look.at_us < known.seen_us:
        return Climb(known, ())
    was = known.step if known is not None and known.period == look.period else None
    stands = _held(was, steps, look.value)
    crossed = tuple(
        sorted(
            step.at for step in steps if step.at <= look.value and (was is None or step.at > was)
        )
    )
    step = crossed[-1] if crossed else stands
    return Climb(Level(look.period, step, look.at_us), crossed)


def _held(was: int | None, steps: Sequence[Step], value: int) -> int | None:
    """The step that still stands, of those up to the one that stood."""
    if was is None:
        return None
    # One that was taken out of the ladder stands as long as its own height is reached.
    untils = {was: was} | {step.at: step.until for step in steps if step.at <= was}
    return max((at for at, until in untils.items() if value >= until), default=None)
