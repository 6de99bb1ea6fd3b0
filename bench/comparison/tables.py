"""The figures as tables: for a terminal, and for a page."""

__all__ = ["Table", "markdown", "tables"]

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bench.comparison.figures import Samples
from bench.comparison.memory import Memory
from bench.comparison.plan import CENTRAL, GATEWAY, ONE_WORKER, Part, Series
from bench.comparison.subjects import DIRECT

_NONE: Final = "-"
_MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Table:
    """Words only. The first column, or more of them (`names`), say whose row it is; the others hold numbers."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    names: int = 1


def tables(
    samples: Samples, plan: Sequence[Series], says: Mapping[str, str], memory: Memory | None
) -> Sequence[Table]:
    """All of them; those of which nothing was measured are left out."""
    found = [
        _side_by_side(samples, says),
        _at_a_fixed_rate(samples),
        _variations(samples, plan),
        _cold(samples, plan),
        _workers(samples, plan),
    ]
    if memory is not None:
        found.append(_memory(memory))
    return [table for table in found if table.rows]


def markdown(table: Table) -> str:
    """With its title in bold above it."""
    numbers = len(table.headings) - table.names
    lines = [table.headings, ["---"] * table.names + ["---:"] * numbers, *table.rows]
    return f"**{table.title}**\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _side_by_side(samples: Samples, says: Mapping[str, str]) -> Table:
    def row(name: str) -> Sequence[str]:
        def told(figure: str, how: Callable[[float], str]) -> str:
            return _told(samples.median(CENTRAL.name, name, figure), how)

        return (
            name,
            says[name],
            told("cpu_us", _one),
            told("cpu_all_us", _one),
            _ratio(samples, CENTRAL.name, GATEWAY, name, "cpu_us"),
            told("requests_per_second", _whole),
            told("p50_us", _milliseconds),
            told("p99_us", _milliseconds),
            _ratio(samples, CENTRAL.name, GATEWAY, name, "p99_us"),
        )

    headings = (
        *("", "what it does", "cpu us/request", "with what is done later", "Keywright's over it"),
        *("requests/s", "p50 ms", "p99 ms", "Keywright's p99 over it"),
    )
    names = [name for name in samples.subjects(CENTRAL.name) if name != DIRECT]
    rows = [row(name) for name in names]
    return Table(f"Side by side: {CENTRAL.name}", headings, rows, names=2)


def _at_a_fixed_rate(samples: Samples) -> Table:
    case = CENTRAL.name

    def row(name: str) -> Sequence[str]:
        return (
            name,
            _told(samples.median(case, name, "paced_p50_us"), _whole),
            _told(samples.median(case, name, "paced_p99_us"), _whole),
            _told(samples.difference(case, name, DIRECT, "paced_p50_us"), _whole),
            _told(samples.difference(case, name, DIRECT, "paced_p99_us"), _whole),
        )

    headings = ("", "p50 us", "p99 us", "added to p50", "added to p99")
    names = samples.subjects(case) if DIRECT in samples.subjects(case) else ()
    return Table("Latency at a fixed rate", headings, [row(name) for name in names])


def _variations(samples: Samples, plan: Sequence[Series]) -> Table:
    cases = [each.case.name for each in plan if each.part is Part.VARIATIONS]
    measured = dict.fromkeys(name for case in cases for name in samples.subjects(case))
    names = [name for name in measured if name != GATEWAY]

    def row(case: str) -> Sequence[str]:
        def told(figure: str, how: Callable[[float], str]) -> str:
            return _told(samples.median(case, GATEWAY, figure), how)

        others: list[str] = []
        for name in names:
            others.append(_told(samples.median(case, name, "cpu_us"), _one))
            others.append(_ratio(samples, case, GATEWAY, name, "cpu_us"))
        rest = (told("requests_per_second", _whole), told("p50_us", _milliseconds))
        return (case, told("cpu_us", _one), *others, *rest, told("p99_us", _milliseconds))

    headings = ["one thing changed", "keywright, cpu us/request"]
    for name in names:
        headings += [name, "keywright over it"]
    headings += ["keywright, requests/s", "p50 ms", "p99 ms"]
    rows = [row(case) for case in (CENTRAL.name, *cases) if measured and samples.subjects(case)]
    return Table("One thing changed at a time", headings, rows)


def _cold(samples: Samples, plan: Sequence[Series]) -> Table:
    def rows() -> Iterator[Sequence[str]]:
        for case in (each.case.name for each in plan if each.part is Part.COLD):
            for name in samples.subjects(case):
                yield (
                    name,
                    _told(samples.median(case, name, "requests_per_second"), _whole),
                    _told(samples.median(case, name, "cpu_us"), _whole),
                    _told(samples.median(case, name, "p50_us"), _milliseconds),
                    _told(samples.median(case, name, "p99_us"), _milliseconds),
                )

    headings = ("", "first uses/s", "cpu us/first use", "p50 ms", "p99 ms")
    return Table("Cold: the first use of each key, nothing in Redis or memory", headings, [*rows()])


def _workers(samples: Samples, plan: Sequence[Series]) -> Table:
    def rows() -> Iterator[Sequence[str]]:
        for case in (each.case.name for each in plan if each.part is Part.WORKERS):
            for name in samples.subjects(case):
                yield (
                    name,
                    _told(samples.median(case, name, "requests_per_second"), _whole),
                    _ratio(samples, case, name, ONE_WORKER, "requests_per_second"),
                    _told(samples.median(case, name, "cpu_us"), _one),
                    _told(samples.median(case, name, "p99_us"), _milliseconds),
                )

    headings = ("", "requests/s", "over one worker", "cpu us/request", "p99 ms")
    title = "Workers, on the processors that load, upstream and Redis use, too"
    return Table(title, headings, [*rows()])


def _memory(memory: Memory) -> Table:
    def row(name: str, resident: int, own: int) -> Sequence[str]:
        return (name, f"{resident / _MIB:.0f}", f"{own / _MIB:.0f}")

    headings = ("one worker", "resident MiB", "of it not pages of files")
    return Table(
        f"Memory with {memory.keys:,} known keys",
        headings,
        [
            row("before", memory.before, memory.own_before),
            row("when each was used once", memory.after, memory.own_after),
            ("for each key", "", f"{memory.per_key:.0f} bytes"),
        ],
    )


def _ratio(samples: Samples, case: str, one: str, other: str, figure: str) -> str:
    return _told(samples.ratio(case, one, other, figure), _two)


def _told(value: float | None, how: Callable[[float], str]) -> str:
    return _NONE if value is None else how(value)


def _one(value: float) -> str:
    return f"{value:,.1f}"


def _two(value: float) -> str:
    return f"{value:.2f}"


def _whole(value: float) -> str:
    return f"{value:,.0f}"


def _milliseconds(microseconds: float) -> str:
    return f"{microseconds / 1000:.2f}"
