"""How much was used in a time: sums over the roll-ups."""

__all__ = ["Span", "SqlUsageTotals", "Total", "spans"]

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from sqlalchemy import Select, func, select, union_all
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.core.record import COUNTED, storable
from gateway.stores.sql_engine import READ_SECONDS, read_rows
from gateway.stores.usage_tables import MINUTE, STEPS, usage_rollups


class Total(NamedTuple):
    """What was used: requests that count (`core.record.COUNTED`), and the bytes of their bodies each way."""

    requests: int
    bytes_in: int
    bytes_out: int


class Span(NamedTuple):
    """Whole buckets of one step; seconds since the epoch, the end left out."""

    step_seconds: int
    since: int
    until: int


def spans(since: int, until: int) -> Iterator[Span]:
    """The fewest buckets that make up whole minutes: days inside, hours around, minutes outside."""
    yield from _spans(since, until, tuple(reversed(STEPS)))


def _spans(since: int, until: int, steps: tuple[int, ...]) -> Iterator[Span]:
    if since >= until:
        return
    step = steps[0]
    first, last = -(-since // step) * step, until // step * step
    if first >= last:
        yield from _spans(since, until, steps[1:])
        return
    yield from _spans(since, first, steps[1:])
    yield Span(step, first, last)
    yield from _spans(last, until, steps[1:])


class SqlUsageTotals:
    """What quotas and bills count: all that has reached SQL, because roll-ups get there with the records."""

    def __init__(self, engine: AsyncEngine, deadline_seconds: float = READ_SECONDS) -> None:
        """Each call raises StoreError after `deadline_seconds`."""
        self._engine = engine
        self._deadline_seconds = deadline_seconds

    async def of_account(self, account_id: str, since: float, until: float) -> Total:
        """What the account used of requests that began from `since` on and before `until`. Raises StoreError.

        Of a minute that is in part within, the whole is counted: never less than was served. Minutes and hours are
        known as long as `usage.keep_minutes` and `usage.keep_hours` say; days of UTC longest.
        """
        account = storable(account_id)
        first = math.floor(since / MINUTE) * MINUTE if since < until else 0
        last = math.ceil(until / MINUTE) * MINUTE if since < until else 0
        asked = [_summed(account, span) for span in spans(first, last)]
        if not asked:
            return Total(0, 0, 0)
        parts = union_all(*asked).subquery()
        # One statement, so that no batch gets in between its parts.
        rows = await read_rows(
            self._engine,
            "sum usage up",
            select(*(func.coalesce(func.sum(parts.c[name]), 0) for name in Total._fields)),
            self._deadline_seconds,
        )
        return Total(*map(int, rows[0]))


def _summed(account_id: str, span: Span) -> Select[Any]:
    rows = usage_rollups.c
    return select(*(func.sum(rows[name]).label(name) for name in Total._fields)).where(
        rows.key_id == "",
        rows.account_id == account_id,
        rows.step_seconds == span.step_seconds,
        rows.at >= span.since,
        rows.at < span.until,
        rows.outcome.in_(COUNTED),
    )
