"""One exposition out of those of several processes; no I/O.

Counters and histograms are added up: a sum never falls, so what a process that has ended, or does not
answer just now, had counted stays in it. Series of single keys and accounts are those of the busiest over all
processes (`admin.plane.leading`). Of gauges each has its rule. What is true of one process alone
(memory, processor time, the lag of its event loop) is never mixed: such series carry its name.
"""

__all__ = ["CONTROL_PLANE", "Expositions"]

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from admin.plane.exposition import Family, read, text_of
from admin.plane.leading import Leading

CONTROL_PLANE: Final = "control-plane"

_PROCESS_LABEL: Final = "process"
_OF_ONE_PROCESS: Final = ("process_", "python_", "keywright_event_loop_lag_seconds")
_ADDED_UP: Final = frozenset({"counter", "histogram"})
# True as soon as it is true anywhere, or the worst of all; other gauges are amounts, and are added up.
_HIGHEST: Final = frozenset(
    {"keywright_degraded", "keywright_lease_stranded_max", "keywright_usage_lag_seconds"}
)
# More than drain at once.
_LEFT_MAX: Final = 300
_BORN: Final = "process_start_time_seconds"


class _Sum:
    """Families of several processes, by name, in the order of their first appearance."""

    def __init__(self) -> None:
        self._families: dict[str, Family] = {}

    def take(self, families: Iterable[Family]) -> None:
        for one in families:
            whole = self._families.get(one.name)
            if whole is None:
                self._families[one.name] = Family(one.name, one.kind, one.text, dict(one.values))
            else:
                _add(whole.values, one.values, is_highest=one.name in _HIGHEST)

    def families(self) -> Iterator[Family]:
        yield from self._families.values()


def _add(whole: dict[str, float], more: Mapping[str, float], *, is_highest: bool) -> None:
    for series, value in more.items():
        had = whole.get(series)
        if had is None:
            whole[series] = value
        else:
            whole[series] = max(had, value) if is_highest else had + value


class Expositions:
    """What each process said last, and what those before them had counted. Not for two threads at once."""

    def __init__(self, busiest: int = 200) -> None:
        """Nobody has said anything; of keys and of accounts so many get series of their own."""
        self._leading = Leading(busiest)
        self._latest: dict[str, tuple[Family, ...]] = {}
        # Of lives that are over or draining, by process and birth; until their last words come, if they ever do.
        self._left: dict[tuple[str, float | None], tuple[Family, ...]] = {}
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
            self._leading.hears((process, _born(metrics)), metrics)
            self._note(process, tuple(each for each in metrics if not Leading.is_about(each)))
        whole = self._with_those_that_left(ended)
        for process in said:
            latest = self._latest.get(process, ())
            if process not in heard:
                latest = tuple(metric for metric in latest if _is_sum(metric))
            whole.take(metric for metric in latest if not _is_of_one_process(metric))
            own = filter(_is_of_one_process, latest)
            whole.take(family.of_process(_PROCESS_LABEL, process) for family in own)
        presence = _presence({name: name in heard for name in said})
        return text_of([*whole.families(), *self._leading.families(), presence]).encode()

    def folded(self, ended: str, last_words: Iterable[tuple[str, str]]) -> str:
        """`ended` and what these processes had counted, added up; from now on that is in there, and not in here."""
        whole = _Sum()
        whole.take(_read(ended))
        for process, text in last_words:
            metrics = _read(text)
            born = _born(metrics)
            self._leading.hears((process, born), metrics)
            self._folded[process] = born
            _ = self._left.pop((process, born), None)
            if _born(self._latest.get(process, ())) == born:
                _ = self._latest.pop(process, None)
            whole.take(_lasting(metrics))
        return text_of(whole.families())

    def closed(self, ended: str, last_words: Iterable[tuple[str, str]]) -> str:
        """As `folded`, with all that is left in here of processes that did not come to their last words."""
        folded = self.folded(ended, last_words)
        return text_of(self._with_those_that_left(folded).families())

    def _with_those_that_left(self, ended: str) -> _Sum:
        whole = _Sum()
        whole.take(_read(ended))
        whole.take(self._killed.families())
        for left in self._left.values():
            whole.take(left)
        return whole

    def _is_folded(self, process: str, metrics: tuple[Family, ...]) -> bool:
        return process in self._folded and self._folded[process] == _born(metrics)

    def _note(self, process: str, metrics: tuple[Family, ...]) -> None:
        before = self._latest.get(process, ())
        if before and _born(before) != _born(metrics):
            self._left[process, _born(before)] = _lasting(before)
            if len(self._left) > _LEFT_MAX:
                # By now it would have drained: it was killed.
                self._killed.take(self._left.pop(next(iter(self._left))))
        self._latest[process] = metrics


def _is_of_one_process(family: Family) -> bool:
    return family.name.startswith(_OF_ONE_PROCESS)


def _is_sum(family: Family) -> bool:
    return family.kind in _ADDED_UP and not _is_of_one_process(family)


def _lasting(families: Iterable[Family]) -> tuple[Family, ...]:
    """What is still true once the process has ended."""
    return tuple(family for family in families if _is_sum(family) and not Leading.is_about(family))


def _born(families: Iterable[Family]) -> float | None:
    """When the process began, as it says itself."""
    return next((family.values.get(_BORN) for family in families if family.name == _BORN), None)


def _read(text: str | None) -> tuple[Family, ...]:
    try:
        return read(text or "")
    except ValueError:
        return ()


def _presence(answers: Mapping[str, bool]) -> Family:
    name = "keywright_process_up"
    up = {f'{name}{{{_PROCESS_LABEL}="{who}"}}': float(is_up) for who, is_up in answers.items()}
    return Family(name, "gauge", "1 while a process of this gateway answers.", up)
