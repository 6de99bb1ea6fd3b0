"""Settings as lines to read, what differs between two of them, and what a reload cannot change."""

__all__ = ["FIXED", "entries", "fixed_changes"]

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from pydantic import BaseModel, SecretStr

from gateway.settings.sections import Settings

# What the supervisor itself stands on, and what two generations of workers must agree about.
FIXED: Final = (
    ("listen", "host"),
    ("listen", "port"),
    ("admin", "host"),
    ("admin", "port"),
    ("data_dir",),
    ("store", "url"),
    ("redis", "url"),
)
_SECONDS: Final = "_seconds"
_BYTES: Final = "_bytes"
_UNITS: Final = ((86_400, "d"), (3600, "h"), (60, "m"), (1, "s"))
_SIZES: Final = ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))


def entries(settings: Settings) -> Mapping[str, str]:
    """Each field by its name in the file, such as `plans.starter.limits[0].quota`, as it would be written there.

    Of a secret it is said that there is one, and no more.
    """
    return dict(_of_model("", settings))


def fixed_changes(before: Settings, now: Settings) -> list[str]:
    """The names of those settings that differ and cannot change by a reload."""
    return [".".join(path) for path in FIXED if _value(before, path) != _value(now, path)]


def _value(settings: Settings, path: Sequence[str]) -> object:
    value: object = settings
    for name in path:
        value = getattr(value, name)
    return value


def _of_model(prefix: str, model: BaseModel) -> Iterator[tuple[str, str]]:
    for name, field in type(model).model_fields.items():
        written = f"{prefix}{field.alias or name}"
        value = getattr(model, name)
        if isinstance(value, float | int) and not isinstance(value, bool):
            yield written, _number(name, value)
        else:
            yield from _of_value(written, value)


def _of_value(name: str, value: object) -> Iterator[tuple[str, str]]:
    match value:
        case BaseModel():
            yield from _of_model(f"{name}.", value)
        case Mapping() if value:
            for key, each in value.items():
                yield from _of_value(f"{name}.{key}", each)
        case tuple() if any(isinstance(each, BaseModel) for each in value):
            for index, each in enumerate(value):
                yield from _of_value(f"{name}[{index}]", each)
        case _:
            yield name, _text(value)


def _text(value: object) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return "true" if value else "false"
        case SecretStr():
            return "(secret)"
        case tuple() | list() | frozenset():
            return f"[{', '.join(map(str, value))}]"
        case Mapping():
            return "{}"
        case _:
            return str(value)


def _number(name: str, value: float) -> str:
    if name.endswith(_SECONDS):
        for length, unit in _UNITS:
            if value >= length and value % length == 0:
                return f"{int(value // length)}{unit}"
        return f"{value * 1000:g}ms"
    if name.endswith(_BYTES):
        for size, unit in _SIZES:
            if value >= size and value % size == 0:
                return f"{value // size:g}{unit}"
    return str(int(value)) if value == int(value) else f"{value:g}"
