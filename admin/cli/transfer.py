"""`keywright keys import` and `export`: keys from elsewhere, and to elsewhere."""

__all__ = ["register"]

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, TextIO

import typer

from admin.cli.desk import Desk, command
from admin.cli.faults import REFUSED
from admin.cli.files import Source, opened, private_file
from admin.cli.options import Account
from admin.cli.output import plain, table
from admin.cli.progress import LongWork
from admin.client import ClientError
from admin.client.calls.records import list_plans
from admin.client.calls.transfer import export_keys, import_keys
from admin.core.page import PAGE_MAX
from admin.core.transfer.entries import Entry, Hints
from admin.core.transfer.formats import Format, detected, read
from admin.operations.importing import Importing, Told
from admin.wire.transfer import ExportLine, ImportedLine, ImportLine
from gateway.clock import SystemClock
from gateway.core.errors import KeywrightError

Send = Callable[[Sequence[ImportLine]], Sequence[ImportedLine]]


def take_in(  # noqa: PLR0913 -- one parameter for each option
    desk: Desk,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file; - for standard input.")],
    *,
    kind: Annotated[
        Format | None,
        typer.Option(
            "--format", help="What is in it; otherwise found by the content.", show_default=False
        ),
    ] = None,
    account: Annotated[
        str | None,
        typer.Option(metavar="ID", help="The account of lines that name none.", show_default=False),
    ] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(
            help="What keys may do whose lines do not say; repeat for more. Otherwise read-only.",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would happen, and change nothing.")
    ] = False,
) -> None:
    """Take in keys that were made elsewhere: CSV, JSONL (as `keys export` writes it), or Kong's YAML.

    Their holders notice nothing: the values keep working. The same file again changes nothing.
    """

    def send(lines: Sequence[ImportLine]) -> Sequence[ImportedLine]:
        return desk.ask(import_keys(lines=lines, dry_run=dry_run)).results

    work = Importing()
    with opened(file) as source:
        format_ = kind or detected(source.head)
        hints = Hints(
            SystemClock().now(),
            account,
            tuple(scope or ()),
            _known_scopes(desk) if format_ is Format.KONG else (),
        )
        _run(work, send, source, read(format_, source.lines(), hints), dry_run=dry_run)
    _tell(desk, work, dry_run=dry_run)
    if work.refused:
        raise typer.Exit(REFUSED)


def _known_scopes(desk: Desk) -> Sequence[str]:
    return [scope.name for scope in desk.ask(list_plans()).scopes]


def _run(
    work: Importing, send: Send, source: Source, entries: Iterator[Entry], *, dry_run: bool
) -> None:
    with LongWork(source.size, SystemClock()) as shown:
        try:
            for batch in work.batches(entries):
                work.settle(send(batch) if batch else ())
                shown.reached(source.position, f"{work.settled} lines")
        except (ClientError, KeywrightError):
            if work.through and not dry_run:
                sys.stderr.write(
                    f"note: the lines up to {work.through} are settled; the same command again goes on from there\n"
                )
            raise


def _tell(desk: Desk, work: Importing, *, dry_run: bool) -> None:
    counted = {name: work.counts[name] for name in ("created", "unchanged", "refused")}
    begin = "Nothing was changed; it would be: " if dry_run else ""
    said = [plain(begin + ", ".join(f"{count} {name}" for name, count in counted.items()) + ".")]
    desk.output.show(
        {
            **counted,
            "dry_run": dry_run,
            "refused_lines": [_told(one) for one in work.refused],
            "remarks": [_told(one) for one in work.remarks],
        },
        *said,
        *([table(("line", "why"), work.refused)] if work.refused else []),
    )
    if not desk.output.is_json:
        for number, text in work.remarks:
            desk.output.note(f"line {number}: {text}")


def _told(one: Told) -> dict[str, object]:
    return {"line": one.number, "text": one.text}


def give_out(
    desk: Desk,
    *,
    account: Account = None,
    deleted: Annotated[
        bool, typer.Option("--deleted", help="Those too that were deleted.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="Where to; only you will be able to read it. Otherwise standard output.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Write keys as JSONL for another installation: with their hashes, without anything that a caller could send."""
    lines = _exported(desk, account, deleted=deleted)
    if out is not None:
        with private_file(out) as file:
            count = _write(lines, file)
        desk.output.show({"count": count, "file": str(out)}, plain(f"Wrote {count} keys to {out}."))
    elif desk.output.is_json:
        desk.output.show({"lines": [json.loads(_written(line)) for line in lines]})
    else:
        _write(lines, sys.stdout)


def _exported(desk: Desk, account: str | None, *, deleted: bool) -> Iterator[ExportLine]:
    cursor = None
    while True:
        page = desk.ask(
            export_keys(account=account, deleted=deleted, limit=PAGE_MAX, cursor=cursor)
        )
        yield from page.lines
        cursor = page.next_cursor
        if cursor is None:
            return


def _write(lines: Iterator[ExportLine], file: TextIO) -> int:
    count = 0
    with LongWork(None, SystemClock()) as shown:
        for line in lines:
            file.write(_written(line) + "\n")
            count += 1
            shown.reached(count, f"{count} keys")
    file.flush()
    return count


def _written(line: ExportLine) -> str:
    # Where the line stands is for its reader to count.
    return line.model_dump_json(exclude={"number"}, exclude_none=True)


def register(group: typer.Typer) -> None:
    """Make these commands of the group."""
    command(group, "import")(take_in)
    command(group, "export")(give_out)
