"""Pages of a list: where the last one ended is told to the caller, who hands it back (keyset pagination)."""

__all__ = ["PAGE_MAX", "Page", "decoded", "encoded"]

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Generic, TypeVar

from gateway.core.errors import Misuse

PAGE_MAX = 200

Item = TypeVar("Item")


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
    is_whole = (
        isinstance(value, str | int) and not isinstance(value, bool) and isinstance(last_id, str)
    )
    if made_for != order or not is_whole:
        raise Misuse("The cursor is not one of this list. Begin again without it.")
    return value, last_id
