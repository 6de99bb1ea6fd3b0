"""Settings from environment variables: `KEYWRIGHT_LISTEN__PORT=9000` is `listen.port`.

Two underscores lead one level deeper, numbers count list entries from 0, a hyphen in a name is written as
an underscore. Values are YAML; those of secrets are taken literally. An empty variable is as if unset.
"""

__all__ = ["PREFIX", "overlay"]

import re
from collections.abc import Mapping

from gateway.settings.document import Document, Mark, parse, whole
from gateway.settings.fields import SECRETS, every_field, field_names
from gateway.settings.problems import FieldPath, Problem, listed, nearest
from gateway.settings.sections import Settings

PREFIX = "KEYWRIGHT_"

# Kubernetes sets these in every container once there is a Service named "keywright".
_SERVICE_LINK = re.compile(
    r"KEYWRIGHT_(?:[A-Z0-9_]*_)?(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?"
    r"|PORT_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)"
)
_SERVICE_ADDRESS = re.compile(r"(?:tcp|udp|sctp)://.*")


def overlay(document: Document, environ: Mapping[str, str]) -> None:
    """Write the values of the variables over those of the file. A wrong variable becomes a problem."""
    # The shorter names first: a whole section from one variable, then single fields of it from others.
    for name in sorted(environ, key=lambda one: (one.count("__"), one)):
        value = environ[name]
        if name.startswith(PREFIX) and value and not _is_service_link(name, value):
            _apply(document, name, value)


def _is_service_link(name: str, value: str) -> bool:
    if "__" in name:
        return False
    return bool(
        _SERVICE_LINK.fullmatch(name)
        or (name.endswith("_PORT") and _SERVICE_ADDRESS.fullmatch(value))
    )


def _apply(document: Document, name: str, text: str) -> None:
    if whole(name) is None or whole(text) is None:
        document.problems.append(Problem(name, None, "", "is not UTF-8 text"))
        return
    steps = name.removeprefix(PREFIX).lower().split("__")
    if steps[0] not in field_names(Settings):
        document.problems.append(_no_such_variable(name))
        return
    path: FieldPath = ()
    for step in steps:
        path = (*path, _entry(document.get(path), step))
    read = parse(text, name, has_lines=False)
    if path in SECRETS and not (isinstance(read.data, dict) and text.startswith("{")):
        # A password may begin with "*", or consist of digits: it is not YAML.
        read = Document(name, data=text)
    if read.problems:
        document.problems += [_within(problem, path) for problem in read.problems]
        return
    if not _put(document, path, read.data):
        document.problems.append(_no_place(document, name, path))
        return
    for known in [one for one in document.marks if one[: len(path)] == path]:
        del document.marks[known]
    document.marks[path] = Mark(name, None)


def _entry(holder: object, step: str) -> str | int:
    """The name or list index that `step` means inside `holder`."""
    if isinstance(holder, list):
        return int(step) if step.isascii() and step.isdigit() and len(step) < len("10000") else step
    names = list(holder) if isinstance(holder, dict) else []
    return next((name for name in names if _folded(name) == _folded(step)), step)


def _folded(name: str) -> str:
    return str(name).lower().replace("-", "_")


def _put(document: Document, path: FieldPath, value: object) -> bool:
    """Write `value` at `path`, making the sections on the way; False if something else stands in the way."""
    if not isinstance(document.data, dict):
        document.data = {}
    holder: object = document.data
    for at, part in enumerate(path):
        is_last = at == len(path) - 1
        if isinstance(holder, dict):
            if is_last:
                holder[part] = value
            elif holder.get(part) is None:
                holder[part] = {}
            holder = holder[part]
        elif isinstance(holder, list) and isinstance(part, int) and part < len(holder):
            if is_last:
                holder[part] = value
            holder = holder[part]
        else:
            return False
    return True


def _within(problem: Problem, path: FieldPath) -> Problem:
    """A problem inside a variable's value, told with the field that the variable is for."""
    outer = Document(problem.file).problem(path, problem.message, problem.hint)
    inner = problem.field if problem.field.startswith("[") else f".{problem.field}"
    return Problem(
        problem.file,
        None,
        outer.field + (inner if problem.field else ""),
        problem.message,
        problem.hint,
    )


def _no_such_variable(name: str) -> Problem:
    known = [
        path.replace(".", "__").upper()
        for path, _ in every_field()
        if "[" not in path and "NAME" not in path
    ]
    # The prefix is left out, or everything would look alike.
    wanted = name.removeprefix(PREFIX)
    flat = {one.replace("__", "_"): one for one in reversed(known)}
    near = flat.get(wanted.replace("__", "_")) or nearest(wanted, known)
    if near:
        hint = f'did you mean "{PREFIX}{near}"?'
    else:
        sections = listed([PREFIX + section.upper() for section in field_names(Settings)])
        hint = f"such a variable begins with one of: {sections}"
    return Problem(name, None, "", "there is no setting for this variable", hint)


def _no_place(document: Document, name: str, path: FieldPath) -> Problem:
    field = Document(name).problem(path, "").field
    for end in range(len(path) - 1, 0, -1):
        if isinstance(holder := document.get(path[:end]), list):
            message = f"there is no entry {path[end]}: the list has {len(holder)}, counted from 0"
            return Problem(name, None, field, message)
    return Problem(name, None, field, "leads inside a value that has no fields of its own")
