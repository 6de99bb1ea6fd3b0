"""JSONL (RFC 8259, one object a line): what `keys export` writes."""

__all__ = ["read_jsonl"]

import json
from collections.abc import Iterable, Iterator

from admin.core.transfer.entries import SYNONYMS, Entry, Hints, refused
from admin.core.transfer.lines import Line


def read_jsonl(lines: Iterable[Line], hints: Hints) -> Iterator[Entry]:
    """One entry for each line."""
    for line in lines:
        yield refused(line.number, line.problem) if line.problem else _entry(line, hints)


def _entry(line: Line, hints: Hints) -> Entry:
    try:
        found = json.loads(line.text)
    except (ValueError, RecursionError):
        # The parser's own words would do, but they are about characters, and one may be a key's.
        return refused(line.number, "The line is not one whole JSON object.")
    if not isinstance(found, dict):
        return refused(line.number, "The line is JSON, but not an object: it begins with '{'.")
    if not found:
        return refused(line.number, "The object is empty.")
    fields = {SYNONYMS.get(name, name): content for name, content in found.items()}
    if len(fields) < len(found):
        return refused(line.number, "The line names one field twice, such as 'key' and 'value'.")
    if hints.account is not None:
        fields.setdefault("account", hints.account)
    if hints.scopes and not fields.get("scopes") and not fields.get("secrets"):
        fields["scopes"] = hints.scopes
    return Entry(line.number, fields)
