"""What has happened, as SQL has it: audit entries and events. They are written by `transaction` alone."""

__all__ = ["AuditFilter", "Ends", "Event", "RecordStore"]

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Row, func, not_, or_, select
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.core.audit import AuditEntry, Head, Stored
from admin.core.page import Page, PageRequest, decoded_number, encoded
from gateway.stores.sql_engine import read_rows
from gateway.stores.tables import audit_entries, audit_head, events, from_us, to_us

_ORDER = "audit.newest"
_FIELDS = tuple(AuditEntry.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries: all that fit every word given. Times are seconds since the epoch; `until` is exclusive."""

    account_id: str | None = None
    target_id: str | None = None
    actor_id: str | None = None
    action: str | None = None
    since: float | None = None
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """Something somebody may want to be told of. `at` is seconds since the epoch, UTC."""

    sequence: int
    at: float
    kind: str
    account_id: str | None
    key_id: str | None
    data: Mapping[str, Any]


class Ends(NamedTuple):
    """Where the chain ends, None if that is not known any more; and how many entries stand outside of it."""

    head: Head | None
    outside: int


class RecordStore:
    """Every method raises StoreError when the database cannot answer."""

    def __init__(self, engine: AsyncEngine) -> None:
        """`engine` is open, on a database of the present schema."""
        self._engine = engine

    async def audit(self, wanted: AuditFilter, page: PageRequest) -> Page[Stored]:
        """The entries that fit, newest first. Raises Misuse for a cursor of another list."""
        chosen = (
            select(audit_entries)
            .where(*_conditions(wanted))
            .order_by(audit_entries.c.sequence.desc())
        )
        if page.cursor is not None:
            before, _ = decoded_number(page.cursor, _ORDER)
            chosen = chosen.where(audit_entries.c.sequence < before)
        rows = await read_rows(self._engine, "list the audit log", chosen.limit(page.size + 1))
        shown = rows[: page.size]
        cursor = encoded(_ORDER, shown[-1].sequence, "") if len(rows) > len(shown) else None
        return Page(tuple(_stored(row) for row in shown), cursor)

    async def behind(self, sequence: int, last: int, count: int) -> Sequence[Stored]:
        """At most `count` entries after `sequence` and up to `last`, in their order."""
        rows = await read_rows(
            self._engine,
            "read the audit log",
            select(audit_entries)
            .where(audit_entries.c.sequence > sequence, audit_entries.c.sequence <= last)
            .order_by(audit_entries.c.sequence)
            .limit(count),
        )
        return [_stored(row) for row in rows]

    async def ends(self) -> Ends:
        """Where the chain ends at this moment."""
        # One statement, and so one moment: an entry that is being added is in both or in none.
        end = select(func.max(audit_head.c.sequence)).scalar_subquery()
        outside = (
            select(func.count())
            .select_from(audit_entries)
            .where(
                or_(
                    not_(audit_entries.c.sequence.between(1, end)),
                    audit_entries.c.sequence.is_(None),
                    end.is_(None),
                )
            )
            .scalar_subquery()
        )
        hash_ = select(func.max(audit_head.c.hash)).scalar_subquery()
        (row,) = await read_rows(
            self._engine,
            "find the end of the audit log",
            select(end.label("sequence"), hash_.label("hash"), outside.label("outside")),
        )
        # SQLite keeps any kind of value in any column.
        is_known = isinstance(row.sequence, int) and isinstance(row.hash, str)
        head = Head(row.sequence, row.hash) if is_known else None
        return Ends(head, row.outside)

    async def events(self, after: int, limit: int, account_id: str | None) -> tuple[Event, ...]:
        """At most `limit` events (of one account) behind the number `after`, oldest first."""
        chosen = select(events).where(events.c.sequence > after)
        if account_id is not None:
            chosen = chosen.where(events.c.account_id == account_id)
        rows = await read_rows(
            self._engine, "list events", chosen.order_by(events.c.sequence).limit(limit)
        )
        return tuple(
            Event(
                row.sequence,
                from_us(row.at_us),
                row.kind,
                row.account_id,
                row.key_id,
                json.loads(row.data),
            )
            for row in rows
        )


def _conditions(wanted: AuditFilter) -> list[ColumnElement[bool]]:
    conditions = [
        column == value
        for column, value in (
            (audit_entries.c.account_id, wanted.account_id),
            (audit_entries.c.target_id, wanted.target_id),
            (audit_entries.c.actor_id, wanted.actor_id),
            (audit_entries.c.action, wanted.action),
        )
        if value is not None
    ]
    if wanted.since is not None:
        conditions.append(audit_entries.c.at_us >= to_us(wanted.since))
    if wanted.until is not None:
        conditions.append(audit_entries.c.at_us < to_us(wanted.until))
    return conditions


def _stored(row: Row[Any]) -> Stored:
    return Stored(
        row.sequence, AuditEntry(**{name: getattr(row, name) for name in _FIELDS}), row.hash
    )
