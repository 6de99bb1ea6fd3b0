"""Which route a request belongs to: the first in config order whose pattern and method fit.

The path comes in as `CanonicalTarget`; what a key may do on a route is not here
(`gateway.core.scopes`).
"""

__all__ = ["Ambiguous", "Pattern", "Route", "RouteTable", "parse_pattern"]

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gateway.core.keys import Environment
from gateway.core.paths import CanonicalTarget

_ANY = "*"
_REST = "**"
# What a literal may not hold: it could never be seen in a decoded segment, or it is a wildcard.
_NOT_LITERAL = re.compile(r"[*%;?#\\\x00-\x20\x7f]")


class Pattern(NamedTuple):
    """A parsed path pattern: literal segments, None for "any one", and whether more may follow."""

    text: str
    parts: tuple[str | None, ...]
    has_rest: bool

    def matches(self, segments: tuple[str, ...]) -> bool:
        """Whether these decoded segments fit."""
        count = len(self.parts)
        if len(segments) < count or (len(segments) > count and not self.has_rest):
            return False
        if segments[:count] == self.parts:
            return True
        return all(
            part is None or part == segment
            for part, segment in zip(self.parts, segments, strict=False)
        )

    def covers(self, other: "Pattern") -> bool:
        """Whether everything that `other` matches is matched by this one too."""
        mine, theirs = self.parts, other.parts
        if len(theirs) < len(mine) or (other.has_rest and not self.has_rest):
            return False
        if len(theirs) > len(mine) and not self.has_rest:
            return False
        return all(part in {None, theirs[at]} for at, part in enumerate(mine))


@dataclass(frozen=True, slots=True)
class Route:
    """One route of the config. Empty `methods` or `plans` mean all; `cost` is in tokens of a limit.

    What `is_critical` is served even when the account's quota is used up, if its plan says so.
    """

    name: str
    patterns: tuple[Pattern, ...]
    upstream: str
    methods: frozenset[str] = frozenset()
    plans: frozenset[str] = frozenset()
    cost: int = 1
    environment: Environment | None = None
    is_critical: bool = False

    def takes(self, method: str) -> bool:
        """Whether the route is for this method; a route for GET is for HEAD too."""
        return (
            not self.methods
            or method in self.methods
            or (method == "HEAD" and "GET" in self.methods)
        )


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """The path belongs to different routes, depending on who reads it. `hint` is public."""

    hint: str


def parse_pattern(text: str) -> Pattern:
    """Parse `/literal/*/**`: `*` stands for one segment, a last `**` for any number, none included.

    Literals are written decoded. Raises ValueError with a sentence for the operator.
    """
    if not text.startswith("/"):
        raise ValueError(f"the path {text!r} must start with a slash")
    words = [word for word in text[1:].removesuffix("/").split("/") if text != "/"]
    has_rest = bool(words) and words[-1] == _REST
    if has_rest:
        words.pop()
    for word in words:
        _check_word(text, word)
    return Pattern(text, tuple(None if word == _ANY else word for word in words), has_rest)


def _check_word(text: str, word: str) -> None:
    """Raise ValueError if `word` is neither `*` nor a literal that a decoded segment can equal."""
    if word == _REST:
        raise ValueError(f"in the path {text!r}, ** may only stand at the end")
    if not word:
        raise ValueError(f"the path {text!r} has an empty segment (//)")
    if word in {".", ".."}:
        raise ValueError(f"the path {text!r} has a dot segment, which no request can have")
    if word == _ANY:
        return
    if "*" in word:
        raise ValueError(f"in the path {text!r}, * must stand for a whole segment")
    if _NOT_LITERAL.search(word):
        raise ValueError(
            f"in the path {text!r}, write {word!r} decoded, and without any of % ; ? # \\ or white space"
        )


class _Index:
    """Patterns in config order, found by their first segment."""

    def __init__(self, routes: Iterable[Route], *, is_folded: bool) -> None:
        rows = [
            (_folded(pattern) if is_folded else pattern, route)
            for route in routes
            for pattern in route.patterns
        ]
        firsts = {pattern.parts[0] for pattern, _ in rows if pattern.parts}
        self._other = tuple(_starting(rows, None))
        self._by_first = {first: tuple(_starting(rows, first)) for first in firsts if first}

    def find(self, method: str, segments: tuple[str, ...]) -> Route | None:
        """The first route that fits."""
        rows = self._by_first.get(segments[0], self._other) if segments else self._other
        for pattern, route in rows:
            if pattern.matches(segments) and route.takes(method):
                return route
        return None


def _starting(
    rows: Sequence[tuple[Pattern, Route]], first: str | None
) -> Iterator[tuple[Pattern, Route]]:
    """The rows that can match a path whose first segment is `first` (None: any not in the index)."""
    return (row for row in rows if not row[0].parts or row[0].parts[0] in {None, first})


def _folded(pattern: Pattern) -> Pattern:
    """The same pattern for segments in which letter case is gone."""
    parts = tuple(None if part is None else part.casefold() for part in pattern.parts)
    return pattern._replace(parts=parts)


class RouteTable:
    """All routes, in config order."""

    def __init__(self, routes: Sequence[Route]) -> None:
        """Index `routes`; names must be unique (ValueError)."""
        self.routes = tuple(routes)
        self.names = tuple(route.name for route in routes)
        if len(set(self.names)) != len(self.names):
            raise ValueError("route names must be unique")
        self._exact = _Index(routes, is_folded=False)
        self._folded = _Index(routes, is_folded=True)
        self._has_no_capitals = all(
            _folded(pattern) == pattern for route in routes for pattern in route.patterns
        )

    def match(self, method: str, target: CanonicalTarget) -> Route | Ambiguous | None:
        """The route of this request; None if it has none.

        Ambiguous if an upstream that reads the path in another way (`target.alternatives`, or
        without regard to letter case) would see a path that is not this route's.
        """
        found = self._exact.find(method, target.segments)
        if found is None:
            return None
        for segments in target.alternatives:
            if self._exact.find(method, segments) is not found:
                return Ambiguous("Servers differ in how they read the path's special characters.")
        if not self._is_sure_of_case(found, method, target):
            return Ambiguous("Servers differ in whether letter case matters in the path.")
        return found

    def _is_sure_of_case(self, found: Route, method: str, target: CanonicalTarget) -> bool:
        """Whether every reading without letter case leads to `found` as well."""
        path = target.path
        if self._has_no_capitals and "%" not in path and path == path.lower():
            return True
        return all(
            self._folded.find(method, tuple(segment.casefold() for segment in segments)) is found
            for segments in (target.segments, *target.alternatives)
        )

    def shadowed(self) -> list[tuple[Route, Route]]:
        """Each route that has a pattern which an earlier route always takes, with that earlier one.

        Letter case is no difference here: `match` refuses what only case could tell apart.
        """
        found: list[tuple[Route, Route]] = []
        for at, route in enumerate(self.routes):
            by = next((one for one in self.routes[:at] if _shadows(one, route)), None)
            if by is not None:
                found.append((route, by))
        return found


def _shadows(earlier: Route, later: Route) -> bool:
    """Whether some pattern of `later` can never be reached because of `earlier`."""
    if earlier.methods and not (later.methods and all(map(earlier.takes, later.methods))):
        return False
    return any(
        _folded(mine).covers(_folded(theirs))
        for theirs in later.patterns
        for mine in earlier.patterns
    )
