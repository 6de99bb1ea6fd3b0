"""`keywright usage`: what a key has been used for of late."""

__all__ = ["usage"]

from typing import Annotated

import typer

from admin.cli.options import ConfigFile, Json
from admin.cli.output import Output, plain, table
from admin.cli.times import timestamp, told
from admin.cli.wiring import call, local_operator
from gateway.clock import SystemClock
from gateway.core.record import UsageRecord

_COLUMNS = ("when", "method", "path", "route", "status", "outcome", "took", "in", "out", "address")
_UNITS = ((1024**3, "GiB"), (1024**2, "MiB"), (1024, "KiB"))


def usage(
    key: Annotated[str, typer.Argument(metavar="KEY", help="The key's id, key_….")],
    *,
    last: Annotated[
        int, typer.Option(metavar="N", min=1, max=1000, help="How many requests.")
    ] = 20,
    config: ConfigFile = None,
    is_json: Json = False,
) -> None:
    """Show a key's latest requests, newest first."""
    found = call(config, lambda services: services.usage.latest(local_operator(), key, last))
    now = SystemClock().now()
    Output.to_stdout(is_json=is_json).show(
        {"id": key, "requests": [_document(record) for record in found]},
        table(_COLUMNS, [_row(record, now) for record in found])
        if found
        else plain(
            "No request of this key has been recorded yet; they appear within a second or two."
        ),
    )


def _row(record: UsageRecord, now: float) -> tuple[str, ...]:
    return (
        told(record.at, now),
        record.method,
        record.path,
        record.route or "-",
        str(record.status),
        record.outcome,
        f"{record.duration_seconds * 1000:.1f} ms",
        _size(record.bytes_in),
        _size(record.bytes_out),
        record.address,
    )


def _document(record: UsageRecord) -> dict[str, object]:
    return {
        "at": timestamp(record.at),
        "request_id": record.request_id,
        "method": record.method,
        "path": record.path,
        "route": record.route,
        "status": record.status,
        "outcome": record.outcome,
        "duration_ms": round(record.duration_seconds * 1000, 3),
        "bytes_in": record.bytes_in,
        "bytes_out": record.bytes_out,
        "address": record.address,
    }


def _size(count: int) -> str:
    size, unit = next(((size, unit) for size, unit in _UNITS if count >= size), (1, "B"))
    return f"{count} B" if size == 1 else f"{count / size:.1f} {unit}"
