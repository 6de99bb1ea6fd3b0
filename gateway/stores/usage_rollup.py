"""From a batch to what it adds to the roll-ups: by minute, hour and day; of keys, of accounts, of the gateway."""

__all__ = ["Rollup", "added_rollups"]

from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any, Final, NamedTuple, TypeAlias

from gateway.core.latency import BYTES_MAX, bin_of, compact, packed
from gateway.stores.usage_tables import DAY, HOUR, MINUTE

Row: TypeAlias = Sequence[Any]

_MINUTE_US: Final = MINUTE * 1_000_000


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


class _Tally:
    """The requests of one minute that agree in all that tells rows apart."""

    __slots__ = ("bins", "bytes_in", "bytes_out", "duration_us", "requests")

    def __init__(self) -> None:
        self.requests = self.bytes_in = self.bytes_out = self.duration_us = 0
        self.bins: dict[int, int] = {}


def added_rollups(rows: Iterable[Row]) -> list[Rollup]:
    """What is to be added, in the order of the primary key, so that no two writers wait for each other in a circle.

    `rows` are (at_us, key_id, account_id, secret_id, route, method, path, status, outcome, bytes_in, bytes_out,
    duration_us, ...), as the columns of `usage_records` behind its id.
    """
    minutes = _by_minute(rows)
    hours = _merged(minutes, _beginning(HOUR))
    both = (minutes, hours, _merged(hours, _beginning(DAY)))
    added: list[Rollup] = []
    for keys in both:
        accounts = _merged(keys, _of_account)
        added += [each for each in keys if each.key_id]
        added += [each for each in accounts if each.account_id]
        added += _merged(accounts, _of_gateway)
    added.sort(key=itemgetter(slice(0, 7)))
    return added


def _by_minute(rows: Iterable[Row]) -> list[Rollup]:
    tallies: dict[tuple[Any, ...], _Tally] = {}
    for at_us, key, account, _, route, _, _, status, outcome, taken, sent, duration_us, *_ in rows:
        group = (key, account, at_us // _MINUTE_US, route, status // 100, outcome)
        tally = tallies.get(group)
        if tally is None:
            tally = tallies[group] = _Tally()
        tally.requests += 1
        tally.bytes_in += taken
        tally.bytes_out += sent
        tally.duration_us += duration_us
        number = bin_of(duration_us)
        tally.bins[number] = tally.bins.get(number, 0) + 1
    return [_rollup(group, tally) for group, tally in tallies.items()]


def _rollup(group: tuple[Any, ...], tally: _Tally) -> Rollup:
    key, account, minute, route, status_class, outcome = group
    return Rollup(
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
    return [Rollup(*name, *_sums(group)) for name, group in groups.items()]


def _sums(group: Sequence[Rollup]) -> Iterator[Any]:
    if len(group) == 1:
        yield from group[0][7:]
        return
    for column in range(7, 11):
        yield sum(row[column] for row in group)
    sketch = b"".join(row.sketch for row in group)
    yield sketch if len(sketch) <= BYTES_MAX // 4 else compact(sketch)
