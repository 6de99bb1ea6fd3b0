"""What fields there are: the models seen as a tree of written names."""

__all__ = ["SECRETS", "every_field", "field_names", "section_at"]

from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from gateway.settings.problems import FieldPath
from gateway.settings.sections import Section, Settings


def field_names(section: type[Section]) -> dict[str, FieldInfo]:
    """The fields of a section under the names that they have in the file."""
    return {info.alias or name: info for name, info in section.model_fields.items()}


def section_at(path: FieldPath) -> type[Section] | None:
    """The section that `path` leads to; None when it leads to a value, or nowhere."""
    found: Any = Settings
    for part in path:
        if _is_section(found):
            info = field_names(found).get(str(part))
            found = None if info is None else _some(info.annotation)
        else:
            found = _entries(found)
    return found if _is_section(found) else None


def every_field(
    section: type[Section] = Settings, prefix: str = ""
) -> Iterator[tuple[str, FieldInfo]]:
    """Each field with its path: `routes[].match.path`, `plans.NAME.monthly_quota`."""
    for name, info in field_names(section).items():
        path = f"{prefix}{name}"
        yield path, info
        inner, below = _some(info.annotation), path
        while (entries := _entries(inner)) is not None:
            below += ".NAME" if _is_mapping(inner) else "[]"
            inner = entries
        if _is_section(inner):
            yield from every_field(inner, f"{below}.")


def _secret_paths(section: type[Section], path: FieldPath = ()) -> Iterator[FieldPath]:
    for name, info in field_names(section).items():
        if _is_section(info.annotation):
            yield from _secret_paths(info.annotation, (*path, name))
        elif _holds_secret(info.annotation):
            yield (*path, name)


def _some(annotation: Any) -> Any:  # noqa: ANN401 -- a type
    """The annotation without its None, if that leaves a section."""
    sections = [one for one in get_args(annotation) if _is_section(one)]
    return sections[0] if type(None) in get_args(annotation) and sections else annotation


def _is_section(annotation: object) -> TypeGuard[type[Section]]:
    return isinstance(annotation, type) and issubclass(annotation, Section)


def _is_mapping(annotation: object) -> bool:
    return get_origin(annotation) is Mapping


def _entries(annotation: object) -> Any:  # noqa: ANN401 -- a type
    """What the entries of a mapping or list are; None for anything else."""
    arguments = get_args(annotation)
    if _is_mapping(annotation):
        return arguments[1]
    return arguments[0] if get_origin(annotation) is tuple else None


def _holds_secret(annotation: object) -> bool:
    return annotation is SecretStr or any(map(_holds_secret, get_args(annotation)))


# Where a value may be given as {env: NAME} or {file: PATH}, and is never repeated in a message.
SECRETS = tuple(_secret_paths(Settings))
