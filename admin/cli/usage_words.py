"""How usage is told."""

__all__ = ["report_said", "request_line", "request_row", "size"]

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from admin.cli.output import Said, plain, table
from admin.cli.times import told
from admin.wire.usage import FiguresDocument, GroupDocument, RequestDocument, UsageReport

_UNITS = ((1024**4, "TiB"), (1024**3, "GiB"), (1024**2, "MiB"), (1024, "KiB"))


def request_row(
    request: RequestDocument, now: datetime, *, is_of_account: bool = False
) -> dict[str, str]:
    """A finished request for a list; an account's say whose they are."""
    return {
        "when": told(request.at, now),
        **({"key": request.key} if is_of_account else {}),
        "method": request.method,
        "path": request.path,
        "route": request.route or "-",
        "status": str(request.status),
        "outcome": request.outcome,
        "took": f"{request.duration_ms:.1f} ms",
        "in": size(request.bytes_in),
        "out": size(request.bytes_out),
        "address": request.address,
    }


def request_line(request: RequestDocument, *, is_of_account: bool) -> str:
    """A request that has just come in."""
    at = request.at.astimezone(UTC).strftime("%H:%M:%S.%f")[:-3]
    parts = (
        at,
        *([request.key] if is_of_account else []),
        request.method,
        request.path,
        str(request.status),
        request.outcome,
        f"{request.duration_ms:.1f} ms",
        request.address,
        request.request_id,
    )
    return "  ".join(parts)


def report_said(report: UsageReport) -> Iterator[Said]:
    """Sums, groups, and the points that are not empty."""
    begin, end = (_at(moment) for moment in (report.from_, report.to))
    yield plain(f"From {begin} to {end} UTC, by the {report.step}:")
    yield plain("")
    yield _table("", [("altogether", report.totals)])
    for name, groups in (
        ("route", report.by_route),
        ("outcome", report.by_outcome),
        ("status", report.by_status),
    ):
        if groups:
            yield plain("")
            yield _table(name, [(_group(each), each) for each in groups])
    points = [(_at(point.at), point) for point in report.series if point.requests]
    if points:
        yield plain("")
        yield _table("from", points)


def _table(name: str, rows: Sequence[tuple[str, FiguresDocument]]) -> Said:
    columns = (name, "requests", "refused", "in", "out", "mean", "p50", "p95", "p99")
    spare = ("in", "mean", "p50", "out")
    return table(columns, [(title, *_figures(figures)) for title, figures in rows], spare)


def _figures(figures: FiguresDocument) -> Iterator[str]:
    yield str(figures.requests)
    yield str(figures.refused)
    yield size(figures.bytes_in)
    yield size(figures.bytes_out)
    for value in (figures.mean_ms, figures.p50_ms, figures.p95_ms, figures.p99_ms):
        yield "-" if value is None else f"{value:.1f} ms"


def _group(group: GroupDocument) -> str:
    return group.name or "-"


def _at(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M")


def size(count: int) -> str:
    """`2.0 KiB`."""
    unit_size, unit = next(((each, unit) for each, unit in _UNITS if count >= each), (1, "B"))
    return f"{count} B" if unit_size == 1 else f"{count / unit_size:.1f} {unit}"
