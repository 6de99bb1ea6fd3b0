"""Lists of keys, page by page: which of the ways through the tables is taken.

There are two. A *walk* goes along the index of the order, and passes over what does not fit; it is
right where many keys fit. A *gathering* takes all that some index finds, and sorts them; it is right
where these are few. Planners choose between the two by statistics that know nothing of clumps, such as
expired keys, which are all at the old end, and then read the whole table; so it is looked how many
there are, up to a bound, and chosen here (docs/performance.md, `make bench-list`).
"""

__all__ = ["list_ids"]

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias, cast

from sqlalchemy import ColumnElement, Row, Select, func, literal_column, select, tuple_, union
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.core.page import Page, PageRequest, decoded, encoded
from admin.stores.key_branches import Branch, branches
from admin.stores.key_filter import INDEXES_OF_ALL, KeyFilter, KeySort, Sought
from admin.stores.key_words import next_word
from gateway.core.errors import Misuse
from gateway.stores.sql_engine import read_rows
from gateway.stores.tables import key_words, keys, to_us

Place: TypeAlias = ColumnElement[Any]

# Rows lie anywhere in the table: so many are read in half the time that a page may take.
GATHERED_MAX: Final = 6_000
# As many entries of an index are, which lie side by side.
IN_INDEX_MAX: Final = 120_000
# One walk along each; more begin alike only where nearly all names have one of them, such as numbers.
WORDS_MAX: Final = 12
# SQLite's name for the index of the ids.
_PRIMARY: Final = "sqlite_autoindex_keys_1"
# What is asked for with several words may have to be looked for in most of the table.
_LIST_SECONDS: Final = 5.0
# In a cursor: behind every expiry.
_NEVER: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class _Order:
    """A column, and the name that indexes by it end with."""

    column: ColumnElement[Any]
    name: str
    is_descending: bool = False
    is_number: bool = True


_ORDERS: Final[dict[KeySort, _Order]] = {
    "created": _Order(keys.c.created_us, "created_us"),
    "-created": _Order(keys.c.created_us, "created_us", is_descending=True),
    "name": _Order(keys.c.name, "name", is_number=False),
    "-name": _Order(keys.c.name, "name", is_descending=True, is_number=False),
    "expires": _Order(keys.c.expires_us, "expires_us"),
    "last_used": _Order(keys.c.used_day, "used_day"),
}


