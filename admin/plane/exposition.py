"""Expositions of our own processes, read and written by the line; no I/O.

Nobody looks into the labels here: two series are the same when they are written alike, and prometheus_client
writes those of all processes alike. So a scrape of thousands of series takes a tenth of what its parser needs.
"""

__all__ = ["Family", "read", "text_of"]

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from prometheus_client.utils import floatToGoString


@dataclass(slots=True)
class Family:
    """A metric: its values by series, each as it is written (`name{label="value"}`), in their order."""

    name: str
    kind: str
    text: str = ""
    values: dict[str, float] = field(default_factory=dict)

    def of_process(self, label: str, name: str) -> "Family":
        """The same with one more label. `name` is one of ours and needs no escaping."""
        more = f'{label}="{name}"'
        named = {
            f"{series[:-1]},{more}}}" if series.endswith("}") else f"{series}{{{more}}}": value
            for series, value in self.values.items()
        }
        return Family(self.name, self.kind, self.text, named)


def read(text: str) -> tuple[Family, ...]:
    """The families of an exposition that prometheus_client wrote. Raises ValueError when it is none."""
    families: list[Family] = []
    texts: dict[str, str] = {}
    # Not splitlines: a key's name may hold what that takes for the end of a line.
    for line in filter(None, text.split("\n")):
        if line.startswith("# HELP "):
            _, _, name, *rest = line.split(" ", 3)
            texts[name] = "".join(rest)
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            families.append(Family(name, kind, texts.get(name, "")))
        elif families:
            series, _, value = line.rpartition(" ")
            families[-1].values[series] = float(value)
        else:
            raise ValueError("a series without a type")
    return tuple(families)


def text_of(families: Iterable[Family]) -> str:
    """These families in the text format."""
    return "".join(map(_written, families))


def _written(family: Family) -> str:
    head = f"# HELP {family.name} {family.text}\n# TYPE {family.name} {family.kind}\n"
    number: Callable[[float], str] = floatToGoString
    return head + "".join(
        [f"{series} {number(value)}\n" for series, value in family.values.items()]
    )
