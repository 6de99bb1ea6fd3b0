"""A batch of usage on its way into SQL: records, what they add to the roll-ups, and the last use of each secret.

All of it is one transaction, with the number up to which each worker's entries are in. A batch that is written again,
because the answer to it got lost, finds that number, and nothing of it is added a second time.
"""

__all__ = [
    "RECORD_COLUMNS",
    "UsageBatch",
    "batch_of",
    "clean",
    "record_columns",
]

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from gateway.core.record import UsageRecord
from gateway.ports import UsageRun
from gateway.stores.tables import to_us, usage_records
from gateway.stores.usage_rollup import Rollup, added_rollups

Row: TypeAlias = tuple[Any, ...]

_DAY_US: Final = 86_400_000_000
# The database numbers them.
RECORD_COLUMNS: Final = tuple(each.name for each in usage_records.columns if each.name != "id")
_AT, _KEY, _SECRET, _ROUTE, _ADDRESS = (
    RECORD_COLUMNS.index(name) for name in ("at_us", "key_id", "secret_id", "route", "address")
)


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
    rows: Sequence[Row]
    rollups: Sequence[Rollup]
    uses: Sequence[Row]
    days: Mapping[str, int]

    def is_behind(self, positions: Mapping[str, int]) -> bool:
        """Whether SQL has some of it, when `positions` are those in SQL."""
        return any(positions.get(worker, 0) > first for worker, first in self.begins.items())


def batch_of(
    runs: Iterable[UsageRun], positions: Mapping[str, int], known_days: Mapping[str, int]
) -> UsageBatch:
    """A batch of those records that are not in SQL, where `positions` says what is."""
    rows: list[Row] = []
    begins: dict[str, int] = {}
    ends: dict[str, int] = {}
    for worker, first, records in runs:
        start = max(first, positions.get(worker, 0), ends.get(worker, 0))
        new = records[start - first :]
        if new:
            rows += map(record_columns, new)
            begins.setdefault(worker, start)
            ends[worker] = start + len(new)
    return UsageBatch(
        begins=begins,
        ends=ends,
        at_us=max((row[_AT] for row in rows), default=0),
        rows=rows,
        rollups=added_rollups(rows),
        uses=_uses(rows),
        days=_fresh_days(rows, known_days),
    )


def record_columns(record: UsageRecord) -> Row:
    """The columns after the id, in the table's order."""
    return (
        to_us(record.at),
        _clean_or_none(record.key_id),
        _clean_or_none(record.account_id),
        _clean_or_none(record.secret_id),
        _clean_or_none(record.route),
        clean(record.method),
        clean(record.path),
        record.status,
        record.outcome,
        record.bytes_in,
        record.bytes_out,
        to_us(record.duration_seconds),
        clean(record.address),
        clean(record.request_id),
    )


def clean(text: str) -> str:
    """`text` without what PostgreSQL cannot keep: U+0000, and bytes that were no UTF-8 when they came in."""
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


def _clean_or_none(text: str | None) -> str | None:
    return None if text is None else clean(text)


def _fresh_days(rows: Iterable[Row], known: Mapping[str, int]) -> dict[str, int]:
    """The day (since the epoch) of the last use of each key that is not `known` to have it."""
    fresh: dict[str, int] = {}
    for row in rows:
        key_id, day = row[_KEY], row[_AT] // _DAY_US
        if key_id is not None and known.get(key_id, -1) < day and fresh.get(key_id, -1) < day:
            fresh[key_id] = day
    return fresh


def _uses(rows: Iterable[Row]) -> Sequence[Row]:
    """The last use of each secret among the rows, and how many there are; in the order of the secrets' ids."""
    last: dict[str, Row] = {}
    counts: dict[str, int] = {}
    for row in rows:
        secret_id = row[_SECRET]
        if secret_id is None or row[_KEY] is None:
            continue
        counts[secret_id] = counts.get(secret_id, 0) + 1
        known = last.get(secret_id)
        if known is None or row[_AT] >= known[_AT]:
            last[secret_id] = row
    return [
        (secret_id, row[_KEY], row[_AT], row[_ADDRESS], row[_ROUTE], counts[secret_id])
        for secret_id, row in sorted(last.items())
    ]
