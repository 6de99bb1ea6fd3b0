"""The page and the picture: what stands between two marks in docs/performance.md is written anew by each run."""

__all__ = ["BEGIN", "END", "PAGE", "PICTURE", "Told", "between_marks", "section"]

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from bench.comparison.facts import Facts
from bench.comparison.tables import Table, markdown

BEGIN: Final = "<!-- make bench writes from here -->"
END: Final = "<!-- make bench writes to here -->"

_DOCS: Final = Path(__file__).parents[2] / "docs"
PAGE: Final = _DOCS / "performance.md"
PICTURE: Final = _DOCS / "performance.svg"

# Less than that is a look at whether the benchmark works, not at the figures.
_SECONDS_MIN: Final = 2
_ROUNDS_MIN: Final = 3
# Per processor: from there on, somebody else was at work.
_LOAD_MAX: Final = 0.25


class Told(NamedTuple):
    """What a reader has to know of a run besides its figures; `missing` are packages by who needs them."""

    command: str
    rounds: int
    seconds: int
    rate: int
    facts: Facts
    missing: Mapping[str, Sequence[str]]

    def doubts(self) -> Sequence[str]:
        """Why the figures should not be quoted; nothing, if they can be."""
        found = []
        if self.seconds < _SECONDS_MIN or self.rounds < _ROUNDS_MIN:
            found.append(
                f"This was a short run ({self.rounds} x {self.seconds} s): its figures show that"
                " the benchmark works, and no more."
            )
        if self.facts.load_before > _LOAD_MAX * self.facts.processors:
            found.append(
                f"The machine was not quiet (load average {self.facts.load_before:.1f} before the"
                " run): only ratios mean something, and they not much."
            )
        return found

    def lacking(self) -> Sequence[str]:
        """One sentence for each that is missing."""
        return [
            f"{name} is missing: apt-get install {' '.join(packages)}"
            for name, packages in self.missing.items()
        ]


def section(told: Told, tables: Sequence[Table]) -> str:
    """What stands between the marks."""
    facts = told.facts
    paragraphs = [
        f"`{told.command}`: medians of {told.rounds} x {told.seconds} s; latency at"
        f" {told.rate} requests a second. {facts.sentence()};"
        f" {', '.join(f'{name} {number}' for name, number in facts.versions.items())}.",
        *(f"**{doubt}**" for doubt in told.doubts()),
        *(f"{sentence}." for sentence in told.lacking()),
        f"![Processor time of a request, and added latency, side by side]({PICTURE.name})",
        *map(markdown, tables),
    ]
    return "\n\n".join(paragraphs)


def between_marks(page: str, text: str) -> str:
    """The page with `text` between its marks. Raises ValueError if it has not just one of each, in order."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end or BEGIN in rest or END in before + after:
        raise ValueError("the page needs one begin mark and one end mark behind it")
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"
