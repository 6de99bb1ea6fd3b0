"""One exposition out of those of several processes; no I/O.

Counters and histograms are added up: a sum never falls, so what a process that has ended, or does not
answer just now, had counted stays in it. Of gauges each has its rule. What is true of one process alone
(memory, processor time, the lag of its event loop) is never mixed: such series carry its name.
"""

__all__ = ["CONTROL_PLANE", "Expositions", "text_of"]

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

CONTROL_PLANE: Final = "control-plane"

_PROCESS_LABEL: Final = "process"
_OF_ONE_PROCESS: Final = ("process_", "python_", "keywright_event_loop_lag_seconds")
# Their series come and go with who is busiest; of a process that has ended they would pile up.
_OF_THE_BUSIEST: Final = ("keywright_key_", "keywright_account_")
_ADDED_UP: Final = frozenset({"counter", "histogram"})
# True as soon as it is true anywhere, or the worst of all; other gauges are amounts, and are added up.
_HIGHEST: Final = frozenset(
    {"keywright_degraded", "keywright_lease_stranded_max", "keywright_usage_lag_seconds"}
)
# More than drain at once.
_LEFT_MAX: Final = 300
_BORN: Final = "process_start_time_seconds"

_Labels = tuple[tuple[str, str], ...]


class _Family:
    """A metric while values are put into it, in the order of their first appearance."""

    def __init__(self, like: Metric) -> None:
        self.name = like.name
        self.kind = like.type
        self._text = like.documentation
        self._values: dict[tuple[str, _Labels], float] = {}

    def take(self, name: str, labels: Mapping[str, str], value: float) -> None:
        series = (name, tuple(sorted(labels.items())))
        had = self._values.get(series)
        if had is None:
            self._values[series] = value
        else:
            self._values[series] = max(had, value) if self.name in _HIGHEST else had + value

    def take_all(self, other: Metric, more: Mapping[str, str]) -> None:
        for sample in other.samples:
            self.take(sample.name, {**sample.labels, **more}, sample.value)

    def metric(self) -> Metric:
        made = Metric(self.name, self._text, self.kind)
        for (name, labels), value in self._values.items():
            made.add_sample(name, dict(labels), value)
        return made


class _Sum:
    """Metrics of several processes, by name."""

    def __init__(self) -> None:
        self._families: dict[str, _Family] = {}

    def take(self, metrics: Iterable[Metric], more: Mapping[str, str] | None = None) -> None:
        for metric in metrics:
            family = self._families.get(metric.name)
            if family is None:
                family = self._families[metric.name] = _Family(metric)
            family.take_all(metric, more or {})

    def metrics(self) -> Iterator[Metric]:
        for family in self._families.values():
            yield family.metric()


class Expositions:
    """What each process said last, and what those before them had counted. Not for two threads at once."""

    def __init__(self) -> None:
        """Nobody has said anything."""
        self._latest: dict[str, tuple[Metric, ...]] = {}
        # Of lives that are over or draining, by process and birth; until their last words come, if they ever do.
        self._left: dict[tuple[str, float | None], tuple[Metric, ...]] = {}
        self._killed = _Sum()
        # The birth of the process that left last words last: what it may still say is counted already.
        self._folded: dict[str, float | None] = {}

    def merged(self, said: Mapping[str, str | None], ended: str = "") -> bytes:
        """The exposition of all, in the text format; a process whose text is None, or cannot be read, is missing.

        `ended` is the sum of what others had counted.
        """
        heard = {
            process: metrics
            for process, text in said.items()
            if (metrics := _read(text)) and not self._is_folded(process, metrics)
        }
        for process, metrics in heard.items():
            self._note(process, metrics)
        whole = self._with_those_that_left(ended)
        for process in said:
            latest = self._latest.get(process, ())
            if process not in heard:
                latest = tuple(metric for metric in latest if _is_sum(metric))
            whole.take(metric for metric in latest if not _is_of_one_process(metric))
            whole.take(filter(_is_of_one_process, latest), {_PROCESS_LABEL: process})
        return text_of([*whole.metrics(), _presence({name: name in heard for name in said})])

    def folded(self, ended: str, last_words: Iterable[tuple[str, str]]) -> str:
        """`ended` and what these processes had counted, added up; from now on that is in there, and not in here."""
        whole = _Sum()
        whole.take(_read(ended))
        for process, text in last_words:
            metrics = _read(text)
            born = _born(metrics)
            self._folded[process] = born
            _ = self._left.pop((process, born), None)
            if _born(self._latest.get(process, ())) == born:
                _ = self._latest.pop(process, None)
            whole.take(_lasting(metrics))
        return text_of(whole.metrics()).decode()

    def closed(self, ended: str, last_words: Iterable[tuple[str, str]]) -> str:
        """As `folded`, with all that is left in here of processes that did not come to their last words."""
        folded = self.folded(ended, last_words)
        return text_of(self._with_those_that_left(folded).metrics()).decode()

    def _with_those_that_left(self, ended: str) -> _Sum:
        whole = _Sum()
        whole.take(_read(ended))
        whole.take(self._killed.metrics())
        for left in self._left.values():
            whole.take(left)
        return whole

    def _is_folded(self, process: str, metrics: tuple[Metric, ...]) -> bool:
        return process in self._folded and self._folded[process] == _born(metrics)

    def _note(self, process: str, metrics: tuple[Metric, ...]) -> None:
        before = self._latest.get(process, ())
        if before and _born(before) != _born(metrics):
            self._left[process, _born(before)] = _lasting(before)
            if len(self._left) > _LEFT_MAX:
                # By now it would have drained: it was killed.
                self._killed.take(self._left.pop(next(iter(self._left))))
        self._latest[process] = metrics


def text_of(metrics: Iterable[Metric]) -> bytes:
    """These metrics in the text format."""
    registry = CollectorRegistry()
    registry.register(_Given(list(metrics)))
    return generate_latest(registry)


class _Given(Collector):
    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def _is_of_one_process(metric: Metric) -> bool:
    return metric.name.startswith(_OF_ONE_PROCESS)


def _is_sum(metric: Metric) -> bool:
    return metric.type in _ADDED_UP and not _is_of_one_process(metric)


def _lasting(metrics: Iterable[Metric]) -> tuple[Metric, ...]:
    """What is still true once the process has ended."""
    return tuple(
        metric
        for metric in metrics
        if _is_sum(metric) and not metric.name.startswith(_OF_THE_BUSIEST)
    )


def _born(metrics: Iterable[Metric]) -> float | None:
    """When the process began, as it says itself."""
    return next(
        (sample.value for metric in metrics for sample in metric.samples if sample.name == _BORN),
        None,
    )


def _read(text: str | None) -> tuple[Metric, ...]:
    try:
        return tuple(text_string_to_metric_families(text or ""))
    except ValueError:
        return ()


def _presence(answers: Mapping[str, bool]) -> Metric:
    up = Metric("keywright_process_up", "1 while a process of this gateway answers.", "gauge")
    for process, is_up in answers.items():
        up.add_sample("keywright_process_up", {_PROCESS_LABEL: process}, float(is_up))
    return up
