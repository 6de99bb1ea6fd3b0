"""Requests one by one, as SQL has them: by key, in the order of time, forwards or backwards.

An account's requests are those of its keys, merged: the table has no index of its own for accounts, which would
cost every request its share.
"""

__all__ = ["Logged", "Place", "RequestFilter", "RequestStore", "Slice", "Way"]

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, NamedTuple, TypeVar

from sqlalchemy import ColumnElement, Row, Select, func, select, tuple_, union_all
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from gateway.core.record import UsageRecord
from gateway.stores.sql_engine import read_rows
from gateway.stores.tables import accounts, from_us, keys, to_us, usage_records

Item = TypeVar("Item")

# How many records are looked at for a page of those that fit; and of one key, among very many, at least.
_LOOKED_AT: Final = 20_000
_LOOKED_AT_LEAST: Final = 200
# SQLite takes 500 parts in one statement.
_KEYS_AT_ONCE: Final = 100
_DAY_US: Final = 86_400_000_000


class Place(NamedTuple):
    """Where a record stands among all: when it began, and its id among those of one moment."""

    at_us: int
    id: int


class Way(Enum):
    """In which direction records are read."""

    NEWEST_FIRST = "newest"
    OLDEST_FIRST = "oldest"


class Logged(NamedTuple):
    """A record and its place."""

    place: Place
    record: UsageRecord


class Slice(NamedTuple):
    """Some records in their order. `end` is where to go on, None where there is nothing more.

    There may be fewer records than were asked for, and none at all, although there is an end: so many others
    had to be looked at.
    """

    records: tuple[Logged, ...]
    end: Place | None


@dataclass(frozen=True, slots=True)
class RequestFilter:
    """Which requests: all that fit every word given. Times are seconds since the epoch; `until` is exclusive.

    `status` is the lowest and the highest that fits, `path_begins` whether `path` is only the beginning.
    """

    since: float | None = None
    until: float | None = None
    status: tuple[int, int] | None = None
    outcome: str | None = None
    route: str | None = None
    method: str | None = None
    path: str | None = None
    path_begins: bool = False
    address: str | None = None
    request_id: str | None = None


