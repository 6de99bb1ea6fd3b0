"""CSV (RFC 4180) with a header row. One line is one key: no cell of a key can hold a line break."""

__all__ = ["read_csv"]

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from admin.core.transfer.entries import SYNONYMS, Entry, Hints, refused
from admin.core.transfer.lines import Line
from gateway.core.errors import Misuse

# Excel writes semicolons where the comma divides a number.
_DELIMITERS = (",", ";", "\t")
_TEXTS = frozenset(
    {"account", "account_name", "plan", "name", "value", "id", "type", "environment", "status"}
)
_LISTS = frozenset({"scopes", "allowed_ips", "allowed_origins"})
_TIMES = frozenset({"not_before", "expires_at"})
_LIMITS = "limits"
_METADATA: Final = "metadata."
_COLUMNS = (*sorted(_TEXTS), *sorted(_LISTS), *sorted(_TIMES), _LIMITS, f"{_METADATA}…")
_BETWEEN = re.compile(r"[;\s]+")
_LIMIT = re.compile(r"(?:([^:/]+):)?([0-9]{1,10})/([0-9]{1,10})([smhd]?)")
_UNIT_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}

Row = tuple[str, ...]


class _Unreadable(Exception):
    """Why a row cannot be read, in words without its content."""


def read_csv(lines: Iterable[Line], hints: Hints) -> Iterator[Entry]:
    """One entry for each row after the header. Raises Misuse if there is no header that names the columns."""
    rows = iter(lines)
    header = next(rows, None)
    if header is None:
        return
    if header.problem is not None:
        raise Misuse(f"Line {header.number}: {header.problem}")
    delimiter, columns = _columns(header, hints)
    for line in rows:
        try:
            yield _entry(line, columns, delimiter, hints)
        except _Unreadable as why:
            yield refused(line.number, str(why))


def _columns(header: Line, hints: Hints) -> tuple[str, Row]:
    """The delimiter under which most columns are known, and the columns."""
    found = max((_named(header.text, each) for each in _DELIMITERS), key=_known_count)
    delimiter, names = found
    needed = {"value", "name"} | (set() if hints.account is not None else {"account"})
    if missing := needed.difference(names):
        # What stands there is not repeated: without a header it is a key.
        raise Misuse(
            f"Line {header.number} of a CSV file names the columns, and {_and(missing)} is missing there."
            f" There are: {', '.join(_COLUMNS)}."
        )
    strange = [name for name in names if not _is_known(name)]
    if strange:
        raise Misuse(
            f"Line {header.number}: there is no column {', '.join(map(repr, strange))}."
            f" There are: {', '.join(_COLUMNS)}. 'metadata.NAME' keeps any other text with the key."
        )
    if len(set(names)) < len(names):
        raise Misuse(f"Line {header.number} names a column twice.")
    return delimiter, names


def _named(text: str, delimiter: str) -> tuple[str, Row]:
    try:
        names = _cells(text, delimiter)
    except _Unreadable:
        return delimiter, ()
    return delimiter, tuple(_column(name) for name in names)


def _column(name: str) -> str:
    if name.lower().startswith(_METADATA):
        return _METADATA + name[len(_METADATA) :]
    plain = name.lower().replace(" ", "_").replace("-", "_")
    return SYNONYMS.get(plain, plain)


def _known_count(found: tuple[str, Row]) -> int:
    return sum(map(_is_known, found[1]))


def _is_known(name: str) -> bool:
    if name.startswith(_METADATA):
        return len(name) > len(_METADATA)
    return name in _TEXTS or name in _LISTS or name in _TIMES or name == _LIMITS


def _and(names: Iterable[str]) -> str:
    return " and ".join(sorted(names))


def _cells(text: str, delimiter: str) -> Row:
    try:
        # One line at a time, so that a quote that is never closed costs one line, not the rest of the file.
        (cells,) = csv.reader([text], delimiter=delimiter, strict=True, skipinitialspace=True)
    except (csv.Error, ValueError):
        raise _Unreadable(
            "The quotes of this line do not match. A cell is quoted as a whole, a quote in it is written twice,"
            " and it ends on its own line."
        ) from None
    # Outer spaces cannot be sent in a header field: they are the file's, not the value's.
    return tuple(cell.strip() for cell in cells)


def _entry(line: Line, columns: Row, delimiter: str, hints: Hints) -> Entry:
    if line.problem is not None:
        return refused(line.number, line.problem)
    cells = _cells(line.text, delimiter)
    if not any(cells):
        return refused(line.number, "All cells of this line are empty.")
    if len(cells) != len(columns):
        raise _Unreadable(
            f"The line has {len(cells)} cells, the header names {len(columns)} columns."
            f" Quote a cell that holds a {_DELIMITER_NAMES[delimiter]}."
        )
    fields = _fields(columns, cells)
    if hints.account is not None:
        fields.setdefault("account", hints.account)
    if hints.scopes:
        fields.setdefault("scopes", hints.scopes)
    return Entry(line.number, fields)


_DELIMITER_NAMES = {",": "comma", ";": "semicolon", "\t": "tab"}


def _fields(columns: Row, cells: Sequence[str]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    metadata = {}
    for column, cell in zip(columns, cells, strict=True):
        if not cell:
            continue
        if column.startswith(_METADATA):
            metadata[column.removeprefix(_METADATA)] = cell
        else:
            fields[column] = _READERS.get(column, _as_text)(column, cell)
    if metadata:
        fields["metadata"] = metadata
    return fields


def _as_text(_: str, cell: str) -> str:
    return cell


def _as_list(_: str, cell: str) -> Row:
    return tuple(part for part in _BETWEEN.split(cell) if part)


def _as_time(column: str, cell: str) -> str:
    try:
        moment = datetime.fromisoformat(cell)
    except ValueError:
        raise _Unreadable(
            f"{column} is no time: write it as 2030-12-31 or 2030-12-31T18:00:00+01:00."
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()


def _as_limits(_: str, cell: str) -> list[Mapping[str, Any]]:
    return [_limit(part) for part in _BETWEEN.split(cell) if part]


def _limit(text: str) -> Mapping[str, Any]:
    found = _LIMIT.fullmatch(text)
    if found is None:
        raise _Unreadable("limits: write 1000/60s, or NAME:1000/60s for one that has a name.")
    name, quota, window, unit = found.groups()
    return {
        "name": name or "default",
        "quota": int(quota),
        "window": int(window) * _UNIT_SECONDS[unit],
    }


_READERS: Mapping[str, Callable[[str, str], Any]] = {
    **dict.fromkeys(_LISTS, _as_list),
    **dict.fromkeys(_TIMES, _as_time),
    _LIMITS: _as_limits,
}
