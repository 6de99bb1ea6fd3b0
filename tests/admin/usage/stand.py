"""Usage on a real database: records as the ledger writes them, and the service that shows them."""

__all__ = ["AT", "UsageStand", "a_record"]

import dataclasses
from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from admin.core.caller import Caller
from admin.core.page import PageRequest
from admin.services.usage import RequestFilter, Subject, UsageService
from admin.stores.usage_requests import Logged, RequestStore
from admin.stores.usage_rollups import RollupStore
from gateway.core.record import UsageRecord
from gateway.stores.sql_usage import SqlUsageStore
from gateway.stores.tables import accounts
from tests.admin.world import OPERATOR, World
from tests.contracts.test_usage_store import RECORD

# A whole minute, hour and day.
AT = 1_699_920_000.0


class UsageStand(World):
    """The world, with usage; each call of `write` is another batch of one worker."""

    def __init__(self, engine: AsyncEngine, looked_at: int = 20_000) -> None:
        """`looked_at` records are looked at for a page."""
        super().__init__(engine)
        self.usage = UsageService(RequestStore(engine, looked_at), RollupStore(engine), self.clock)
        self._ledger = SqlUsageStore(engine)
        self._sequence = 0

    async def write(self, *records: UsageRecord, worker: str = "w_1") -> None:
        """Store the records."""
        await self._ledger.write(worker, self._sequence, records)
        self._sequence += len(records)

    async def listed(
        self,
        subject: Subject,
        caller: Caller = OPERATOR,
        size: int = 100,
        **wanted: Any,  # noqa: ANN401 -- the filter's fields
    ) -> list[str]:
        """The request ids of all pages, in the order in which they come."""
        return [
            each.record.request_id for each in await self.pages(subject, caller, size, **wanted)
        ]

    async def pages(
        self,
        subject: Subject,
        caller: Caller = OPERATOR,
        size: int = 100,
        **wanted: Any,  # noqa: ANN401 -- the filter's fields
    ) -> list[Logged]:
        """All requests that fit, read in pages of this size."""
        found: list[Logged] = []
        cursor = None
        while True:
            page = await self.usage.requests(
                caller, subject, RequestFilter(**wanted), PageRequest(size, cursor)
            )
            assert len(page.items) <= size
            found += page.items
            if (cursor := page.next_cursor) is None:
                return found

    async def account_ids(self) -> Sequence[str]:
        """By name."""
        rows = await self.rows(accounts)
        return [row.id for row in sorted(rows, key=lambda row: str(row.name))]

    async def two_accounts(self) -> None:
        """Ada's with key_1 and key_2, Bob's with key_3."""
        first = await self.accounts.create(OPERATOR, "Ada", "starter")
        second = await self.accounts.create(OPERATOR, "Bob", "starter")
        await self.key(first.id, 1)
        await self.key(first.id, 2)
        await self.key(second.id, 3)


def a_record(name: str, after: float = 0.0, **more: Any) -> UsageRecord:  # noqa: ANN401
    """A request that began so many seconds after AT."""
    return dataclasses.replace(RECORD, at=AT + after, request_id=name, **more)
