"""From when to when, and by which steps: what a series of usage covers. Pure."""

__all__ = ["POINTS_MAX", "STEP_SECONDS", "Span", "Step", "span_of"]

import math
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from gateway.core.errors import Misuse

Step = Literal["minute", "hour", "day"]

# Of each of these sums are kept.
STEP_SECONDS: Final[Mapping[Step, int]] = {"minute": 60, "hour": 3600, "day": 86_400}
POINTS_MAX: Final = 1500

# Enough for a chart: with more than these a larger step is taken where none is asked for.
_POINTS_GOOD: Final = 400
_USUAL_SECONDS: Final = 86_400.0
_AUTO: Final = "auto"
# 9999-12-31: the last day that a calendar of four-digit years can show.
_TIME_MAX: Final = 253_402_214_400


class Span(NamedTuple):
    """Seconds since the epoch; whole buckets of `step`, from `since` on, the last of them before `until`."""

    since: int
    until: int
    step: Step

    @property
    def step_seconds(self) -> int:
        """How long a bucket is."""
        return STEP_SECONDS[self.step]

    def starts(self) -> range:
        """Where each bucket begins."""
        return range(self.since, self.until, self.step_seconds)


def span_of(
    since: float | None,
    until: float | None,
    step: str | None,
    now: float,
    kept: Mapping[Step, float] = MappingProxyType({}),
) -> Span:
    """The whole buckets that this time touches; the last day if nothing is said.

    Without a step, or with `auto`, it is the smallest that a chart can show and whose sums are `kept` for so many
    seconds. Raises Misuse for a time that ends before it begins, for sums that are not kept any more, and for more
    points than one answer may have.
    """
    end = now if until is None else until
    begin = end - _USUAL_SECONDS if since is None else since
    for moment in (begin, end):
        if not (math.isfinite(moment) and 0 <= moment <= _TIME_MAX):
            raise Misuse("A moment of usage must be a time between the years 1970 and 9999.")
    if begin >= end:
        raise Misuse("The time asked for ends before it begins: 'from' must lie before 'to'.")
    gone = {step for step, seconds in kept.items() if begin < now - seconds}
    span = _whole(begin, end, _chosen(step, begin, end, gone))
    if span.step in gone and span.step != "day":
        days = round(kept[span.step] / STEP_SECONDS["day"])
        raise Misuse(
            f"Sums by the {span.step} are kept for {days} days. Ask for a later time, or for a larger step."
        )
    if len(span.starts()) > POINTS_MAX:
        raise Misuse(_too_many(span))
    return span


def _chosen(wanted: str | None, begin: float, end: float, gone: Collection[Step]) -> Step:
    is_ours = wanted in {None, _AUTO}
    for step in STEP_SECONDS:
        is_good = len(_whole(begin, end, step).starts()) <= _POINTS_GOOD
        if step == wanted or (is_ours and is_good and step not in gone):
            return step
    if is_ours:
        return "day"
    raise Misuse(f"There is no step '{wanted}'. Choose one of {', '.join(STEP_SECONDS)}, {_AUTO}.")


def _whole(begin: float, end: float, step: Step) -> Span:
    size = STEP_SECONDS[step]
    return Span(math.floor(begin) // size * size, -(-math.ceil(end) // size) * size, step)


def _too_many(span: Span) -> str:
    words = f"That time has {len(span.starts())} points by the {span.step}, and an answer has at most {POINTS_MAX}."
    if span.step == "day":
        return f"{words} Ask for a shorter time."
    return f"{words} Ask for a shorter time, or for a larger step."
