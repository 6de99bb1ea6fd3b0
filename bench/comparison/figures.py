"""From samples to what is told: medians over the rounds, and ratios of two that were measured in the same round."""

__all__ = ["Sample", "Samples"]

import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple


class Sample(NamedTuple):
    """One measurement. Its figures have their unit in their name."""

    case: str
    subject: str
    turn: int
    figures: Mapping[str, float]


class Samples:
    """All measurements of a run."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        """In the order in which they were made."""
        self._samples = tuple(samples)

    def __iter__(self) -> Iterator[Sample]:
        """In that order."""
        return iter(self._samples)

    def subjects(self, case: str) -> Sequence[str]:
        """Who was measured on this case, in the order of their first turns."""
        return list(dict.fromkeys(each.subject for each in self._samples if each.case == case))

    def median(self, case: str, subject: str, figure: str) -> float | None:
        """Over all rounds; None where it was not measured."""
        found = self._by_turn(case, subject, figure)
        return statistics.median(found.values()) if found else None

    def ratio(self, case: str, one: str, other: str, figure: str) -> float | None:
        """The median of `one` over `other` in each round: what drifts from round to round counts in neither."""
        above = self._by_turn(case, one, figure)
        below = self._by_turn(case, other, figure)
        ratios = [above[turn] / below[turn] for turn in above if below.get(turn)]
        return statistics.median(ratios) if ratios else None

    def difference(self, case: str, one: str, other: str, figure: str) -> float | None:
        """The median of `one` less `other` in each round."""
        first = self._by_turn(case, one, figure)
        second = self._by_turn(case, other, figure)
        found = [first[turn] - second[turn] for turn in first if turn in second]
        return statistics.median(found) if found else None

    def total(self, figure: str) -> float:
        """Of all measurements together."""
        return sum(each.figures.get(figure, 0.0) for each in self._samples)

    def _by_turn(self, case: str, subject: str, figure: str) -> dict[int, float]:
        return {
            each.turn: each.figures[figure]
            for each in self._samples
            if (each.case, each.subject) == (case, subject) and figure in each.figures
        }
