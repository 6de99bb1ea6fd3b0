"""From a batch to what is counted of it: roll-ups by minute, hour and day, and the last use of each secret.

The records are gone through once; all else is done with what is left of them by minute, which is far less.
"""

__all__ = ["Rollup", "Tally", "Use", "added_rollups", "fresh_days", "tallied", "uses"]

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final, NamedTuple, TypeAlias

from gateway.core.latency import BYTES_MAX, bin_of, compact, packed
from gateway.core.record import UsageRow
from gateway.stores.usage_tables import DAY, HOUR, MINUTE

Use: TypeAlias = tuple[str, str, int, str, str | None, int]

_MINUTE_US: Final = MINUTE * 1_000_000
_MINUTES_OF_DAY: Final = DAY // MINUTE


class Rollup(NamedTuple):
    """A row of `usage_rollups`, in the order of its columns, of which the first seven are its key."""

    key_id: str
    account_id: str
    step_seconds: int
    at: int
    route: str
    status_class: int
    outcome: str
    requests: int
    bytes_in: int
    bytes_out: int
    duration_us: int
    sketch: bytes


class Tally:
    """The requests of one minute that agree in all that tells rows apart, and the last of them to begin."""

    __slots__ = ("bins", "bytes_in", "bytes_out", "duration_us", "last", "requests")

    def __init__(self, first: UsageRow) -> None:
        """None yet."""
        self.requests = self.bytes_in = self.bytes_out = self.duration_us = 0
        self.bins: dict[int, int] = {}
        self.last = first


# By minute since the epoch, key, account, secret, route, class of status, outcome.
Tallies: TypeAlias = Mapping[tuple[Any, ...], Tally]


def tallied(rows: Iterable[UsageRow]) -> Tallies:
    """The requests, by what tells them apart."""
    tallies: dict[tuple[Any, ...], Tally] = {}
    for row in rows:
        at_us, key, account, secret, route, _, _, status, outcome, taken, sent, took_us, _, _ = row
        group = (at_us // _MINUTE_US, key, account, secret, route, status // 100, outcome)
        tally = tallies.get(group)
        if tally is None:
            tally = tallies[group] = Tally(row)
        elif at_us >= tally.last[0]:
            tally.last = row
        tally.requests += 1
        tally.bytes_in += taken
        tally.bytes_out += sent
        tally.duration_us += took_us
        number = bin_of(took_us)
        bins = tally.bins
        bins[number] = bins.get(number, 0) + 1
    return tallies


def fresh_days(tallies: Tallies, known: Mapping[str, int]) -> dict[str, int]:
    """The day (since the epoch) of the last use of each key that is not `known` to have it."""
    fresh: dict[str, int] = {}
    for minute, key_id, *_ in tallies:
        day = minute // _MINUTES_OF_DAY
        if key_id is not None and known.get(key_id, -1) < day and fresh.get(key_id, -1) < day:
            fresh[key_id] = day
    return fresh


def uses(tallies: Tallies) -> Sequence[Use]:
    """The last use of each secret (its id, its key, when, from where, on which route), and how many there are.

    In the order of the secrets' ids.
    """
    last: dict[str, UsageRow] = {}
    counts: dict[str, int] = {}
    for (_, key_id, _, secret_id, *_), tally in tallies.items():
        if secret_id is None or key_id is None:
            continue
        counts[secret_id] = counts.get(secret_id, 0) + tally.requests
        known = last.get(secret_id)
        if known is None or tally.last[0] >= known[0]:
            last[secret_id] = tally.last
    return [
        (secret_id, row[1] or "", row[0], row[12], row[4], counts[secret_id])
        for secret_id, row in sorted(last.items())
    ]


def added_rollups(tallies: Tallies) -> list[Rollup]:
    """What is to be added, in the order of the primary key, so that no two writers wait for each other in a circle."""
    minutes = _merged(_of_minutes(tallies), itemgetter(slice(0, 7)))
    hours = _merged(minutes, _beginning(HOUR))
    added: list[Rollup] = []
    for keys in (minutes, hours, _merged(hours, _beginning(DAY))):
        accounts = _merged(keys, _of_account)
        added += [each for each in keys if each.key_id]
        added += [each for each in accounts if each.account_id]
        added += _merged(accounts, _of_gateway)
    added.sort(key=itemgetter(slice(0, 7)))
    return added


def _of_minutes(tallies: Tallies) -> Iterator[Rollup]:
    for (minute, key, account, _, route, status_class, outcome), tally in tallies.items():
        yield Rollup(
            key or "",
            account or "",
            MINUTE,
            minute * MINUTE,
            route or "",
            status_class,
            outcome,
            tally.requests,
            tally.bytes_in,
            tally.bytes_out,
            tally.duration_us,
            packed(tally.bins),
        )


def _beginning(step: int) -> Callable[[Rollup], tuple[Any, ...]]:
    def begin(row: Rollup) -> tuple[Any, ...]:
        return (row[0], row[1], step, row[3] // step * step, *row[4:7])

    return begin


def _of_account(row: Rollup) -> tuple[Any, ...]:
    return ("", *row[1:7])


def _of_gateway(row: Rollup) -> tuple[Any, ...]:
    return ("", "", *row[2:7])


def _merged(rows: Iterable[Rollup], named: Callable[[Rollup], tuple[Any, ...]]) -> list[Rollup]:
    """The sums of rows that get the same name."""
    groups: dict[tuple[Any, ...], list[Rollup]] = {}
    for row in rows:
        groups.setdefault(named(row), []).append(row)
    return [Rollup._make((*name, *_sums(group))) for name, group in groups.items()]


def _sums(group: Sequence[Rollup]) -> tuple[Any, ...]:
    if len(group) == 1:
        return group[0][7:]
    sketch = b"".join([row[11] for row in group])
    return (
        sum(row.requests for row in group),
        sum(row.bytes_in for row in group),
        sum(row.bytes_out for row in group),
        sum(row.duration_us for row in group),
        sketch if len(sketch) <= BYTES_MAX // 4 else compact(sketch),
    )
