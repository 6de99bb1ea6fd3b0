"""The inbox in SQL: notices, and who has read which of them."""

__all__ = ["InboxStore", "Notices", "StoredNotice"]

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, delete, exists, func, not_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from admin.core.notices.severity import Severity
from admin.core.page import Page, PageRequest, decoded_number, encoded
from gateway.stores.notification_tables import inbox_marks, inbox_notices, inbox_reads
from gateway.stores.sql_engine import read_rows, write_transaction
from gateway.stores.tables import from_us

_ORDER = "inbox.newest"
# Nobody reads a larger number than "many".
_COUNTED_MAX = 1000


@dataclass(frozen=True, slots=True)
class Notices:
    """Which notices: all that fit every word given."""

    account_id: str | None = None
    severity: Severity = Severity.INFO
    is_unread: bool = False


@dataclass(frozen=True, slots=True)
class StoredNotice:
    """One notice, under its event's number. `at` is seconds since the epoch, UTC."""

    sequence: int
    at: float
    account_id: str | None
    key_id: str | None
    kind: str
    severity: Severity
    title: str
    text: str
    is_read: bool


class InboxStore:
    """Every method raises StoreError when the database cannot answer."""

    def __init__(self, engine: AsyncEngine) -> None:
        """`engine` is open, on a database of the present schema."""
        self._engine = engine

    async def list(self, reader: str, wanted: Notices, page: PageRequest) -> Page[StoredNotice]:
        """The notices that fit, newest first. Raises Misuse for a cursor of another list."""
        unread = _is_unread(reader)
        chosen = (
            select(inbox_notices, unread.label("is_unread"))
            .where(*_conditions(wanted), *([unread] if wanted.is_unread else []))
            .order_by(inbox_notices.c.sequence.desc())
        )
        if page.cursor is not None:
            before, _ = decoded_number(page.cursor, _ORDER)
            chosen = chosen.where(inbox_notices.c.sequence < before)
        rows = await read_rows(self._engine, "list the inbox", chosen.limit(page.size + 1))
        shown = rows[: page.size]
        cursor = encoded(_ORDER, shown[-1].sequence, "") if len(rows) > len(shown) else None
        return Page(tuple(map(_notice, shown)), cursor)

    async def unread(self, reader: str, account_id: str | None) -> int:
        """How many the reader has not read; at most 1000 are counted."""
        some: Select[Any] = (
            select(inbox_notices.c.sequence)
            .where(*_conditions(Notices(account_id)), _is_unread(reader))
            .limit(_COUNTED_MAX)
        )
        rows = await read_rows(
            self._engine,
            "count unread notices",
            select(func.count().label("number")).select_from(some.subquery()),
        )
        return int(rows[0].number)

    async def read_all(self, reader: str, up_to: int) -> None:
        """The reader has read all notices up to this number."""
        async with write_transaction(self._engine, "mark notices as read") as connection:
            adding = _insert(connection, inbox_marks)
            # An earlier mark is never set back by a request that comes late.
            await connection.execute(
                adding.on_conflict_do_update(
                    index_elements=["reader"],
                    set_={"sequence": adding.excluded.sequence},
                    where=inbox_marks.c.sequence < adding.excluded.sequence,
                ).values(reader=reader, sequence=up_to)
            )
            await connection.execute(
                delete(inbox_reads).where(
                    inbox_reads.c.reader == reader, inbox_reads.c.sequence <= up_to
                )
            )

    async def read_some(
        self, reader: str, account_id: str | None, sequences: Sequence[int]
    ) -> None:
        """The reader has read these notices, of those (of one account) that there are."""
        found = select(inbox_notices.c.sequence).where(
            inbox_notices.c.sequence.in_(sequences), *_conditions(Notices(account_id))
        )
        async with write_transaction(self._engine, "mark notices as read") as connection:
            there = (await connection.execute(found)).scalars().all()
            if there:
                await connection.execute(
                    _insert(connection, inbox_reads).on_conflict_do_nothing(),
                    [{"reader": reader, "sequence": sequence} for sequence in there],
                )


def _insert(connection: AsyncConnection, table: Any) -> Any:  # noqa: ANN401 -- of either dialect
    is_postgresql = connection.dialect.name == "postgresql"
    return (postgresql if is_postgresql else sqlite).insert(table)


def _is_unread(reader: str) -> ColumnElement[bool]:
    mark = (
        select(func.coalesce(func.max(inbox_marks.c.sequence), 0))
        .where(inbox_marks.c.reader == reader)
        .scalar_subquery()
    )
    is_read = exists().where(
        inbox_reads.c.reader == reader, inbox_reads.c.sequence == inbox_notices.c.sequence
    )
    return and_(inbox_notices.c.sequence > mark, not_(is_read))


def _conditions(wanted: Notices) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.account_id is not None:
        conditions.append(inbox_notices.c.account_id == wanted.account_id)
    if wanted.severity is not Severity.INFO:
        conditions.append(inbox_notices.c.severity >= wanted.severity.rank)
    return conditions


def _notice(row: Row[Any]) -> StoredNotice:
    return StoredNotice(
        sequence=row.sequence,
        at=from_us(row.at_us),
        account_id=row.account_id,
        key_id=row.key_id,
        kind=row.kind,
        severity=Severity.of_rank(row.severity),
        title=row.title,
        text=row.text,
        is_read=not row.is_unread,
    )
