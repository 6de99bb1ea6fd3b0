"""What the commands about usage write line by line, as it comes."""

__all__ = ["point_lines", "print_as_they_come", "write_out"]

import sys
from collections.abc import Iterable, Iterator

from admin.cli.desk import Desk
from admin.cli.output import plain
from admin.cli.usage_words import request_line
from admin.core.csv_cells import csv_row
from admin.wire.usage import PointDocument, RequestDocument, UsageReport

_CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")
_FIELDS = tuple(name for name in PointDocument.model_fields if name not in {"at", "statuses"})


def write_out(parts: Iterable[bytes]) -> None:
    """Write the bytes of a file to standard output, part by part."""
    for part in parts:
        sys.stdout.write(part.decode())
        sys.stdout.flush()


def point_lines(report: UsageReport, *, is_csv: bool) -> Iterator[bytes]:
    """The points of a report, one a line; in CSV with a line of names before them."""
    if not is_csv:
        yield from (f"{point.model_dump_json()}\n".encode() for point in report.series)
        return
    yield csv_row(("at", *_FIELDS, *_CLASSES)).encode()
    for point in report.series:
        document = point.model_dump(mode="json")
        counts = (point.statuses.get(name, 0) for name in _CLASSES)
        yield csv_row((document["at"], *(document[name] for name in _FIELDS), *counts)).encode()


def print_as_they_come(
    desk: Desk, coming: Iterable[RequestDocument], *, is_of_account: bool, is_jsonl: bool = False
) -> None:
    """A line for each request, written at once."""
    for request in coming:
        if is_jsonl:
            sys.stdout.write(request.model_dump_json() + "\n")
            sys.stdout.flush()
        else:
            desk.output.line(plain(request_line(request, is_of_account=is_of_account)))
