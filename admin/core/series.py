"""What usage amounts to: sums, and latencies, by time and by what tells requests apart. Pure."""

__all__ = ["Bucket", "Figures", "Group", "Report", "RolledUp", "report_of"]

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from admin.core.span import Span
from gateway.core.latency import Latency
from gateway.core.record import AUTHORIZED, SERVED, VERIFIED

_SHARES: Final = (0.5, 0.95, 0.99)
# Not refused by us: passed on, or found good for somebody else to pass on.
_LET_THROUGH: Final = frozenset({SERVED, AUTHORIZED, VERIFIED})


class RolledUp(NamedTuple):
    """Requests of one bucket that agree in route, status class and outcome. `sketch` is a Latency's bytes."""

    at: int
    route: str
    status_class: int
    outcome: str
    requests: int
    bytes_in: int
    bytes_out: int
    duration_us: int
    sketch: bytes


@dataclass(frozen=True, slots=True)
class Figures:
    """What some requests amount to; milliseconds are None where there were none.

    `refused` are those that Keywright itself did not let through; quantiles are right within one percent.
    """

    requests: int = 0
    refused: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    mean_ms: float | None = None
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Bucket:
    """The requests that began from `at` on (seconds since the epoch), until the next bucket begins.

    `statuses` are how many there were of each class of status, such as "2xx".
    """

    at: int
    figures: Figures
    statuses: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Group:
    """The requests that agree in something, by its name."""

    name: str
    figures: Figures


@dataclass(frozen=True, slots=True)
class Report:
    """A span with everything that was used in it: all buckets, empty ones too; groups by their size."""

    span: Span
    totals: Figures
    series: tuple[Bucket, ...]
    by_route: tuple[Group, ...]
    by_outcome: tuple[Group, ...]
    by_status: tuple[Group, ...]


def report_of(span: Span, rows: Iterable[RolledUp]) -> Report:
    """What the rows of this span and step amount to."""
    at: dict[int, _Tally] = {}
    kinds: dict[tuple[str, int, str], _Tally] = {}
    for row in rows:
        at.setdefault(row.at, _Tally()).add(row)
        kinds.setdefault((row.route, row.status_class, row.outcome), _Tally()).add(row)
    return Report(
        span,
        _together(kinds.values()).figures(),
        tuple(_bucket(start, at.get(start)) for start in span.starts()),
        _groups(kinds, lambda kind: kind[0]),
        _groups(kinds, lambda kind: kind[2]),
        _groups(kinds, lambda kind: _class(kind[1])),
    )


@dataclass(slots=True)
class _Tally:
    requests: int = 0
    refused: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    duration_us: int = 0
    statuses: dict[str, int] = field(default_factory=dict)
    sketches: list[bytes] = field(default_factory=list)
    latency: Latency | None = None

    def add(self, row: RolledUp) -> None:
        """Count a row, too."""
        self.requests += row.requests
        self.refused += 0 if row.outcome in _LET_THROUGH else row.requests
        self.bytes_in += row.bytes_in
        self.bytes_out += row.bytes_out
        self.duration_us += row.duration_us
        name = _class(row.status_class)
        self.statuses[name] = self.statuses.get(name, 0) + row.requests
        self.sketches.append(row.sketch)

    def merge(self, other: "_Tally") -> None:
        """Count all that `other` has, too."""
        self.requests += other.requests
        self.refused += other.refused
        self.bytes_in += other.bytes_in
        self.bytes_out += other.bytes_out
        self.duration_us += other.duration_us
        self.merged().merge(other.merged())

    def merged(self) -> Latency:
        """All latencies."""
        if self.latency is None:
            # Bytes behind bytes are both: read once, however many rows there are.
            self.latency = Latency.from_bytes(*self.sketches)
        return self.latency

    def figures(self) -> Figures:
        """What it amounts to."""
        p50, p95, p99 = map(_milliseconds, self.merged().quantiles(_SHARES))
        return Figures(
            requests=self.requests,
            refused=self.refused,
            bytes_in=self.bytes_in,
            bytes_out=self.bytes_out,
            mean_ms=round(self.duration_us / self.requests / 1000, 3) if self.requests else None,
            p50_ms=p50,
            p95_ms=p95,
            p99_ms=p99,
        )


def _bucket(start: int, tally: _Tally | None) -> Bucket:
    if tally is None:
        return Bucket(start, Figures(), {})
    return Bucket(start, tally.figures(), dict(sorted(tally.statuses.items())))


def _groups(
    kinds: Mapping[tuple[str, int, str], _Tally], name_of: Callable[[tuple[str, int, str]], str]
) -> tuple[Group, ...]:
    named: dict[str, list[_Tally]] = {}
    for kind, tally in kinds.items():
        named.setdefault(name_of(kind), []).append(tally)
    groups = [Group(name, _together(tallies).figures()) for name, tallies in named.items()]
    return tuple(sorted(groups, key=lambda group: (-group.figures.requests, group.name)))


def _together(tallies: Iterable[_Tally]) -> _Tally:
    whole = _Tally()
    for tally in tallies:
        whole.merge(tally)
    return whole


def _class(status_class: int) -> str:
    return f"{status_class}xx"


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)
