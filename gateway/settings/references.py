"""Secrets that stand elsewhere: `{env: NAME}` and `{file: PATH}` in place of the text itself."""

__all__ = ["resolve"]

from collections.abc import Mapping
from pathlib import Path

from gateway.settings.document import Document, whole
from gateway.settings.fields import SECRETS

_SECRET_BYTES_MAX = 64 * 1024


class _Unresolved(Exception):
    """Why a reference has no text: a message and a hint."""


def resolve(document: Document, environ: Mapping[str, str]) -> None:
    """Put the text in place of every reference; one that has none becomes a problem, and is left out."""
    for path in SECRETS:
        reference = document.get(path)
        section = document.get(path[:-1])
        if not isinstance(reference, dict) or not isinstance(section, dict):
            continue
        try:
            section[path[-1]] = _text(reference, environ)
        except _Unresolved as exc:
            del section[path[-1]]
            document.problems.append(document.problem(path, *exc.args))


def _text(reference: Mapping[str, object], environ: Mapping[str, str]) -> str:
    match list(reference.items()):
        case [("env", str(name))] if name:
            return _from_environment(name, environ)
        case [("file", str(name))] if name:
            return _from_file(Path(name))
    raise _Unresolved("must be text, {env: NAME} or {file: PATH}")


def _from_environment(name: str, environ: Mapping[str, str]) -> str:
    if text := environ.get(name, ""):
        if whole(text) is None:
            raise _Unresolved(f"the environment variable {name} is not UTF-8 text")
        return text
    state = "is empty" if name in environ else "is not set"
    raise _Unresolved(f"the environment variable {name} {state}", "set it, or write {file: PATH}")


def _from_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_SECRET_BYTES_MAX + 1)
        text = content.decode().strip()
    except UnicodeDecodeError:
        raise _Unresolved(f"the file {path} is not UTF-8 text") from None
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or "not a file name"
        raise _Unresolved(f"the file {path} cannot be read: {reason}") from None
    if not text or len(content) > _SECRET_BYTES_MAX:
        state = "is empty" if not text else "is too large for a secret (more than 64 KiB)"
        raise _Unresolved(f"the file {path} {state}")
    return text