class _Way(NamedTuple):
    """How a branch's keys are found: gathered by a finder, along some words' names, or along the order."""

    branch: Branch
    finder: Sought | None
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A part of an order: what comes `after` a place. Keys without a value stand behind all others."""

    order: _Order
    after: tuple[Any, str] | None
    is_without: bool = False

    @property
    def up_to(self) -> Any:  # noqa: ANN401 -- what the column holds
        """Where the page before has ended an order that goes down."""
        return self.after[0] if self.after is not None and self.order.is_descending else None

    def clauses(self, place: Place, key_id: Place) -> list[ColumnElement[bool]]:
        """What is true of the keys here."""
        here: list[ColumnElement[bool]] = [
            place.is_(None) if self.is_without else place.is_not(None)
        ]
        if self.after is not None and self.is_without:
            here.append(key_id > self.after[1])
        elif self.after is not None:
            both, last = tuple_(place, key_id), tuple_(*self.after)
            here.append(both < last if self.order.is_descending else both > last)
        return here

    def by(self, place: Place, key_id: Place) -> tuple[ColumnElement[Any], ...]:
        """What they are ordered by."""
        if self.is_without:
            return (key_id,)
        return (place.desc(), key_id.desc()) if self.order.is_descending else (place, key_id)


async def list_ids(
    engine: AsyncEngine, wanted: KeyFilter, page: PageRequest, now: float
) -> Page[str]:
    """The ids of the keys that fit. Raises Misuse for a cursor of another order, StoreError."""
    order = _ORDERS[wanted.sort]
    after = None if page.cursor is None else _place(page.cursor, wanted.sort, order)
    ways = [await _way(engine, branch, order) for branch in branches(wanted, to_us(now))]
    rows: list[Row[Any]] = []
    for stretch in _stretches(order, after):
        left = page.size + 1 - len(rows)
        if left:
            rows += await read_rows(engine, "list keys", _first(ways, stretch, left), _LIST_SECONDS)
    shown = rows[: page.size]
    if len(rows) <= page.size:
        return Page(tuple(row.id for row in shown))
    value = _NEVER if shown[-1].place is None else shown[-1].place
    cursor = encoded(f"keys.{wanted.sort}", value, shown[-1].id)
    return Page(tuple(row.id for row in shown), cursor)


def _place(cursor: str, sort: KeySort, order: _Order) -> tuple[Any, str]:
    value, last_id = decoded(cursor, f"keys.{sort}")
    if isinstance(value, int) is not order.is_number:
        raise Misuse("The cursor is not one of this list. Begin again without it.")
    return value, last_id


def _stretches(order: _Order, after: tuple[Any, str] | None) -> Sequence[_Stretch]:
    if order.column is not keys.c.expires_us:
        return [_Stretch(order, after)]
    if after is not None and after[0] == _NEVER:
        return [_Stretch(order, after, is_without=True)]
    return [_Stretch(order, after), _Stretch(order, None, is_without=True)]


async def _way(engine: AsyncEngine, branch: Branch, order: _Order) -> _Way:
    finder = await _gathered_by(engine, branch, order)
    beginnings = [each.beginning for each in branch.sought if each.beginning is not None]
    if finder is not None or order.name != "name" or not beginnings:
        return _Way(branch, finder)
    return _Way(branch, None, await _words(engine, max(beginnings, key=len)))


async def _words(engine: AsyncEngine, beginning: str) -> tuple[str, ...]:
    """All words that begin so; none if there are too many to walk along each."""
    words: list[str] = []
    while len(words) <= WORDS_MAX:
        last = words[-1] if words else None
        rows = await read_rows(engine, "look for words", next_word(beginning, last))
        if not rows:
            return tuple(words)
        words.append(rows[0].word)
    return ()


async def _gathered_by(engine: AsyncEngine, branch: Branch, order: _Order) -> Sought | None:
    """What finds the fewest keys, if those are few enough to be sorted."""
    finders = branch.finders(order.name)
    if not finders:
        return None
    most = [
        IN_INDEX_MAX if branch.is_in_index(each, order.name) else GATHERED_MAX for each in finders
    ]
    counted = [
        select(func.count())
        .select_from(_ones(each, branch).limit(most[number] + 1).subquery())
        .scalar_subquery()
        .label(f"n{number}")
        for number, each in enumerate(finders)
    ]
    (counts,) = await read_rows(engine, "count keys", select(*counted))
    fewest = min(range(len(finders)), key=lambda number: counts[number])
    return finders[fewest] if counts[fewest] <= most[fewest] else None


def _ones(finder: Sought, branch: Branch) -> Select[Any]:
    """A row for each key that is found; nothing is read but the index."""
    ones: Select[Any] = cast(Select[Any], finder.found).with_only_columns(literal_column("1"))
    if finder.index is None:
        return ones
    if finder.index not in INDEXES_OF_ALL:
        # Where only some of the keys stand in an index, it must be said that no others are meant.
        ones = ones.where(branch.is_listed)
    return ones.with_hint(keys, f"INDEXED BY {finder.index}", "sqlite")


def _first(ways: Sequence[_Way], stretch: _Stretch, count: int) -> Select[Any]:
    """The first `count` keys of all branches together."""
    chosen: list[Select[Any]] = []
    for number, way in enumerate(ways):
        if way.finder is not None:
            chosen.append(_gathering(way.branch, way.finder, f"found{number}", stretch, count))
        elif way.words:
            chosen += (_walk_of_word(way.branch, word, stretch, count) for word in way.words)
        else:
            chosen.append(_walk(way.branch, stretch, count))
    if len(chosen) == 1:
        return chosen[0]
    parts = [each.subquery() for each in chosen]
    # Each key once: one may have several of the words.
    both = union(*(select(part.c.id, part.c.place) for part in parts)).subquery()
    ordered = select(both.c.id, both.c.place).order_by(*stretch.by(both.c.place, both.c.id))
    return ordered.limit(count)


def _walk_of_word(branch: Branch, word: str, stretch: _Stretch, count: int) -> Select[Any]:
    """Along the names that have the word, which `key_words` has in their order."""
    place, key_id = key_words.c.name, key_words.c.key_id
    return (
        select(key_id.label("id"), place.label("place"))
        .join(keys, keys.c.id == key_id)
        .where(key_words.c.word == word, *branch.conditions(), *stretch.clauses(place, key_id))
        .with_hint(keys, f"INDEXED BY {_PRIMARY}", "sqlite")
        .order_by(*stretch.by(place, key_id))
        .limit(count)
    )


def _walk(branch: Branch, stretch: _Stretch, count: int) -> Select[Any]:
    column, key_id = stretch.order.column, keys.c.id
    begins = () if stretch.is_without else branch.begins(stretch.order.name)
    hint = f"INDEXED BY {branch.walked(stretch.order.name)}"
    return (
        select(key_id, column.label("place"))
        .where(
            *branch.conditions(stretch.order.name, stretch.up_to),
            *begins,
            *stretch.clauses(column, key_id),
        )
        .with_hint(keys, hint, "sqlite")
        .order_by(*stretch.by(column, key_id))
        .limit(count)
    )


def _gathering(
    branch: Branch, finder: Sought, name: str, stretch: _Stretch, count: int
) -> Select[Any]:
    whole = select(keys.c.id, stretch.order.column.label("place")).where(*branch.conditions())
    if finder.index is None:
        whole = whole.where(keys.c.id.in_(cast(Select[Any], finder.found)))
    hint = f"INDEXED BY {finder.index or _PRIMARY}"
    whole = whole.with_hint(keys, hint, "sqlite")
    # Without that word a planner sees the order that is asked for outside, and walks all the same.
    found = whole.cte(name).prefix_with("MATERIALIZED")
    place, key_id = found.c.place, found.c.id
    return (
        select(key_id, place)
        .where(*stretch.clauses(place, key_id))
        .order_by(*stretch.by(place, key_id))
        .limit(count)
    )
