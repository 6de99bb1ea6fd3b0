"""The series of single keys and accounts, out of those of several processes: the busiest over all of them.

Each process has series for those that are busiest with it. Here what these have grown by is added up, and as many
get a series in the whole as in one process; the others grow the one of the rest. No series of the whole falls as long
as it is there, and all together grow by what was counted, so rates and their sums are right. No I/O.
"""

__all__ = ["Leading"]

import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple, TypeAlias

from admin.plane.exposition import Family
from gateway.core.busiest import Busiest
from gateway.metrics import REVIEW_EVERY_SECONDS
from gateway.series import OTHER

_REQUESTS: Final = "_requests_total"
_ID: Final = {
    "keywright_key_": re.compile(r'[{,]key_id="([^"]*)"'),
    "keywright_account_": re.compile(r'[{,]account_id="([^"]*)"'),
}
_WHOSE: Final = re.compile(r'\b(account_id|key_id|key_name)="(?:[^"\\]|\\.)*"')
_PART: Final = re.compile(r'[{,](?:outcome|direction)="([^"]*)"')
# Of processes that are over or draining as many are known as may still say something.
_SPEAKERS_MAX: Final = 300

_Speaker: TypeAlias = tuple[str, float | None]


class _Place(NamedTuple):
    """Where a value belongs: the family's name, whose series it is, and its outcome or direction."""

    family: str
    whose: str
    part: str


class _Written:
    """A value, and the series as it was written last."""

    __slots__ = ("series", "value")

    def __init__(self, series: str) -> None:
        self.series = series
        self.value = 0.0


class _Kind:
    """The keys, or the accounts."""

    def __init__(self, prefix: str, places: int) -> None:
        self.id = _ID[prefix]
        self._busiest = Busiest(places)
        self._leading: dict[str, dict[_Place, _Written]] = {}
        self._rest: dict[_Place, _Written] = {}
        self._grown: dict[str, dict[_Place, _Written]] = defaultdict(dict)

    def grew(self, place: _Place, series: str, by: float) -> None:
        """Since it was asked last."""
        grown = self._grown[place.whose]
        found = grown.get(place)
        if found is None:
            found = grown[place] = _Written(series)
        found.series = series
        found.value += by

    def settle(self) -> None:
        """Add what has grown to the series of those who have one, the busiest first, and to that of the rest."""
        grown, self._grown = self._grown, defaultdict(dict)
        requests = {
            whose: sum(each.value for place, each in parts.items() if _REQUESTS in place.family)
            for whose, parts in grown.items()
        }
        for whose in sorted(grown, key=requests.__getitem__, reverse=True):
            if whose != OTHER and self._is_leading(whose, int(requests[whose])):
                _add(self._leading.setdefault(whose, {}), grown[whose])
            else:
                self._add_to_the_rest(grown[whose])

    def _is_leading(self, whose: str, times: int) -> bool:
        # Who is not asked for just now takes no free place.
        return self._busiest.seen(whose, times) if times else whose in self._leading

    def _add_to_the_rest(self, parts: dict[_Place, _Written]) -> None:
        for (family, whose, part), each in parts.items():
            if whose != OTHER and not each.value:
                continue
            place = _Place(family, OTHER, part)
            found = self._rest.get(place)
            if found is None:
                found = self._rest[place] = _Written(_WHOSE.sub(rf'\1="{OTHER}"', each.series))
            found.value += each.value

    def review(self) -> None:
        for one in self._busiest.review():
            self._leading.pop(one, None)

    def values(self) -> Iterator[tuple[str, _Written]]:
        for parts in (*self._leading.values(), self._rest):
            for place, each in parts.items():
                yield place.family, each


class Leading:
    """Hears what processes say, and says it for all of them. Not for two threads at once."""

    def __init__(self, places: int, now: Callable[[], float] = time.monotonic) -> None:
        """At most `places` keys, and as many accounts, have series of their own."""
        self._kinds = {prefix: _Kind(prefix, places) for prefix in _ID}
        self._now = now
        self._reviewed_at = now()
        self._heads: dict[str, Family] = {}
        # What was said last, by who said it, and when that began.
        self._said: dict[_Speaker, dict[_Place, float]] = {}
        self._places: dict[str, _Place] = {}

    @staticmethod
    def is_about(family: Family) -> bool:
        """Whether it has series of single keys or accounts."""
        return family.name.startswith(tuple(_ID))

    def hears(self, speaker: _Speaker, families: Iterable[Family]) -> None:
        """What a process says of them, in whole; it is known by its name and its birth."""
        before = self._said.pop(speaker, {})
        now: dict[_Place, float] = {}
        for family in filter(self.is_about, families):
            self._heads.setdefault(family.name, Family(family.name, family.kind, family.text))
            kind = next(self._kinds[prefix] for prefix in _ID if family.name.startswith(prefix))
            for series, value in family.values.items():
                place = self._places.get(series) or self._read(family.name, kind, series)
                had = before.get(place, 0.0)
                # A key that had lost its series there begins anew.
                kind.grew(place, series, value - had if value >= had else value)
                now[place] = value
        self._said[speaker] = now
        if len(self._said) > _SPEAKERS_MAX:
            del self._said[next(iter(self._said))]

    def _read(self, name: str, kind: _Kind, series: str) -> _Place:
        whose, part = kind.id.search(series), _PART.search(series)
        place = _Place(name, whose[1] if whose else OTHER, part[1] if part else "")
        self._places[series] = place
        return place

    def families(self) -> Iterator[Family]:
        """Those of all processes together."""
        for kind in self._kinds.values():
            kind.settle()
        if self._now() - self._reviewed_at >= REVIEW_EVERY_SECONDS:
            self._reviewed_at = self._now()
            # Those that are said no more are not remembered for ever.
            self._places.clear()
            for kind in self._kinds.values():
                kind.review()
        found = {name: Family(name, head.kind, head.text) for name, head in self._heads.items()}
        for kind in self._kinds.values():
            for name, each in kind.values():
                found[name].values[each.series] = each.value
        yield from found.values()


def _add(whole: dict[_Place, _Written], more: dict[_Place, _Written]) -> None:
    for place, each in more.items():
        found = whole.get(place)
        if found is None:
            found = whole[place] = _Written(each.series)
        found.series = each.series
        found.value += each.value
