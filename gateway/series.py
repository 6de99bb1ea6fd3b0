"""Metric series of single keys and accounts: for the busiest of them, and one more for the rest (design §10)."""

__all__ = ["OTHER", "SeriesTable"]

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeAlias

from prometheus_client.core import CounterMetricFamily, Metric

from gateway.core.busiest import Busiest
from gateway.core.record import UsageRecord

OTHER: Final = "other"

# The values of a series' labels; the first one is the id of whose series it is.
Labels: TypeAlias = tuple[str, ...]


class _Series:
    __slots__ = ("bytes_in", "bytes_out", "labels", "requests")

    def __init__(self, labels: Labels) -> None:
        self.labels = labels
        self.requests: Counter[str] = Counter()
        self.bytes_in = 0
        self.bytes_out = 0

    def take(self, records: Sequence[UsageRecord]) -> None:
        self.requests.update([record.outcome for record in records])
        # Lists, because a generator takes twice as long.
        bytes_in = [record.bytes_in for record in records]
        bytes_out = [record.bytes_out for record in records]
        self.bytes_in += sum(bytes_in)
        self.bytes_out += sum(bytes_out)


class SeriesTable:
    """Two families, requests and bytes, with series for each of the busiest of a kind and one for the rest."""

    def __init__(self, kind: str, names: Labels, places: int) -> None:
        """`kind` is "key" or "account", `names` are those of the labels; at most `places` have series of their own."""
        self._kind = kind
        self._names = names
        self._busiest = Busiest(places)
        self._series: dict[str, _Series] = {}
        self._rest = _Series((OTHER,) * len(names))

    def take(self, groups: Iterable[tuple[Labels, Sequence[UsageRecord]]]) -> None:
        """Count requests under their labels; all of them get into a series, be it that of the rest."""
        # With many keys most of them made one request: they are counted together.
        rest: list[UsageRecord] = []
        for labels, records in groups:
            if self._busiest.seen(labels[0], len(records)):
                self._placed(labels).take(records)
            else:
                rest += records
        self._rest.take(rest)

    def _placed(self, labels: Labels) -> _Series:
        series = self._series.get(labels[0])
        if series is None:
            series = self._series[labels[0]] = _Series(labels)
        series.labels = labels  # a key may be renamed; its series goes on under the new name
        return series

    def review(self) -> None:
        """Give places to those who are clearly busier by now; the series of who lost one end."""
        for one in self._busiest.review():
            self._series.pop(one, None)

    def collect(self) -> Iterator[Metric]:
        """Both families: requests by outcome, and bytes by direction."""
        requests = CounterMetricFamily(
            f"keywright_{self._kind}_requests",
            f"Requests by {self._kind}, for the busiest {self._kind}s; the rest as 'other'.",
            labels=(*self._names, "outcome"),
        )
        moved = CounterMetricFamily(
            f"keywright_{self._kind}_bytes",
            f"Body bytes by {self._kind}, for the busiest {self._kind}s; the rest as 'other'.",
            labels=(*self._names, "direction"),
        )
        for series in (*self._series.values(), self._rest):
            for outcome, count in series.requests.items():
                requests.add_metric((*series.labels, outcome), count)
            moved.add_metric((*series.labels, "in"), series.bytes_in)
            moved.add_metric((*series.labels, "out"), series.bytes_out)
        yield requests
        yield moved
