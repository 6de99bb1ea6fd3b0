"""From a file and the environment to `Settings`, or to every mistake in them."""

__all__ = ["Reading", "load", "read", "read_text"]

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from gateway.settings.checks import mistakes
from gateway.settings.document import Document, parse_file, read_file
from gateway.settings.environment import overlay
from gateway.settings.problems import Problem, SettingsError
from gateway.settings.references import resolve
from gateway.settings.remarks import missing_to_serve, remarks
from gateway.settings.sections import Settings
from gateway.settings.wording import explain

# Where problems are said to be when there is no file.
BUILT_IN = "built-in defaults"


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of reading. `settings` is None when there are problems; remarks never forbid anything."""

    settings: Settings | None
    problems: tuple[Problem, ...]
    remarks: tuple[Problem, ...]


def load(path: Path | None, environ: Mapping[str, str], *, to_serve: bool = False) -> Settings:
    """The settings of `path` (None: built-in defaults) under the `KEYWRIGHT_…` variables of `environ`.

    Raises SettingsError with every mistake at once; with `to_serve`, having nothing to serve is one.
    """
    reading = read(path, environ, to_serve=to_serve)
    if reading.settings is None:
        raise SettingsError(reading.problems)
    return reading.settings


def read(path: Path | None, environ: Mapping[str, str], *, to_serve: bool = False) -> Reading:
    """As `load`, but tells the mistakes instead of raising, and has remarks besides."""
    return _reading(
        Document(BUILT_IN) if path is None else read_file(path), environ, to_serve=to_serve
    )


def read_text(text: str, source: str, environ: Mapping[str, str]) -> Reading:
    """As `read`, from a text that `source` names."""
    return _reading(parse_file(text, source), environ, to_serve=False)


def _reading(document: Document, environ: Mapping[str, str], *, to_serve: bool) -> Reading:
    if document.data is None and document.problems:
        # The file says nothing that could be checked; the variables alone would be half the truth.
        return Reading(None, _ordered(document.problems), ())
    overlay(document, environ)
    resolve(document, environ)
    settings = _validate(document)
    document.problems += mistakes(document)
    if to_serve:
        document.problems += missing_to_serve(document)
    if settings is None or document.problems:
        return Reading(None, _ordered(document.problems), ())
    return Reading(settings, (), _ordered(remarks(document, settings)))


def _validate(document: Document) -> Settings | None:
    try:
        return Settings.model_validate(document.data)
    except ValidationError as exc:
        found = exc.errors(include_url=False)
    explained = [explain(error, document) for error in found]
    document.problems += [problem for problem in explained if problem is not None]
    return None


def _ordered(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """In the order of the file, then of the variables; each once."""
    unique = dict.fromkeys(problems)
    return tuple(
        sorted(unique, key=lambda one: (one.line is None, one.line or 0, one.file, one.field))
    )
