"""What pydantic found wrong, in the words of the person who wrote the file."""

__all__ = ["explain"]

import re
from collections.abc import Callable, Mapping

from pydantic_core import ErrorDetails

from gateway.settings.document import Document
from gateway.settings.fields import SECRETS, every_field, field_names, section_at
from gateway.settings.problems import FieldPath, Problem, did_you_mean, field_text, listed

_SHOWN_MAX = 40
_CHOICE = re.compile(r"'([^']*)'")

Words = tuple[str, str]


def explain(error: ErrorDetails, document: Document) -> Problem | None:
    """The problem that `error` stands for, with its place; None if it only follows from another error."""
    path = tuple(part for part in error["loc"] if part != "[key]")
    if isinstance(document.get(path[:-1]), str):
        # A single text stands for a list of one: nobody wrote this index.
        path = path[:-1]
    if error["type"] == "too_short" and isinstance(error["input"], list | tuple) and error["input"]:
        # Entries that are wrong do not count; each is told by itself.
        return None
    message, hint = _words(error, path)
    return document.problem(path, message, hint)


def _words(error: ErrorDetails, path: FieldPath) -> Words:
    kind = error["type"]
    if kind == "extra_forbidden":
        return _unknown(path)
    if kind == "missing":
        return _missing(path)
    if error["input"] is None:
        return "has no value", "write one, or leave the line out for the default"
    if (say := _WORDS.get(kind)) is not None:
        return say(error, path)
    return f"is not right: {error['msg'][:1].lower()}{error['msg'][1:]}", ""


def _unknown(path: FieldPath) -> Words:
    name = str(path[-1])
    section = section_at(path[:-1])
    known = field_names(section) if section else {}
    hint = did_you_mean(name, known)
    if not hint:
        elsewhere = [one for one, _ in every_field() if one.rpartition(".")[2] == name]
        hint = f"there is {listed(elsewhere)}" if elsewhere else f"known here: {listed(known)}"
    return "there is no such field", hint


def _missing(path: FieldPath) -> Words:
    section = section_at(path[:-1])
    info = field_names(section).get(str(path[-1])) if section else None
    example = info.examples[0] if info is not None and info.examples else "…"
    return "is missing", f"add it, for example {path[-1]}: {example}"


def _own(error: ErrorDetails, _path: FieldPath) -> Words:
    return str(error["ctx"]["error"]), ""


def _section(error: ErrorDetails, path: FieldPath) -> Words:
    section = section_at(path)
    fields = listed(field_names(section)) if section else ""
    return (
        f"must be a section with fields, not {_kind(error['input'])}",
        f"its fields: {fields}" if fields else "",
    )


def _mapping(error: ErrorDetails, path: FieldPath) -> Words:
    return (
        f"must be names with values, not {_kind(error['input'])}",
        f"write each entry below {path[-1]}: as NAME: …",
    )


def _list(error: ErrorDetails, path: FieldPath) -> Words:
    shown = _shown(error["input"], path)
    one = isinstance(error["input"], str | int | float) and shown.startswith('"')
    hint = f"write [{shown}]" if one else 'begin each entry with "- "'
    return f"must be a list, not {_kind(error['input'])}", hint


def _text(error: ErrorDetails, path: FieldPath) -> Words:
    value = error["input"]
    if path in SECRETS:
        return "must be text, {env: NAME} or {file: PATH}", ""
    if isinstance(value, dict) and value.keys() & {"env", "file"}:
        secrets = listed([field_text(one) for one in SECRETS])
        return "must be text", f"only {secrets} can be read from {{env: …}} or {{file: …}}"
    hint = "put it in quotes" if isinstance(value, int | float) else ""
    return f"must be text, not {_kind(value)}", hint


def _whole(error: ErrorDetails, path: FieldPath) -> Words:
    value = error["input"]
    hint = ""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < _SHOWN_MAX:
        hint = f"write {int(value)}, without quotes or leading zeros"
    return f"must be a whole number, not {_shown(value, path)}", hint


def _flag(error: ErrorDetails, path: FieldPath) -> Words:
    meant = {"yes": "true", "on": "true", "no": "false", "off": "false"}
    advice = meant.get(str(error["input"]).lower())
    return (
        f"must be true or false, not {_shown(error['input'], path)}",
        f"write {advice}" if advice else "",
    )


def _choice(error: ErrorDetails, path: FieldPath) -> Words:
    choices = _CHOICE.findall(error["ctx"]["expected"])
    if len(choices) == 1:
        return f'can only be "{choices[0]}"', ""
    words = f"must be one of {listed(choices)}, not {_shown(error['input'], path)}"
    return words, did_you_mean(str(error["input"]), choices)


def _at_least(error: ErrorDetails, path: FieldPath) -> Words:
    return f"must be at least {error['ctx']['ge']}, not {_shown(error['input'], path)}", ""


def _at_most(error: ErrorDetails, path: FieldPath) -> Words:
    return f"must be at most {error['ctx']['le']}, not {_shown(error['input'], path)}", ""


def _short(error: ErrorDetails, path: FieldPath) -> Words:
    least = error["ctx"]["min_length"]
    if least > 1:
        return f"must have at least {least} characters", ""
    section = section_at(path[:-1])
    info = field_names(section).get(str(path[-1])) if section else None
    hint = f"for example {info.examples[0]}" if info is not None and info.examples else ""
    return "must not be empty", hint


_WORDS: Mapping[str, Callable[[ErrorDetails, FieldPath], Words]] = {
    "value_error": _own,
    "model_type": _section,
    "model_attributes_type": _section,
    "dict_type": _mapping,
    "mapping_type": _mapping,
    "tuple_type": _list,
    "list_type": _list,
    "string_type": _text,
    "path_type": _text,
    "int_type": _whole,
    "bool_type": _flag,
    "literal_error": _choice,
    "enum": _choice,
    "greater_than_equal": _at_least,
    "less_than_equal": _at_most,
    "too_short": _short,
    "string_too_short": _short,
}


def _kind(value: object) -> str:
    """What a value is, in a word. A text that stands where a section should may be a secret: it is not repeated."""
    kinds = ((bool, "true or false"), (int | float, "a number"), (str, "text"), (list, "a list"))
    return next((word for kind, word in kinds if isinstance(value, kind)), "a mapping")


def _shown(value: object, path: FieldPath) -> str:
    """The value as it may be repeated."""
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str | int | float) or path in SECRETS:
        return _kind(value)
    text = str(value)
    if len(text) > _SHOWN_MAX or ("://" in text and "@" in text):
        return "this text"
    return f'"{text}"' if isinstance(value, str) else text
