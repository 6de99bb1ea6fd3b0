"""Usage in sums: by minute, hour and day, of a key, an account, or the whole gateway."""

__all__ = ["ROWS_MAX", "RollupFilter", "RollupStore"]

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.core.series import RolledUp
from admin.core.span import Span
from gateway.stores.sql_engine import read_rows
from gateway.stores.usage_tables import usage_rollups

# A point has a row for each route, class of status and outcome that occurred.
ROWS_MAX: Final = 50_000

_COLUMNS: Final = tuple(usage_rollups.c[name] for name in RolledUp._fields)


@dataclass(frozen=True, slots=True)
class RollupFilter:
    """Which requests: all that fit every word given; `status_class` is 4 for 4xx."""

    route: str | None = None
    outcome: str | None = None
    status_class: int | None = None


class RollupStore:
    """Every method raises StoreError when the database cannot answer."""

    def __init__(self, engine: AsyncEngine) -> None:
        """`engine` is open, on a database of the present schema."""
        self._engine = engine

    async def of_key(
        self, key_id: str, account_id: str, span: Span, wanted: RollupFilter
    ) -> Sequence[RolledUp]:
        """What a key of this account did; one row more than `ROWS_MAX` if there are as many, or more."""
        return await self._rows(key_id, account_id, span, wanted)

    async def of_account(
        self, account_id: str, span: Span, wanted: RollupFilter
    ) -> Sequence[RolledUp]:
        """The same for all keys of an account."""
        return await self._rows("", account_id, span, wanted)

    async def of_gateway(self, span: Span, wanted: RollupFilter) -> Sequence[RolledUp]:
        """The same for all accounts."""
        return await self._rows("", "", span, wanted)

    async def _rows(
        self, key_id: str, account_id: str, span: Span, wanted: RollupFilter
    ) -> Sequence[RolledUp]:
        table = usage_rollups.c
        rows = await read_rows(
            self._engine,
            "read roll-ups",
            select(*_COLUMNS)
            .where(
                table.key_id == key_id,
                table.account_id == account_id,
                table.step_seconds == span.step_seconds,
                table.at >= span.since,
                table.at < span.until,
                *_fits(wanted),
            )
            .limit(ROWS_MAX + 1),
        )
        return [RolledUp._make(row) for row in rows]


def _fits(wanted: RollupFilter) -> list[ColumnElement[bool]]:
    table = usage_rollups.c
    conditions: list[ColumnElement[bool]] = []
    if wanted.route is not None:
        conditions.append(table.route == wanted.route)
    if wanted.outcome is not None:
        conditions.append(table.outcome == wanted.outcome)
    if wanted.status_class is not None:
        conditions.append(table.status_class == wanted.status_class)
    return conditions
