"""A mistake in the settings, as the operator reads it: where it is, what is wrong, what would be right."""

__all__ = [
    "FieldPath",
    "Problem",
    "SettingsError",
    "did_you_mean",
    "field_text",
    "listed",
    "nearest",
]

import difflib
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from gateway.core.errors import Misuse

FieldPath = tuple[str | int, ...]

_PLAIN = re.compile(r"[A-Za-z0-9_/-]+")


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake (or remark). `file` is the file's path or the name of an environment variable.

    `line` counts from 1; None when there is no one line. `field` is empty when it is about the whole file.
    """

    file: str
    line: int | None
    field: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        """`file:line: field: message; hint`, leaving out what is not there."""
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        text = f"{self.message}; {self.hint}" if self.hint else self.message
        line = ": ".join(part for part in (place, self.field, text) if part)
        # One problem is one line, and a file cannot write control sequences to a terminal.
        return "".join(
            letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in line
        )


class SettingsError(Misuse):
    """The settings cannot be used. `problems` has every mistake, in the order of the file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """The exception's text is one line per problem."""
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


def field_text(path: FieldPath) -> str:
    """`("routes", 1, "upstream")` as it is printed: `routes[1].upstream`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _PLAIN.fullmatch(part):
            text += f".{part}" if text else part
        else:
            text += f'["{part}"]'
    return text


def listed(names: Collection[str]) -> str:
    """`a, b, c`, or `none`."""
    return ", ".join(names) or "none"


def did_you_mean(name: str, known: Collection[str]) -> str:
    """`did you mean "x"?` for the nearest of `known`; empty when none is near."""
    near = nearest(name, known)
    return f'did you mean "{near}"?' if near else ""


def nearest(name: str, known: Collection[str]) -> str:
    """The one of `known` that `name` is most likely a slip of; empty when none is near."""
    by_letters = {one.lower().replace("-", "_"): one for one in known}
    wanted = name.lower().replace("-", "_")
    found = difflib.get_close_matches(wanted, by_letters, n=1, cutoff=0.6)
    return by_letters[found[0]] if found else ""
