"""Old usage is deleted, and tables for the days to come are made: each minute, in small steps."""

__all__ = ["Kept", "UsageRetention"]

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import structlog

from admin.services.rounds import go_round
from admin.stores.usage_retention import UsageRetentionStore
from gateway.ports import Clock

log = structlog.get_logger(__name__)

# A journal that is older, and was shipped before, would be shipped again.
_POSITIONS_SECONDS: Final = 400 * 86_400.0
# So many steps in a row without a record that is old enough: what follows is younger.
_STEPS_IN_VAIN: Final = 10


@dataclass(frozen=True, slots=True)
class Kept:
    """For how many seconds: records; roll-ups, by the length of their buckets."""

    records_seconds: float
    rollups_seconds: Mapping[int, float]


class UsageRetention:
    """May run on several nodes at once: what one has deleted, the others do not find."""

    def __init__(
        self,
        store: UsageRetentionStore,
        clock: Clock,
        kept: Kept,
        interval_seconds: float = 60.0,
    ) -> None:
        """`kept` is what the configuration says."""
        self._store = store
        self._clock = clock
        self._kept = kept
        self._interval = interval_seconds

    async def run(self) -> None:
        """Do all of it, again and again, for as long as it is left to."""
        await go_round(self.once, self._interval, "usage_retention_waits_for_store")

    async def once(self) -> None:
        """Do all of it once. Raises StoreError when the database cannot answer."""
        now = self._clock.now()
        before = now - self._kept.records_seconds
        if self._store.has_partitions:
            await self._store.make_days(now)
            while (name := await self._store.drop_day(before)) is not None:
                log.info("usage_partition_dropped", table=name)
        else:
            await self._delete_records(before)
        for step, seconds in self._kept.rollups_seconds.items():
            while await self._store.delete_rollups(step, now - seconds):
                pass
        await self._store.delete_counts(before)
        await self._store.delete_positions(now - _POSITIONS_SECONDS)

    async def _delete_records(self, before: float) -> None:
        behind: int | None = 0
        deleted, in_vain = 0, 0
        while behind is not None and in_vain < _STEPS_IN_VAIN:
            step = await self._store.delete_records(before, behind)
            behind = step.behind
            deleted += step.deleted
            in_vain = 0 if step.deleted else in_vain + 1
        if deleted:
            log.info("usage_records_deleted", records=deleted)