class RequestStore:
    """Every method raises StoreError when the database cannot answer."""

    def __init__(self, engine: AsyncEngine, looked_at: int = _LOOKED_AT) -> None:
        """`engine` is open, on a database of the present schema.

        `looked_at` is how many records are looked at for a page of those that fit.
        """
        self._engine = engine
        self._looked_at = looked_at

    async def account_of(self, key_id: str) -> str | None:
        """Whose key this is, deleted or not; None if there never was one."""
        rows = await read_rows(
            self._engine, "find a key", select(keys.c.account_id).where(keys.c.id == key_id)
        )
        return rows[0].account_id if rows else None

    async def has_account(self, account_id: str) -> bool:
        """Whether there is such an account."""
        found = select(accounts.c.id).where(accounts.c.id == account_id)
        return bool(await read_rows(self._engine, "find an account", found))

    async def keys_of(self, account_id: str, since: float | None, count: int) -> Sequence[str]:
        """At most `count` keys of the account that were used since then, or ever, in no order."""
        day = 1 if since is None else max(1, to_us(since) // _DAY_US)
        rows = await read_rows(
            self._engine,
            "find an account's keys",
            select(keys.c.id)
            .where(keys.c.account_id == account_id, keys.c.used_day >= day)
            .limit(count),
        )
        return [row.id for row in rows]

    async def read(
        self,
        key_ids: Sequence[str],
        wanted: RequestFilter,
        behind: Place | None,
        count: int,
        way: Way = Way.NEWEST_FIRST,
    ) -> Slice:
        """At most `count` requests of these keys that fit, from the one behind `behind` on."""
        if not key_ids:
            return Slice((), None)
        fits = _fits(wanted)
        edge = await self._edge(key_ids, wanted, behind, way) if fits else None
        found: list[Logged] = []
        for some in _parts(key_ids, _KEYS_AT_ONCE):
            # One more than is wanted tells whether there are more.
            selects = [
                _of_key(key_id, wanted, behind, edge, way).where(*fits).limit(count + 1)
                for key_id in some
            ]
            rows = await read_rows(
                self._engine, "read requests", _merged(selects, way).limit(count + 1)
            )
            found += map(_logged, rows)
        found.sort(key=lambda each: each.place, reverse=way is Way.NEWEST_FIRST)
        if len(found) > count:
            return Slice(tuple(found[:count]), found[count - 1].place)
        return Slice(tuple(found), edge)

    async def _edge(
        self, key_ids: Sequence[str], wanted: RequestFilter, behind: Place | None, way: Way
    ) -> Place | None:
        """As far as to here all keys' records are looked at; None for to their end."""
        share = max(self._looked_at // len(key_ids), min(_LOOKED_AT_LEAST, self._looked_at))
        edges: list[Place] = []
        for some in _parts(key_ids, _KEYS_AT_ONCE):
            selects = [
                _of_key(key_id, wanted, behind, None, way).offset(share - 1).limit(1)
                for key_id in some
            ]
            rows = await read_rows(
                self._engine, "look for requests", _merged(selects, way).limit(1)
            )
            edges += (_place(row) for row in rows)
        if not edges:
            return None
        return max(edges) if way is Way.NEWEST_FIRST else min(edges)


def _of_key(
    key_id: str, wanted: RequestFilter, behind: Place | None, edge: Place | None, way: Way
) -> Select[Any]:
    """A key's records of that time, in order, as the index on key and time has them."""
    table = usage_records.c
    at = table.at_us
    place = tuple_(*_order(table, Way.OLDEST_FIRST))
    conditions: list[ColumnElement[bool]] = [table.key_id == key_id]
    if wanted.since is not None:
        conditions.append(at >= to_us(wanted.since))
    if wanted.until is not None:
        conditions.append(at < to_us(wanted.until))
    # The moment once more by itself: neither database finds its way in the index by two columns of which it has one.
    if way is Way.NEWEST_FIRST:
        if behind is not None:
            conditions += (at <= behind.at_us, place < tuple_(*behind))
        if edge is not None:
            conditions += (at >= edge.at_us, place >= tuple_(*edge))
    else:
        if behind is not None:
            conditions += (at >= behind.at_us, place > tuple_(*behind))
        if edge is not None:
            conditions += (at <= edge.at_us, place <= tuple_(*edge))
    return select(usage_records).where(*conditions).order_by(*_order(table, way))


def _merged(selects: Sequence[Select[Any]], way: Way) -> Select[Any]:
    """All of them in one order."""
    if len(selects) == 1:
        return selects[0]
    # SQLite takes an order and a limit only in a part that is a table of its own.
    whole = union_all(*(select(each.subquery()) for each in selects)).subquery()
    return select(whole).order_by(*_order(whole.c, way))


def _order(columns: ReadOnlyColumnCollection[str, Any], way: Way) -> list[ColumnElement[Any]]:
    """The columns of a place."""
    place = [columns.at_us, columns.id]
    return place if way is Way.OLDEST_FIRST else [column.desc() for column in place]


def _fits(wanted: RequestFilter) -> list[ColumnElement[bool]]:
    """What is asked of a record beside its time: no index helps with that."""
    table = usage_records.c
    conditions: list[ColumnElement[bool]] = [
        column == value
        for column, value in (
            (table.outcome, wanted.outcome),
            (table.route, wanted.route),
            (table.method, wanted.method),
            (table.address, wanted.address),
            (table.request_id, wanted.request_id),
        )
        if value is not None
    ]
    if wanted.status is not None:
        conditions.append(table.status.between(*wanted.status))
    if wanted.path is not None:
        # Not LIKE, which in SQLite takes a capital letter for a small one.
        path = func.substr(table.path, 1, len(wanted.path)) if wanted.path_begins else table.path
        conditions.append(path == wanted.path)
    return conditions


def _parts(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _place(row: Row[Any]) -> Place:
    return Place(row.at_us, row.id)


def _logged(row: Row[Any]) -> Logged:
    return Logged(
        _place(row),
        UsageRecord(
            at=from_us(row.at_us),
            key_id=row.key_id,
            account_id=row.account_id,
            secret_id=row.secret_id,
            route=row.route,
            method=row.method,
            path=row.path,
            status=row.status,
            outcome=row.outcome,
            bytes_in=row.bytes_in,
            bytes_out=row.bytes_out,
            duration_seconds=from_us(row.duration_us),
            address=row.address,
            request_id=row.request_id,
        ),
    )
