"""What a time's usage looks like: the charts of a report, and its groups as rows. Pure."""

__all__ = ["WINDOWS", "Share", "Window", "charts", "shares", "window_of"]

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Final, NamedTuple

from markupsafe import Markup

from admin.console.charts import Chart, Kind, Series, drawn
from admin.console.figures import latency, short
from admin.wire.usage import GroupDocument, PointDocument, UsageReport


@dataclass(frozen=True, slots=True)
class Window:
    """A time that is looked back on, and by which step."""

    name: str
    words: str
    since: str
    step: str
    label: str
    moment: str


WINDOWS: Final = (
    Window("hour", "Last hour", "1h", "minute", "%H:%M", "%H:%M UTC"),
    Window("day", "Last day", "24h", "hour", "%H:%M", "%Y-%m-%d %H:%M UTC"),
    Window("month", "Last 30 days", "30d", "day", "%d %b", "%Y-%m-%d"),
)
_BY_NAME: Final[Mapping[str, Window]] = {one.name: one for one in WINDOWS}
# Which statuses each bar stands for.
_BARS: Final = (
    ("Done", "served", ("1xx", "2xx", "3xx")),
    ("Refused", "refused", ("4xx",)),
    ("Failed", "failed", ("5xx",)),
)
_ROWS_MAX: Final = 10


class Share(NamedTuple):
    """One group of requests, and its share of all."""

    name: str
    requests: int
    share: float
    p95_ms: float | None


def window_of(name: str | None) -> Window:
    """The window of that name; the day for any other."""
    return _BY_NAME.get(name or "", _BY_NAME["day"])


def charts(report: UsageReport, window: Window) -> tuple[Markup, ...]:
    """Requests by what became of them, and how long they took."""
    return (
        drawn(_requests(report.series, window)),
        drawn(_latencies(report.series, window)),
    )


def shares(groups: Iterable[GroupDocument], left_out: Sequence[str] = ()) -> list[Share]:
    """The largest groups first, without those that are `left_out`."""
    kept = [one for one in groups if one.name not in left_out]
    whole = sum(one.requests for one in kept) or 1
    rows = [Share(one.name, one.requests, one.requests / whole, one.p95_ms) for one in kept]
    return sorted(rows, key=lambda row: -row.requests)[:_ROWS_MAX]


def _requests(points: Sequence[PointDocument], window: Window) -> Chart:
    every = sum(point.requests for point in points)
    return Chart(
        id="chart-requests",
        title=f"Requests, {window.words.lower()}",
        description=f"Requests of each {window.step} by what became of them: {every} in all.",
        kind=Kind.BARS,
        labels=_written(points, window.label),
        moments=_written(points, window.moment),
        series=[
            Series(name, look, [_count(point, statuses) for point in points])
            for name, look, statuses in _BARS
        ],
        written=short,
    )


def _latencies(points: Sequence[PointDocument], window: Window) -> Chart:
    return Chart(
        id="chart-latency",
        title=f"Latency, {window.words.lower()}",
        description=f"How long half, 95 and 99 of 100 requests of each {window.step} took at most.",
        kind=Kind.LINES,
        labels=_written(points, window.label),
        moments=_written(points, window.moment),
        series=[
            Series("p50", "p50", [point.p50_ms for point in points]),
            Series("p95", "p95", [point.p95_ms for point in points]),
            Series("p99", "p99", [point.p99_ms for point in points]),
        ],
        written=latency,
    )


def _count(point: PointDocument, statuses: Iterable[str]) -> int:
    return sum(point.statuses.get(one, 0) for one in statuses)


def _written(points: Iterable[PointDocument], form: str) -> list[str]:
    return [point.at.astimezone(UTC).strftime(form) for point in points]
