"""From a file to the answers of an import: batch by batch, with every bad line told by its number."""

__all__ = ["Importing", "Told"]

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pydantic import ValidationError

from admin.core.transfer.entries import Entry
from admin.wire.transfer import ImportedLine, ImportLine

# One value costs a tenth of a second, hashes cost nothing: an answer is never more than a few seconds away.
_WEIGHT_OF_A_VALUE = 10
_WEIGHT_MAX = 500
# Nor is a request larger than the admin API takes: of what has no small bound, so much counts as one more line.
_CHARACTERS_OF_A_LINE = 1000
_CHARACTERS_OF_A_SECRET = 400
_NAME_LENGTH_MAX = 60


class Told(NamedTuple):
    """Something to say about a line of the file."""

    number: int
    text: str


@dataclass(slots=True)
class Importing:
    """The course of one import. Only what is told is kept, so that a file may be of any length.

        for batch in work.batches(entries):
            work.settle(send(batch) if batch else ())

    `through` is the last line of the file up to which everything is settled.
    """

    counts: Counter[str] = field(default_factory=Counter)
    refused: list[Told] = field(default_factory=list)
    remarks: list[Told] = field(default_factory=list)
    through: int = 0
    _batch: list[ImportLine] = field(default_factory=list, repr=False)
    _weight: int = 0
    _last_read: int = 0

    @property
    def settled(self) -> int:
        """How many lines have their outcome."""
        return self.counts.total()

    def batches(self, entries: Iterable[Entry]) -> Iterator[Sequence[ImportLine]]:
        """What to send, piece by piece; one of bad lines alone is empty. Each is settled before the next is read."""
        for entry in entries:
            self._add(entry)
            if self._weight >= _WEIGHT_MAX:
                yield self._taken()
        yield self._taken()

    def settle(self, results: Sequence[ImportedLine]) -> None:
        """Count what became of the last batch."""
        for result in results:
            if result.outcome == "refused":
                self._refuse(result.number, result.problem or "")
            else:
                self.counts[result.outcome] += 1
        self.through = self._last_read
        self.refused.sort()

    def _add(self, entry: Entry) -> None:
        self.remarks.extend(Told(entry.number, text) for text in entry.remarks)
        line = _line(entry) if entry.fields else entry.problem
        self._last_read = entry.number
        if isinstance(line, ImportLine):
            self._batch.append(line)
            self._weight += _weight(line)
        elif line is not None:
            self._refuse(entry.number, line)
            # A file of nothing but bad lines moves on, too.
            self._weight += 1

    def _taken(self) -> Sequence[ImportLine]:
        batch = tuple(self._batch)
        self._batch, self._weight = [], 0
        return batch

    def _refuse(self, number: int, problem: str) -> None:
        self.counts["refused"] += 1
        self.refused.append(Told(number, problem))


def _weight(line: ImportLine) -> int:
    characters = len(line.secrets) * _CHARACTERS_OF_A_SECRET + sum(
        len(name) + len(text) for name, text in line.metadata.items()
    )
    base = 1 if line.value is None else _WEIGHT_OF_A_VALUE
    return base + characters // _CHARACTERS_OF_A_LINE


def _line(entry: Entry) -> ImportLine | str:
    """The entry as the wire has it, or what is wrong with it, without repeating what stands there."""
    try:
        return ImportLine.model_validate({**entry.fields, "number": entry.number})
    except ValidationError as error:
        return "; ".join(
            f"{_where(one['loc'])}: {one['msg']}"
            for one in error.errors(include_input=False, include_context=False, include_url=False)
        )


def _where(place: Sequence[int | str]) -> str:
    """The field's name; of a strange one no more than fits, as it may be anything."""
    name = ".".join(map(str, place))
    shown = "".join(char if char.isprintable() else "?" for char in name[:_NAME_LENGTH_MAX])
    return shown or "line"
