"""A UsageStore in memory, requests to record, and the journal's folders, for the tests of this room."""

__all__ = ["RECORD", "Shelf", "cut", "items", "numbered", "records_of", "refused", "until"]

import asyncio
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from gateway.core.errors import StoreError
from gateway.core.journal import Damage, Entry, decoded, entries
from gateway.core.record import SERVED, UsageRecord, record_of
from gateway.ports import UsageRun
from gateway.usage.segments import segment_numbers, segment_path

RECORD = UsageRecord(
    at=1_700_000_000.0,
    key_id="key_1",
    account_id="acc_1",
    secret_id="000000000001",
    route="dns",
    method="GET",
    path="/v1/dns/zones",
    status=200,
    outcome=SERVED,
    bytes_in=0,
    bytes_out=12,
    duration_seconds=0.5,
    address="192.0.2.1",
    request_id="r",
)


def numbered(number: int | str) -> UsageRecord:
    """A request of a key."""
    return dataclasses.replace(RECORD, request_id=str(number))


def refused(at: float, outcome: str = "missing_key") -> UsageRecord:
    """A request without a key."""
    return dataclasses.replace(RECORD, at=at, key_id=None, status=401, outcome=outcome)


class Shelf:
    """A UsageStore that can be away, hang, or lose its answer after it has written."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, int], UsageRecord] = {}
        self.totals: dict[tuple[str, int, str], int] = {}
        self.writes: list[int] = []
        self.asked = 0
        self.is_away = False
        self.loses_next_answer = False
        self.hangs = False
        self.finishes_at_most = 1_000_000

    async def ship(self, runs: Sequence[UsageRun]) -> None:
        await self._answer("write")
        count = sum(len(records) for _, _, records in runs)
        if count > self.finishes_at_most:
            await asyncio.Event().wait()
        self.writes.append(count)
        for worker, first, records in runs:
            for number, record in enumerate(records, first):
                self.rows.setdefault((worker, number), record_of(record))
        if self.loses_next_answer:
            self.loses_next_answer = False
            raise StoreError("sql", "write", "connection lost")

    async def count_refused(self, worker: str, totals: Mapping[tuple[int, str], int]) -> None:
        await self._answer("count")
        for (minute, outcome), total in totals.items():
            row = (worker, minute, outcome)
            self.totals[row] = max(total, self.totals.get(row, 0))

    async def _answer(self, operation: str) -> None:
        await asyncio.sleep(0)
        self.asked += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.is_away:
            raise StoreError("sql", operation, "away")

    @property
    def request_ids(self) -> list[str]:
        """Of all records, by worker and number."""
        return [record.request_id for _, record in sorted(self.rows.items())]


async def until(is_so: Callable[[], object]) -> None:
    """Return once it is so; fail when it never is."""
    async with asyncio.timeout(10):
        while not is_so():  # noqa: ASYNC110 -- what is waited for has no event of its own
            await asyncio.sleep(0.001)


def items(folder: Path) -> list[Entry | Damage]:
    """Everything in a worker's segments, in order."""
    return [
        item
        for number in segment_numbers(folder)
        for item in entries(segment_path(folder, number).read_bytes())
    ]


def records_of(folder: Path) -> list[str]:
    """The request ids of the records in a worker's segments."""
    said = [decoded(item) for item in items(folder) if isinstance(item, Entry)]
    return [each.request_id for each in said if isinstance(each, UsageRecord)]


def cut(folder: Path, number: int, offset: int, data: bytes) -> None:
    """Write over a segment, as a bad disk does."""
    with segment_path(folder, number).open("r+b") as file:
        file.seek(offset)
        file.write(data)
