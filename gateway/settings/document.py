"""YAML read with the line of every field, and YAML's own mistakes told in plain words.

Scalars follow YAML 1.2: only `true` and `false` are booleans, so that `on`, `off`, `yes` and `no` are text
(as keys too), `010` is no octal number, `1:30` no sexagesimal one, and a date is text. Keys are always text.
"""

__all__ = ["Document", "Mark", "parse", "parse_file", "read_file", "whole"]

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import yaml

from gateway.settings.problems import FieldPath, Problem, field_text

# Far beyond any real file; they stop a device file, and an alias that unfolds without end.
_FILE_BYTES_MAX = 4 * 1024 * 1024
_VALUES_MAX = 200_000

_TAG = "tag:yaml.org,2002:"
_SCALARS = (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(?:0|[1-9][0-9_]*)", list("-+0123456789")),
    ("float", r"[-+]?(?:0|[1-9][0-9]*)\.[0-9]+(?:[eE][-+]?[0-9]+)?", list("-+0123456789")),
)

# What PyYAML says (a part of it), and what it means to the person who wrote the file.
_SYNTAX = (
    ("mapping values are not allowed", 'a ":" is not expected here; check the indentation, or put the value in quotes'),
    ("could not find expected ':'", 'this line has no ":" after its name, or a quote above it is not closed'),
    ("unexpected end of stream", "a quote that is opened here is never closed"),
    ("expected <block end>", "this line is indented differently from those above it"),
    ("expected ',' or '}'", 'a "," is missing here, or the "{" of line {first} is not closed'),
    ("expected ',' or ']'", 'a "," is missing here, or the "[" of line {first} is not closed'),
    ("expected the node content", 'a value is missing here, or a "[" or "{" is not closed'),
    ("found undefined alias", "an alias (*name) without its anchor (&name); put a text that begins with * in quotes"),
    ("while scanning an alias", "a text that begins with * must be in quotes"),
    ("while scanning an anchor", "a text that begins with & must be in quotes"),
    ("unknown escape character", "this backslash means nothing in double quotes; use single quotes"),
    ("that cannot start any token", "a value cannot begin with this character; put the value in quotes"),
    ("expected a single document", 'the file holds a second document after "---"; keep one'),
    ("special characters are not allowed", "the file holds a control character"),
)  # fmt: skip


