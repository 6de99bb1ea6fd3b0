"""Pages of a list: where the last one ended is told to the caller, who hands it back (keyset pagination)."""

__all__ = ["PAGE_MAX", "Page", "PageRequest", "decoded", "decoded_number", "encoded"]

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Generic, TypeGuard, TypeVar

from gateway.core.errors import Misuse

PAGE_MAX = 200

_INTEGER_MAX = 2**63
_NOT_OURS = "The cursor is not one of this list. Begin again without it."

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class PageRequest:
    """At most `limit` items, after those of the page that ended with `cursor`."""

    limit: int = 50
    cursor: str | None = None

    @property
    def size(self) -> int:
        """How many: at least 1, at most 200."""
        return min(max(self.limit, 1), PAGE_MAX)


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Some items in their order; `next_cursor` leads to those after them, None at the end."""

    items: tuple[Item, ...]
    next_cursor: str | None = None


def encoded(order: str, value: str | int, last_id: str) -> str:
    """The cursor behind an item: in which order, its value there, and its id among equals."""
    return (
        base64.urlsafe_b64encode(json.dumps([order, value, last_id]).encode()).decode().rstrip("=")
    )


def decoded(cursor: str, order: str) -> tuple[str | int, str]:
    """The value and id in a cursor of this order. Raises Misuse for anything that `encoded` did not make."""
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        made_for, value, last_id = json.loads(text)
    except (ValueError, binascii.Error, RecursionError):
        made_for, value, last_id = None, None, None
    if (
        made_for != order
        or not _can_stand(value)
        or not (isinstance(last_id, str) and _is_text(last_id))
    ):
        raise Misuse(_NOT_OURS)
    return value, last_id


def decoded_number(cursor: str, order: str) -> tuple[int, str]:
    """As `decoded`, for an order by whole numbers."""
    value, last_id = decoded(cursor, order)
    if isinstance(value, str):
        raise Misuse(_NOT_OURS)
    return value, last_id


def _can_stand(value: object) -> TypeGuard[str | int]:
    """Whether a database can be asked for what comes after `value`."""
    match value:
        case bool():
            return False
        case int():
            return 0 <= value < _INTEGER_MAX
        case str():
            return _is_text(value)
        case _:
            return False


def _is_text(text: str) -> bool:
    # Neither half a surrogate pair nor U+0000 can be sent to PostgreSQL.
    return text.isprintable() or text == ""
