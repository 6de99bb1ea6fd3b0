"""Gives back what was taken from a quota and never used: what a dead worker held, or what Redis forgot.

Only SQL knows for sure, and only when every node has written down what it served. So the pot is looked at, then
it is waited until all journals up to that moment are in SQL, and then the two are compared. Requests that were
under way in a process that was killed have no record: nobody got their answer, and they are not counted.
"""

__all__ = ["QuotaSettler"]

import asyncio
import contextlib
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import structlog
from sqlalchemy import Row, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.core.errors import Misuse, StoreError
from gateway.core.limits import MICRO
from gateway.core.quota import SILENT_US, Month, QuotaTally, month_at
from gateway.ports import Clock
from gateway.stores.quota_pots import pot_key
from gateway.stores.quota_tables import quota_months, quota_nodes, quota_raises
from gateway.stores.quota_view import QuotaView
from gateway.stores.redis_client import RedisStore, Script
from gateway.stores.sql_engine import READ_SECONDS, read_rows, store_errors, write_transaction
from gateway.stores.sql_quotas import active_extra
from gateway.stores.sql_usage_totals import SqlUsageTotals

log = structlog.get_logger(__name__)

_SCRIPT: Final = Script.beside(__file__, "quota_settle.lua")
_EVERY_SECONDS: Final = 5.0
_AT_ONCE: Final = 100
# Clocks of nodes may differ by this much.
_CLOCKS_US: Final = 2 * MICRO
# What a worker had set aside for itself in an outage of Redis it may hold for so long unseen.
_DIRECT_US: Final = 120 * MICRO
# A node that has shipped nothing since before the month began has served nothing in it.
_GONE_US: Final = 86_400 * MICRO
_NODE_FILE: Final = "node"
# So long Redis is told of a raise again and again.
_RAISES_US: Final = 3600 * MICRO
_DONE: Final = 2


class QuotaSettler:
    """One for each data folder, where its journal is shipped; any of them settles for all."""

    def __init__(
        self,
        engine: AsyncEngine,
        redis: RedisStore,
        clock: Clock,
        folder: Path,
        tally: QuotaTally,
    ) -> None:
        """`folder` is the data folder, whose name among all is kept in a file there."""
        self._tally = tally
        self._engine = engine
        self._redis = redis
        self._view = QuotaView(redis)
        self._totals = SqlUsageTotals(engine)
        self._clock = clock
        self._folder = folder
        self._node = ""
        self._heard_at = clock.now()
        self._shipped_at = 0.0

    def hears(
        self, lag: Callable[[float], None], is_at_work: Callable[[], bool]
    ) -> Callable[[float], None]:
        """What the ledger is to call instead of `lag`: at none, all that was there the last time is shipped."""

        def heard(seconds: float) -> None:
            lag(seconds)
            if seconds == 0 and is_at_work():
                self._shipped_at = self._heard_at
            self._heard_at = self._clock.now()

        return heard

    async def join(self) -> None:
        """Say that this node is there, before it serves. Raises StoreError, and Misuse without the folder."""
        self._node = _node_of(self._folder)
        inserting = sqlite if self._engine.dialect.name == "sqlite" else postgresql
        now_us = int(self._clock.now() * MICRO)
        async with write_transaction(self._engine, "join quotas") as connection:
            await connection.execute(
                inserting.insert(quota_nodes)
                .values(id=self._node, shipped_us=now_us)
                .on_conflict_do_nothing()
            )

    async def run(self) -> None:
        """Tell how far this node's journal is shipped, and settle what can be settled; for a Crew."""
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            try:
                await self.settle()
            except StoreError:
                continue  # a store is away: later

    async def settle(self) -> None:
        """One round. Raises StoreError."""
        now_us = int(self._clock.now() * MICRO)
        month = month_at(now_us)
        shipped_us = await self._shipped_us(month)
        rows = await read_rows(
            self._engine,
            "find quotas to settle",
            select(quota_months)
            .where(quota_months.c.month == month.name, quota_months.c.unsettled_us.is_not(None))
            .order_by(quota_months.c.unsettled_us)
            .limit(_AT_ONCE),
        )
        for row in rows:
            await self._settle(row, month, shipped_us)
        await self._tell_raises(month, now_us)

    async def _tell_raises(self, month: Month, now_us: int) -> None:
        """Redis may have been away when a raise was made or ended."""
        column, since_us = quota_raises.c, now_us - _RAISES_US
        rows = await read_rows(
            self._engine,
            "find raises",
            select(column.account_id)
            .where(or_(column.created_us > since_us, column.ended_us > since_us))
            .distinct()
            .limit(_AT_ONCE),
        )
        for row in rows:
            async with (
                store_errors("sum raises up", READ_SECONDS),
                self._engine.connect() as opened,
            ):
                extra = await active_extra(opened, row.account_id, now_us)
            await self._view.allow(row.account_id, month.name, extra)

    async def _shipped_us(self, month: Month) -> int:
        """Until when all nodes have shipped everything, after this one has told of itself."""
        async with write_transaction(self._engine, "tell what is shipped") as connection:
            if self._shipped_at:
                await connection.execute(
                    update(quota_nodes)
                    .where(quota_nodes.c.id == self._node)
                    .values(shipped_us=int(self._shipped_at * MICRO))
                )
            shipped = await connection.scalar(
                select(func.min(quota_nodes.c.shipped_us)).where(
                    quota_nodes.c.shipped_us >= month.start_us - _GONE_US
                )
            )
        return int(shipped or 0) if self._shipped_at else 0

    async def _settle(self, row: Row[Any], month: Month, shipped_us: int) -> None:
        looked = await self._run(row.account_id, month, "look", SILENT_US, row.unsettled_us)
        if looked[0] != _DONE:
            return
        noted_us = looked[2]
        if row.direct_us is not None and noted_us < row.direct_us + _DIRECT_US:
            _ = await self._run(row.account_id, month, "drop", noted_us)
            return
        until_us = noted_us + _CLOCKS_US
        if shipped_us <= until_us:
            return
        used = await self._totals.of_account(
            row.account_id, month.start_us / MICRO, until_us / MICRO
        )
        size = used.bytes_in + used.bytes_out
        given = await self._run(row.account_id, month, "give", noted_us, used.requests, size)
        if given[0] != _DONE:
            return
        self._tally.given_back += max(0, given[1])
        log.info("quota_settled", account=row.account_id, month=month.name, given_back=given[1])
        same = (
            quota_months.c.account_id == row.account_id,
            quota_months.c.month == month.name,
            quota_months.c.unsettled_us == row.unsettled_us,
        )
        async with write_transaction(self._engine, "settle a quota") as connection:
            await connection.execute(update(quota_months).where(*same).values(unsettled_us=None))

    async def _run(self, account_id: str, month: Month, *words: str | int) -> list[int]:
        found: list[int] = await self._redis.run(
            "settle", _SCRIPT, (pot_key(account_id, month.name),), words
        )
        return found


def _node_of(folder: Path) -> str:
    """The data folder's own name, made when there is none yet."""
    path = folder / _NODE_FILE
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = f"n_{secrets.token_hex(8)}"
        fresh = path.with_name(f"{_NODE_FILE}.{made}")
        fresh.write_text(made, encoding="ascii")
        # Of several processes that start at once one is first, with a whole file.
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(fresh)
        fresh.unlink()
        return path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise Misuse(f"The file {path} cannot be written ({error.strerror}).") from error
