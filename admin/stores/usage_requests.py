"""Requests one by one, as SQL has them: of a key or an account, in the order of time, forwards or backwards."""

__all__ = ["Logged", "Place", "RequestFilter", "RequestStore", "Slice", "Way", "Whose"]

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, NamedTuple

from sqlalchemy import Column, ColumnElement, Row, Select, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.core.record import UsageRecord
from gateway.stores.sql_engine import read_rows
from gateway.stores.tables import accounts, from_us, keys, to_us, usage_records

# How many records are looked at for a page of those that fit.
_LOOKED_AT: Final = 20_000
_LATE_SECONDS: Final = 10.0


class Whose(NamedTuple):
    """Those of one key, or of one account with all of its keys."""

    key_id: str | None = None
    account_id: str | None = None


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

    async def read(
        self,
        whose: Whose,
        wanted: RequestFilter,
        behind: Place | None,
        count: int,
        way: Way = Way.NEWEST_FIRST,
    ) -> Slice:
        """At most `count` requests that fit, from the one behind `behind` on."""
        fits = _fits(wanted)
        edge = await self._edge(whose, wanted, behind, way) if fits else None
        # One more than is wanted tells whether there are more.
        chosen = _in_order(whose, wanted, behind, edge, way).where(*fits).limit(count + 1)
        rows = await read_rows(self._engine, "read requests", chosen)
        found = tuple(map(_logged, rows[:count]))
        return Slice(found, found[-1].place if len(rows) > count else edge)

    @property
    def late_seconds(self) -> float:
        """How long after a record another one may come in whose id is lower."""
        # SQLite has one writer at a time; of several to PostgreSQL each may take as long as a ledger waits.
        return 0.0 if self._engine.dialect.name == "sqlite" else _LATE_SECONDS

    async def newest_id(self) -> int:
        """The highest id of all records, 0 if there are none."""
        rows = await read_rows(
            self._engine, "find the newest request", select(func.max(usage_records.c.id))
        )
        return rows[0][0] or 0

    async def arrived(
        self, whose: Whose, wanted: RequestFilter, behind: int, last: int, count: int
    ) -> tuple[Logged, ...]:
        """At most `count` requests that fit with ids above `behind` and up to `last`, in the order of their ids."""
        chosen = select(usage_records).where(*_came_in(whose, wanted, behind, last))
        rows = await read_rows(
            self._engine, "follow requests", chosen.order_by(usage_records.c.id).limit(count)
        )
        return tuple(map(_logged, rows))

    async def arrived_ids(
        self, whose: Whose, wanted: RequestFilter, behind: int, last: int
    ) -> Sequence[int]:
        """The ids alone, of all of them."""
        chosen = select(usage_records.c.id).where(*_came_in(whose, wanted, behind, last))
        return [row.id for row in await read_rows(self._engine, "follow requests", chosen)]

    async def by_ids(self, ids: Sequence[int], since: float) -> tuple[Logged, ...]:
        """Those with these ids that began since then."""
        table = usage_records.c
        chosen = select(usage_records).where(table.id.in_(ids), table.at_us >= to_us(since))
        rows = await read_rows(self._engine, "follow requests", chosen.order_by(table.id))
        return tuple(map(_logged, rows))

    async def _edge(
        self, whose: Whose, wanted: RequestFilter, behind: Place | None, way: Way
    ) -> Place | None:
        """As far as to here records are looked at; None for to the end."""
        last = _in_order(whose, wanted, behind, None, way).offset(self._looked_at - 1).limit(1)
        rows = await read_rows(self._engine, "look for requests", last)
        return _place(rows[0]) if rows else None


def _in_order(
    whose: Whose, wanted: RequestFilter, behind: Place | None, edge: Place | None, way: Way
) -> Select[Any]:
    """The records of that time, as an index has them."""
    table = usage_records.c
    conditions: list[ColumnElement[bool]] = [
        column == id_
        for column, id_ in ((table.key_id, whose.key_id), (table.account_id, whose.account_id))
        if id_ is not None
    ]
    if wanted.since is not None:
        conditions.append(table.at_us >= to_us(wanted.since))
    if wanted.until is not None:
        conditions.append(table.at_us < to_us(wanted.until))
    place = tuple_(table.at_us, table.id)
    order: list[Column[Any] | ColumnElement[Any]]
    # The moment once more by itself: it finds the beginning in an index that does not have the id.
    if way is Way.NEWEST_FIRST:
        if behind is not None:
            conditions += (table.at_us <= behind.at_us, place < tuple_(*behind))
        if edge is not None:
            conditions += (table.at_us >= edge.at_us, place >= tuple_(*edge))
        order = [table.at_us.desc(), table.id.desc()]
    else:
        if behind is not None:
            conditions += (table.at_us >= behind.at_us, place > tuple_(*behind))
        if edge is not None:
            conditions += (table.at_us <= edge.at_us, place <= tuple_(*edge))
        order = [table.at_us, table.id]
    return select(usage_records).where(*conditions).order_by(*order)


def _came_in(
    whose: Whose, wanted: RequestFilter, behind: int, last: int
) -> list[ColumnElement[bool]]:
    """By their ids alone: no index has those of a key, whose own would lead through all that it ever did."""
    table = usage_records.c
    conditions = [table.id > behind, table.id <= last, *_fits(wanted)]
    if wanted.since is not None:
        # Leads to the partitions of these days; an id is known in each.
        conditions.append(table.at_us >= to_us(wanted.since))
    for column, id_ in ((table.key_id, whose.key_id), (table.account_id, whose.account_id)):
        if id_ is not None:
            # Not the bare column, or both databases take its index for the better one.
            conditions.append(column + "" == id_)
    return conditions


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
