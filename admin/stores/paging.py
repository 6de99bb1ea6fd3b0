"""Pages out of a table, oldest first; and how part of a text is looked for."""

__all__ = ["contains", "oldest_first"]

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sqlalchemy import Column, ColumnElement, Row, Table, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.core.page import Page, PageRequest, decoded_number, encoded
from gateway.stores.sql_engine import read_rows

Item = TypeVar("Item")


async def oldest_first(
    engine: AsyncEngine,
    table: Table,
    wanted: Sequence[ColumnElement[bool]],
    view: Callable[[Row[Any]], Item],
    page: PageRequest,
) -> Page[Item]:
    """The rows that are `wanted`, by the moment of their making. `table` has an index on created_us, id.

    Raises Misuse for a cursor of another list, StoreError when the database cannot answer.
    """
    order = f"{table.name}.created"
    place = tuple_(table.c.created_us, table.c.id)
    chosen = select(table).where(*wanted).order_by(table.c.created_us, table.c.id)
    if page.cursor is not None:
        chosen = chosen.where(place > tuple_(*decoded_number(page.cursor, order)))
    # One more than is shown tells whether there is a next page.
    rows = await read_rows(engine, f"list {table.name}", chosen.limit(page.size + 1))
    shown = rows[: page.size]
    cursor = encoded(order, shown[-1].created_us, shown[-1].id) if len(rows) > len(shown) else None
    return Page(tuple(view(row) for row in shown), cursor)


def contains(text: str, *columns: Column[str]) -> ColumnElement[bool]:
    """Whether one of the columns holds the text, in whatever case (SQLite: of ASCII letters)."""
    return or_(*(column.icontains(text, autoescape=True) for column in columns))
