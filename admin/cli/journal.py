"""`keywright journal`: usage on its way into the database."""

__all__ = ["journal"]

import asyncio
import dataclasses
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from admin.cli.options import ConfigFile, Json
from admin.cli.output import Output, plain
from admin.cli.progress import LongWork
from admin.cli.wiring import settings_of
from admin.plane.shipping import Shipped, ship_usage
from gateway.clock import SystemClock
from gateway.core.errors import Misuse
from gateway.core.journal import Entry, decoded, entries
from gateway.core.record import UsageRecord
from gateway.settings import Settings

journal = typer.Typer(
    help="Usage that is on its way into the database.", no_args_is_help=True, add_completion=False
)


@journal.command()
def cat(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file of the journal, ….kwj.")],
) -> None:
    """Print a file of the journal, one JSON object for each entry; damage is told on standard error."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise Misuse(f"{file} cannot be read ({error.strerror}).") from error
    for line in _lines(data):
        sys.stdout.write(f"{json.dumps(line)}\n")


@journal.command()
def ship(*, config: ConfigFile = None, is_json: Json = False) -> None:
    """Ship what a gateway that has ended left in its journal into the database."""
    shipped = asyncio.run(_ship(settings_of(config)))
    unreadable = f" {shipped.damaged} entries could not be read." if shipped.damaged else ""
    Output.to_stdout(is_json=is_json).show(
        shipped._asdict(), plain(f"Shipped {shipped.records} records.{unreadable}")
    )


async def _ship(settings: Settings) -> Shipped:
    clock = SystemClock()
    with LongWork(None, clock) as work:

        def reached(done: int, whole: int, records: int) -> None:
            work.reached(done, f"{records} records", whole)

        return await ship_usage(settings, reached)


def _lines(data: bytes) -> Iterator[dict[str, object]]:
    for item in entries(data):
        if not isinstance(item, Entry):
            _warn(f"{item.length} bytes from byte {item.offset} on are no entry; skipped")
            continue
        try:
            said = decoded(item)
        except ValueError as error:
            _warn(f"entry {item.sequence} cannot be read: {error}")
            continue
        if isinstance(said, UsageRecord):
            yield {"sequence": item.sequence, **dataclasses.asdict(said)}
            continue
        rows = [
            {"minute": minute, "outcome": outcome, "total": total}
            for (minute, outcome), total in said.items()
        ]
        yield {"sequence": item.sequence, "refused": rows}


def _warn(text: str) -> None:
    sys.stderr.write(f"keywright: {text}\n")
