"""What SQL has of quotas: how much of each month was set aside, and what is allowed on top."""

__all__ = ["SetAside", "SqlQuotas", "Totals", "Used", "active_extra"]

from typing import Any, Final, NamedTuple, Protocol

from sqlalchemy import Row, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.core.quota import Extra, Month
from gateway.stores.quota_pots import Aside
from gateway.stores.quota_tables import quota_months, quota_raises
from gateway.stores.sql_engine import WRITE_SECONDS, read_rows, write_transaction

_OPERATION: Final = "set a quota aside"


class Used(Protocol):
    """What an account has used."""

    @property
    def requests(self) -> int:
        """Requests that were served."""
        ...

    @property
    def bytes_in(self) -> int:
        """Bytes of their bodies."""
        ...

    @property
    def bytes_out(self) -> int:
        """Bytes of the answers' bodies."""
        ...


class Totals(Protocol):
    """Usage in SQL, summed up."""

    async def of_account(self, account_id: str, since: float, until: float) -> Used:
        """What was begun from `since` on and before `until` (seconds since the epoch). Raises StoreError."""
        ...


class SetAside(NamedTuple):
    """What is wanted: at most `wanted` requests, so that no more than `limit` and what is allowed on top are.

    `is_lost`: Redis has no pot, so some of what was set aside earlier may not have been used. `is_direct`: for
    a worker that cannot reach Redis. `bytes` are those that are known of.
    """

    wanted: int
    limit: int | None
    now_us: int
    is_lost: bool = False
    is_direct: bool = False
    bytes: int = 0


class SqlQuotas:
    """Sets requests aside; each of them once, whoever asks."""

    def __init__(self, engine: AsyncEngine, totals: Totals, deadline_seconds: float) -> None:
        """`totals` say what a month had seen before its first request was set aside."""
        self._engine = engine
        self._totals = totals
        self._deadline_seconds = min(deadline_seconds, WRITE_SECONDS)

    async def set_aside(self, account_id: str, month: Month, wish: SetAside) -> Aside:
        """Do it; `part` is what was got, perhaps nothing. Raises StoreError, after which it may have been done."""
        first = (0, 0)
        if not await self._is_begun(account_id, month):
            seconds = (month.start_us / 1e6, month.end_us / 1e6)
            used = await self._totals.of_account(account_id, *seconds)
            first = (used.requests, used.bytes_in + used.bytes_out)
        async with write_transaction(
            self._engine, _OPERATION, self._deadline_seconds
        ) as connection:
            row = await self._row(connection, account_id, month, first, wish)
            extra = await active_extra(connection, account_id, wish.now_us)
            part = wish.wanted
            if wish.limit is not None:
                part = max(0, min(part, wish.limit + extra.requests - row.set_aside))
            values: dict[str, Any] = {
                "set_aside": row.set_aside + part,
                "bytes": max(row.bytes, wish.bytes),
                "updated_us": wish.now_us,
            }
            # What the records said first may have missed some, or have what a worker is yet to tell of.
            if wish.is_lost and row.set_aside > 0:
                values["unsettled_us"] = wish.now_us
            if wish.is_direct:
                values["direct_us"] = wish.now_us
            await connection.execute(
                update(quota_months).where(*_is(account_id, month)).values(values)
            )
        total, known = int(values["set_aside"]), int(values["bytes"])
        return Aside(total, part, known, extra, is_whole=wish.is_lost)

    async def mark_unsettled(self, account_id: str, month: Month, now_us: int) -> None:
        """Some of what was set aside may not have been used. Raises StoreError."""
        column = quota_months.c.unsettled_us
        async with write_transaction(
            self._engine, _OPERATION, self._deadline_seconds
        ) as connection:
            await connection.execute(
                update(quota_months)
                .where(*_is(account_id, month))
                .values(unsettled_us=func.coalesce(column, now_us))
            )

    async def _is_begun(self, account_id: str, month: Month) -> bool:
        asked = select(quota_months.c.month).where(*_is(account_id, month))
        return bool(await read_rows(self._engine, _OPERATION, asked, self._deadline_seconds))

    async def _row(
        self,
        connection: AsyncConnection,
        account_id: str,
        month: Month,
        first: tuple[int, int],
        wish: SetAside,
    ) -> Row[Any]:
        inserting = sqlite if self._engine.dialect.name == "sqlite" else postgresql
        await connection.execute(
            inserting.insert(quota_months)
            .values(
                account_id=account_id,
                month=month.name,
                set_aside=first[0],
                bytes=first[1],
                updated_us=wish.now_us,
            )
            .on_conflict_do_nothing()
        )
        row = await _found(connection, account_id, month)
        if row is None:
            raise RuntimeError("a row that was just put in is not there")
        return row


async def _found(connection: AsyncConnection, account_id: str, month: Month) -> Row[Any] | None:
    statement = select(quota_months).where(*_is(account_id, month)).with_for_update()
    return (await connection.execute(statement)).one_or_none()


def _is(account_id: str, month: Month) -> tuple[Any, Any]:
    return (quota_months.c.account_id == account_id, quota_months.c.month == month.name)


async def active_extra(connection: AsyncConnection, account_id: str, now_us: int) -> Extra:
    """What is allowed on top just now, until the first of it ends."""
    raises = quota_raises.c
    row = (
        await connection.execute(
            select(
                func.coalesce(func.sum(raises.requests), 0).label("requests"),
                func.coalesce(func.sum(raises.bytes), 0).label("bytes"),
                func.coalesce(func.min(raises.until_us), 0).label("until_us"),
            ).where(
                raises.account_id == account_id,
                raises.until_us > now_us,
                raises.ended_us.is_(None),
            )
        )
    ).one()
    # PostgreSQL sums whole numbers up to a decimal.
    return Extra(int(row.requests), int(row.bytes), int(row.until_us))
