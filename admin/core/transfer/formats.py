"""Which kind of file it is, and the reader for it."""

__all__ = ["HEAD_BYTES", "Format", "detected", "read"]

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum

from admin.core.transfer.csv_rows import read_csv
from admin.core.transfer.entries import Entry, Hints
from admin.core.transfer.jsonl import read_jsonl
from admin.core.transfer.kong import read_kong
from admin.core.transfer.lines import Line, numbered

# As much as `detected` wants to see of a file.
HEAD_BYTES = 65_536

_OF_KONG = re.compile(
    rb"^[\"' \t{]*(_format_version|_transform|_info|consumers|keyauth_credentials)[\"']?\s*:",
    re.MULTILINE,
)


class Format(StrEnum):
    """What `--format` takes."""

    CSV = "csv"
    JSONL = "jsonl"
    KONG = "kong"


def detected(head: bytes) -> Format:
    """The format of a file that begins so."""
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b"{") and _is_line_of_keys(start.partition(b"\n")[0]):
        return Format.JSONL
    if _OF_KONG.search(head.removeprefix(b"\xef\xbb\xbf")):
        return Format.KONG
    # A damaged first line of JSON is better told as one than as a header without columns.
    return Format.JSONL if start.startswith(b"{") else Format.CSV


def _is_line_of_keys(line: bytes) -> bool:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and not {"_format_version", "consumers"} & found.keys()


def read(format_: Format, lines: Iterable[bytes], hints: Hints) -> Iterator[Entry]:
    """The file's entries, one by one. Raises Misuse when it cannot be read as a whole.

    CSV and JSONL are read line by line, whatever the file's length; Kong's is held in memory.
    """
    return _READERS[format_](numbered(lines), hints)


_READERS: Mapping[Format, Callable[[Iterable[Line], Hints], Iterator[Entry]]] = {
    Format.CSV: read_csv,
    Format.JSONL: read_jsonl,
    Format.KONG: read_kong,
}
