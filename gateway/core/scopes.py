"""What a key may do: the union of what its scopes allow (design §4)."""

__all__ = ["Rights", "ScopeRule", "ScopeTable"]

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ScopeRule:
    """One line of a scope: these methods on these routes; None means all of them."""

    methods: frozenset[str] | None = None
    routes: frozenset[str] | None = None

    def allows(self, route: str, method: str) -> bool:
        """Whether this line allows `method` on `route`; what allows GET allows HEAD."""
        if self.routes is not None and route not in self.routes:
            return False
        return (
            self.methods is None
            or method in self.methods
            or (method == "HEAD" and "GET" in self.methods)
        )


class Rights:
    """The compiled union of some scopes: one look-up per request."""

    __slots__ = ("_methods",)

    def __init__(self, methods: Mapping[str, frozenset[str] | None]) -> None:
        """`methods` by route name; None means every method, a missing route means none."""
        self._methods = dict(methods)

    def allow(self, route: str, method: str) -> bool:
        """Whether `method` is allowed on `route`. Methods are case-sensitive (RFC 9110 §9.1)."""
        methods = self._methods.get(route, frozenset())
        return methods is None or method in methods


class ScopeTable:
    """All scopes of the config, by name."""

    def __init__(self, scopes: Mapping[str, Sequence[ScopeRule]]) -> None:
        """`scopes` in config order."""
        self._scopes = {name: tuple(rules) for name, rules in scopes.items()}

    @property
    def names(self) -> tuple[str, ...]:
        """Every scope's name, in config order."""
        return tuple(self._scopes)

    def rights(self, names: Iterable[str], route_names: Iterable[str]) -> Rights:
        """Compile what `names` allow together; a name that the config lacks allows nothing."""
        rules = [rule for name in names for rule in self._scopes.get(name, ())]
        union = {
            route: _methods([rule for rule in rules if rule.routes is None or route in rule.routes])
            for route in route_names
        }
        return Rights(union)

    def allowing(self, route: str, method: str) -> tuple[str, ...]:
        """The scopes, any one of which would allow `method` on `route`, in config order."""
        return tuple(
            name
            for name, rules in self._scopes.items()
            if any(rule.allows(route, method) for rule in rules)
        )

    def unknown(self, names: Iterable[str]) -> tuple[str, ...]:
        """Those of `names` that the config lacks, in the order given."""
        return tuple(name for name in names if name not in self._scopes)


def _methods(rules: Sequence[ScopeRule]) -> frozenset[str] | None:
    """The union of the rules' methods; None once a rule allows all."""
    union: set[str] = set()
    for rule in rules:
        if rule.methods is None:
            return None
        union |= rule.methods
    if "GET" in union:
        union.add("HEAD")
    return frozenset(union)
