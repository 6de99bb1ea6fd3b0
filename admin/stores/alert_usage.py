"""What was used, as far as alerts look at it: the records since, and sums over the roll-ups."""

__all__ = ["AlertUsage", "Hour", "Outcomes", "Seen", "Used"]

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, and_, case, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.core.record import COUNTED
from gateway.stores.sql_engine import read_rows
from gateway.stores.tables import keys, usage_records
from gateway.stores.usage_tables import DAY, HOUR, MINUTE, usage_rollups

_CLIENT_ERROR: Final = 4
_RECORD = usage_records.c
_ROLLUP = usage_rollups.c


class Seen(NamedTuple):
    """What one key did from one address, in a stretch of records."""

    key_id: str
    account_id: str
    address: str
    refused: int


class Used(NamedTuple):
    """What an account was served: since the month began, and in the days since `week_first` (seconds), if in any."""

    account_id: str
    month_requests: int
    month_bytes: int
    week_requests: int
    week_bytes: int
    week_first: int | None


class Hour(NamedTuple):
    """An account's requests, refused or not, in the hour that begins `at`."""

    account_id: str
    at: int
    requests: int


class Outcomes(NamedTuple):
    """How many requests of a key had this outcome."""

    key_id: str
    outcome: str
    is_refused: bool
    requests: int


class AlertUsage:
    """Every method raises StoreError when the database cannot answer."""

    def __init__(self, engine: AsyncEngine) -> None:
        """`engine` is open, on a database of the present schema."""
        self._engine = engine

    async def newest(self) -> int:
        """The highest number of a record so far; 0 if there is none."""
        rows = await read_rows(self._engine, "find new records", select(func.max(_RECORD.id)))
        return rows[0][0] or 0

    async def seen(self, after: int, until: int) -> Sequence[Seen]:
        """Who did something in the records numbered from behind `after` up to `until`."""
        rows = await read_rows(
            self._engine,
            "read new records",
            select(
                _RECORD.key_id,
                _RECORD.account_id,
                _RECORD.address,
                func.sum(case((_is_refused_record(), 1), else_=0)).label("refused"),
            )
            .where(
                _RECORD.id > after,
                _RECORD.id <= until,
                _RECORD.key_id.is_not(None),
                _RECORD.account_id.is_not(None),
            )
            .group_by(_RECORD.key_id, _RECORD.account_id, _RECORD.address),
        )
        # PostgreSQL sums whole numbers up to a decimal.
        return [Seen(row.key_id, row.account_id, row.address, int(row.refused)) for row in rows]

    async def used(
        self, account_ids: Collection[str], month_start: int, week_start: int, until: int
    ) -> Sequence[Used]:
        """What these accounts were served, of the days from those moments on (seconds) and before `until`."""
        in_month, in_week = _ROLLUP.at >= month_start, _ROLLUP.at >= week_start
        both_ways = _ROLLUP.bytes_in + _ROLLUP.bytes_out
        rows = await read_rows(
            self._engine,
            "sum usage up",
            select(
                _ROLLUP.account_id,
                func.sum(case((in_month, _ROLLUP.requests), else_=0)).label("month_requests"),
                func.sum(case((in_month, both_ways), else_=0)).label("month_bytes"),
                func.sum(case((in_week, _ROLLUP.requests), else_=0)).label("week_requests"),
                func.sum(case((in_week, both_ways), else_=0)).label("week_bytes"),
                func.min(case((in_week, _ROLLUP.at))).label("week_first"),
            )
            .where(
                *_of_accounts(account_ids, DAY),
                _ROLLUP.at >= min(month_start, week_start),
                _ROLLUP.at < until,
                _ROLLUP.outcome.in_(COUNTED),
            )
            .group_by(_ROLLUP.account_id),
        )
        return [
            Used(
                row.account_id,
                int(row.month_requests),
                int(row.month_bytes),
                int(row.week_requests),
                int(row.week_bytes),
                row.week_first,
            )
            for row in rows
        ]

    async def hours(self, account_ids: Collection[str], since: int) -> Sequence[Hour]:
        """The hours of these accounts from `since` on (seconds), in their order; empty ones are left out."""
        rows = await read_rows(
            self._engine,
            "count hours",
            select(_ROLLUP.account_id, _ROLLUP.at, func.sum(_ROLLUP.requests).label("requests"))
            .where(*_of_accounts(account_ids, HOUR), _ROLLUP.at >= since)
            .group_by(_ROLLUP.account_id, _ROLLUP.at)
            .order_by(_ROLLUP.account_id, _ROLLUP.at),
        )
        return [Hour(row.account_id, row.at, int(row.requests)) for row in rows]

    async def outcomes(self, key_ids: Collection[str], since: int) -> Sequence[Outcomes]:
        """What became of the requests of these keys in the minutes that begin at or after `since` (seconds)."""
        is_refused = case((_is_refused_rollup(), 1), else_=0)
        rows = await read_rows(
            self._engine,
            "count refusals of keys",
            select(
                keys.c.id,
                _ROLLUP.outcome,
                is_refused.label("is_refused"),
                func.sum(_ROLLUP.requests).label("requests"),
            )
            .join(
                usage_rollups,
                and_(
                    _ROLLUP.key_id == keys.c.id,
                    _ROLLUP.account_id == keys.c.account_id,
                    _ROLLUP.step_seconds == MINUTE,
                    _ROLLUP.at >= since,
                ),
            )
            .where(keys.c.id.in_(sorted(key_ids)))
            .group_by(keys.c.id, _ROLLUP.outcome, is_refused),
        )
        return [
            Outcomes(row.id, row.outcome, bool(row.is_refused), int(row.requests)) for row in rows
        ]


def _of_accounts(account_ids: Collection[str], step: int) -> tuple[ColumnElement[bool], ...]:
    return (
        _ROLLUP.key_id == "",
        _ROLLUP.account_id.in_(sorted(account_ids)),
        _ROLLUP.step_seconds == step,
    )


def _is_refused_record() -> ColumnElement[bool]:
    return and_(_RECORD.status.between(400, 499), _RECORD.outcome.not_in(COUNTED))


def _is_refused_rollup() -> ColumnElement[bool]:
    return and_(_ROLLUP.status_class == _CLIENT_ERROR, _ROLLUP.outcome.not_in(COUNTED))
