"""Equal parts of keys, kept once: thousands of keys have one account, one set of scopes, one list of limits."""

__all__ = ["shared"]

from collections.abc import Hashable
from functools import lru_cache
from typing import Any, Final, TypeVar

_Part = TypeVar("_Part", bound=Hashable)

# Of those used last. Who has more accounts than these in use at once has some of them twice.
_PARTS_MAX: Final = 8192


def shared(part: _Part) -> _Part:
    """A value equal to `part`: the first one that was given, if that was lately. Values must not be changed."""
    first: _Part = _first(part)
    return first


@lru_cache(maxsize=_PARTS_MAX)
def _first(part: Any) -> Any:  # noqa: ANN401 -- the cache's own type forgets which
    return part
