"""A batch of usage on its way into SQL: records, what they add to the roll-ups, and the last use of each secret.

All of it is one transaction, with the number up to which each worker's entries are in. A batch that is written again,
because the answer to it got lost, finds that number, and nothing of it is added a second time.
"""

__all__ = ["RECORD_COLUMNS", "UsageBatch", "batch_of"]

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.core.record import UsageRow
from gateway.ports import UsageRun
from gateway.stores.tables import usage_records
from gateway.stores.usage_rollup import Rollup, Use, added_rollups, fresh_days, tallied, uses

# The database numbers them.
RECORD_COLUMNS: Final = tuple(each.name for each in usage_records.columns if each.name != "id")


@dataclass(frozen=True, slots=True)
class UsageBatch:
    """What is written at once.

    `begins` says from which number of each worker on it has them, `ends` where the next batch goes on; `at_us` is when
    the last of its requests began. `rows` are columns of `usage_records`, `uses` of `secret_uses`; `days` are the last
    days of keys that may not have them in SQL yet.
    """

    begins: Mapping[str, int]
    ends: Mapping[str, int]
    at_us: int
    rows: Sequence[UsageRow]
    rollups: Sequence[Rollup]
    uses: Sequence[Use]
    days: Mapping[str, int]

    def is_behind(self, positions: Mapping[str, int]) -> bool:
        """Whether SQL has some of it, when `positions` are those in SQL."""
        return any(positions.get(worker, 0) > first for worker, first in self.begins.items())


def batch_of(
    runs: Iterable[UsageRun], positions: Mapping[str, int], known_days: Mapping[str, int]
) -> UsageBatch:
    """A batch of those records that are not in SQL, where `positions` says what is."""
    rows: list[UsageRow] = []
    begins: dict[str, int] = {}
    ends: dict[str, int] = {}
    for worker, first, records in runs:
        start = max(first, positions.get(worker, 0), ends.get(worker, 0))
        new = records[start - first :]
        if new:
            rows += new
            begins.setdefault(worker, start)
            ends[worker] = start + len(new)
    tallies = tallied(rows)
    return UsageBatch(
        begins=begins,
        ends=ends,
        at_us=max((tally.last[0] for tally in tallies.values()), default=0),
        rows=rows,
        rollups=added_rollups(tallies),
        uses=uses(tallies),
        days=fresh_days(tallies, known_days),
    )