class _Loader(yaml.SafeLoader):
    """Composes nodes with the scalars of YAML 1.2."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 -- PyYAML's own way of declaring it


for _kind, _pattern, _first in _SCALARS:
    _Loader.add_implicit_resolver(_TAG + _kind, re.compile(f"(?:{_pattern})$"), _first)


class Mark(NamedTuple):
    """Where a value was written: a file or an environment variable, and the line in the file."""

    source: str
    line: int | None


@dataclass(slots=True)
class Document:
    """The plain values of a file, where each was written, and what was wrong with it as YAML."""

    source: str
    data: object = field(default=None, repr=False)
    marks: dict[FieldPath, Mark] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def mark(self, path: FieldPath) -> Mark:
        """Where `path` was written, or else what it is part of."""
        for end in range(len(path), 0, -1):
            if (found := self.marks.get(path[:end])) is not None:
                return found
        return Mark(self.source, None)

    def problem(self, path: FieldPath, message: str, hint: str = "") -> Problem:
        """A problem at `path`, with its place."""
        return Problem(*self.mark(path), field_text(path), message, hint)

    def texts(self, path: FieldPath) -> list[tuple[FieldPath, str]]:
        """The texts of the list at `path`, each with its own path; nothing when there is no list."""
        value = self.get(path)
        items = value if isinstance(value, list) else []
        return [((*path, at), item) for at, item in enumerate(items) if isinstance(item, str)]

    def names(self, path: FieldPath) -> list[str]:
        """The names of the mapping at `path`; nothing when there is none."""
        value = self.get(path)
        return list(value) if isinstance(value, dict) else []

    def entries(self, path: FieldPath) -> list[FieldPath]:
        """The path of each entry of the list at `path`; nothing when there is no list."""
        value = self.get(path)
        return [(*path, at) for at in range(len(value))] if isinstance(value, list) else []

    def get(self, path: FieldPath) -> object:
        """The plain value at `path`; None when there is none."""
        value: object = self.data
        for part in path:
            if isinstance(value, dict):
                value = value.get(part)
            elif isinstance(value, list) and isinstance(part, int) and part < len(value):
                value = value[part]
            else:
                return None
        return value


def read_file(path: Path) -> Document:
    """Read and parse `path`; whatever stands in the way is a problem of the document."""
    source = str(path)
    content = _content(path)
    if isinstance(content, Problem):
        return Document(source, problems=[content])
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = content.count(b"\n", 0, exc.start) + 1
        problem = Problem(source, line, "", "is not UTF-8 text", "save the file as UTF-8")
        return Document(source, problems=[problem])
    return parse_file(text, source)


def parse_file(text: str, source: str) -> Document:
    """Parse a whole settings file: named sections, or nothing at all."""
    document = parse(text, source)
    if not isinstance(document.data, dict | None):
        hint = 'write names with values, like "listen: {port: 8080}"'
        problem = Problem(source, 1, "", "the file must be made of named sections", hint)
        return Document(source, problems=[*document.problems, problem])
    return document


def _content(path: Path) -> bytes | Problem:
    try:
        with path.open("rb") as file:
            content = file.read(_FILE_BYTES_MAX + 1)
    except FileNotFoundError:
        reason, hint = "there is no such file", "name another with -c FILE"
    except IsADirectoryError:
        reason, hint = "is a folder, not a file", "name a file in it with -c FILE"
    except PermissionError:
        reason, hint = "may not be read by this user", "change its owner or its mode"
    except (OSError, ValueError) as exc:
        reason = f"cannot be read: {getattr(exc, 'strerror', None) or 'not a file name'}"
        hint = "name another with -c FILE"
    else:
        if len(content) <= _FILE_BYTES_MAX:
            return content
        reason, hint = "is too large for a settings file", "the most is 4 MiB"
    return Problem(str(path), None, "", reason, hint)


def parse(text: str, source: str, *, has_lines: bool = True) -> Document:
    """Parse `text`. `has_lines` is False when `source` has no lines worth naming (an environment variable)."""
    document = Document(source)
    try:
        node = yaml.compose(text, Loader=_Loader)
        document.data = (
            None if node is None else _Walk(document, has_lines=has_lines).value(node, ())
        )
    except yaml.YAMLError as exc:
        line, message = _syntax(exc, text)
        place = line if has_lines else None
        document.problems.append(Problem(source, place, "", f"is not YAML: {message}"))
    except (RecursionError, _TooMuch):
        message = "is nested too deep, or an alias (*name) unfolds without end"
        document.problems.append(Problem(source, None, "", message))
    return document


def whole(text: str) -> str | None:
    """`text` with its surrogate pairs joined (JSON escapes are written so); None if a half is left over.

    The bytes of a variable that are not UTF-8 are such halves, too.
    """
    try:
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        return None


class _TooMuch(Exception):
    """The document unfolds into more values than anybody can have written."""


class _Walk:
    """Turns nodes into plain values, and notes the line of each."""

    def __init__(self, document: Document, *, has_lines: bool) -> None:
        self._document = document
        self._has_lines = has_lines
        self._count = 0

    def value(self, node: yaml.Node, path: FieldPath) -> object:
        """The plain value of `node`, which stands at `path`."""
        self._count += 1
        if self._count > _VALUES_MAX:
            raise _TooMuch
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return self._sequence(node, path)
        assert isinstance(node, yaml.ScalarNode)  # noqa: S101 -- there is no fourth kind
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: FieldPath) -> dict[str, object]:
        values: dict[str, object] = {}
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self._tell(path, line, "a name must be plain text", "put it in quotes")
                continue
            key = self._text(key_node, path)
            here = (*path, key)
            if key in lines:
                before = f" (line {lines[key]})" if self._has_lines else ""
                self._tell(here, line, f"is written twice{before}", "keep one of the two")
                continue
            if key == "<<":
                hint = "write the fields out, or take the whole with an alias (name: *anchor)"
                self._tell(here, line, "entries cannot be merged", hint)
                continue
            lines[key] = line
            self._mark(here, line)
            values[key] = self.value(value_node, here)
        return values

    def _sequence(self, node: yaml.SequenceNode, path: FieldPath) -> list[object]:
        values: list[object] = []
        for at, item in enumerate(node.value):
            here = (*path, at)
            self._mark(here, item.start_mark.line + 1)
            values.append(self.value(item, here))
        return values

    def _scalar(self, node: yaml.ScalarNode, path: FieldPath) -> object:
        text = self._text(node, path)
        kind = node.tag.removeprefix(_TAG)
        if kind not in {"str", "null", "bool", "int", "float"} or (
            kind != "str" and not _is_plain(kind, text)
        ):
            line = node.start_mark.line + 1
            self._tell(path, line, f'the tag "{node.tag}" means nothing here', "leave it out")
            return text
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() == "true"
        if kind == "int" and len(text) <= _DIGITS_MAX:
            return int(text.replace("_", ""))
        return float(text) if kind == "float" else text

    def _text(self, node: yaml.ScalarNode, path: FieldPath) -> str:
        text = whole(str(node.value))
        if text is None:
            line = node.start_mark.line + 1
            self._tell(path, line, "holds half a character", "write the character itself")
        return text or ""

    def _mark(self, path: FieldPath, line: int) -> None:
        self._document.marks[path] = Mark(self._document.source, line if self._has_lines else None)

    def _tell(self, path: FieldPath, line: int, message: str, hint: str) -> None:
        place = line if self._has_lines else None
        self._document.problems.append(
            Problem(self._document.source, place, field_text(path), message, hint)
        )


# int() refuses thousands of digits with an exception; no setting needs more than these.
_DIGITS_MAX = 30


def _is_plain(kind: str, text: str) -> bool:
    """Whether `text` is what an untagged scalar of this kind looks like (`!!int abc` is not)."""
    return any(
        name == kind and re.fullmatch(pattern, text) is not None for name, pattern, _ in _SCALARS
    )


def _syntax(exc: yaml.YAMLError, text: str) -> tuple[int | None, str]:
    """The line of a syntax error, and what it means."""
    parts = (getattr(exc, name, None) for name in ("context", "problem", "reason"))
    said = ", ".join(str(part) for part in parts if part) or "it cannot be parsed"
    marks = [getattr(exc, name, None) for name in ("context_mark", "problem_mark")]
    lines = [mark.line + 1 for mark in marks if mark is not None]
    line = lines[-1] if lines else None
    if line is None and isinstance(position := getattr(exc, "position", None), int):
        line = text.count("\n", 0, position) + 1
    if (tab := _tab_line(text, lines)) is not None:
        return tab, "a tab is used for indentation; use spaces"
    if "end of stream" in said and lines:
        line = lines[0]
    for part, meaning in _SYNTAX:
        if part in said:
            return line, meaning.replace("{first}", str(lines[0] if lines else 1))
    return line, said


def _tab_line(text: str, lines: list[int]) -> int | None:
    """The first line, among those that the error is about, whose indentation holds a tab."""
    if not lines:
        return None
    about = text.splitlines()[lines[0] - 1 : lines[-1] + 1]
    for number, line in enumerate(about, start=lines[0]):
        if "\t" in line[: len(line) - len(line.lstrip())]:
            return number
    return None
