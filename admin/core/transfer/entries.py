"""What is read from a file of keys: one entry for each key, in the words of the admin API's import line."""

__all__ = ["SYNONYMS", "Entry", "Hints", "refused"]

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

# How others call the value in their files.
SYNONYMS: Mapping[str, str] = {
    "key": "value",
    "api_key": "value",
    "apikey": "value",
    "env": "environment",
    "scope": "scopes",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One key in a file, or why the line cannot be read. `fields` holds its value: it is never shown.

    `number` counts the file's lines from 1; `remarks` say what of the entry has no counterpart here.
    """

    number: int
    fields: Mapping[str, Any] = field(default_factory=dict, repr=False)
    problem: str | None = None
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Hints:
    """What a file need not say: `account` and `scopes` for entries without, `known_scopes` to map groups to.

    `now` is seconds since the epoch, from which a time to live counts.
    """

    now: float
    account: str | None = None
    scopes: tuple[str, ...] = ()
    known_scopes: Collection[str] = ()


def refused(number: int, problem: str) -> Entry:
    """An entry that cannot be taken in."""
    return Entry(number, problem=problem)
