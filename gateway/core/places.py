"""Where a request may carry its key besides Authorization: named headers, and, if it must be, the query."""

__all__ = ["Fields", "Places", "without_parameters"]

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import unquote_plus


class Fields(Protocol):
    """A request's header fields, by name in any letter case."""

    def __contains__(self, name: object, /) -> bool:
        """Whether there is one of this name."""
        ...

    def getall(self, name: str, default: tuple[str, ...], /) -> Sequence[str]:
        """The value of each field of this name; `default` if there is none."""
        ...


_NOTHING: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())


@dataclass(frozen=True, slots=True)
class Places:
    """The headers that may carry a key, or the halves of a pair. Without key headers there are none at all."""

    key_headers: tuple[str, ...] = ()
    secret_header: str = ""

    @property
    def headers(self) -> tuple[str, ...]:
        """All of them: none ever reaches the upstream, whether it was read or not."""
        return (*self.key_headers, self.secret_header) if self.key_headers else ()

    def sent(self, fields: Fields) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The values that stand where a key goes, and those that stand where an API secret goes."""
        # Every request pays for this loop, and nearly none has any of them.
        for name in self.key_headers:
            if name in fields:
                break
        else:
            if not self.key_headers or self.secret_header not in fields:
                return _NOTHING
        keys = [value for name in self.key_headers for value in fields.getall(name, ())]
        return tuple(keys), tuple(fields.getall(self.secret_header, ()))


def without_parameters(target: str, names: Collection[str]) -> tuple[str, tuple[str, ...]]:
    """`target` without the query parameters of these names, byte for byte otherwise, and their values.

    Names and values are decoded as forms are (`%XX`, and `+` for a space), so that no spelling of a
    name that an upstream would understand is left in.
    """
    path, mark, query = target.partition("?")
    kept: list[str] = []
    values: list[str] = []
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if _decoded(name) in names:
            values.append(_decoded(value))
        else:
            kept.append(pair)
    if not values:
        return target, ()
    rest = "&".join(kept)
    return (path + mark + rest if rest else path), tuple(values)


def _decoded(text: str) -> str:
    return unquote_plus(text, errors="surrogateescape")
