"""What the operator has chosen for the proxy listener; plain values."""

__all__ = ["METHODS", "LaneTerms"]

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.core import methods
from gateway.core.addresses import Networks
from gateway.core.headers import RequestNames
from gateway.core.places import Places
from gateway.http.bounds import ClientBounds

METHODS = frozenset(methods.METHODS)


_ID_DIGITS = 32
_IDS_AT_ONCE = 64


class FreshIds:
    """Makes request ids of 128 random bits; the system is asked for many at once, because each time is a call."""

    __slots__ = ("_ids",)

    def __init__(self) -> None:
        """None are made yet."""
        self._ids: list[str] = []

    def __call__(self) -> str:
        """One that nobody has."""
        if not self._ids:
            digits = secrets.token_hex(_ID_DIGITS // 2 * _IDS_AT_ONCE)
            starts = range(0, len(digits), _ID_DIGITS)
            self._ids = [digits[start : start + _ID_DIGITS] for start in starts]
        return self._ids.pop()


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneTerms:
    """How requests are taken in and refused.

    `docs_url` is where the pages about problems live; `odd_characters` are those of `_` and `.` with
    which field names may pass; `methods` are served at all; `places` are the headers that may carry a key;
    `fresh_id` makes request ids.
    """

    realm: str = "keywright"
    docs_url: str = ""
    has_legacy_headers: bool = False
    trusted: Networks = field(default_factory=lambda: Networks(()))
    methods: frozenset[str] = METHODS
    odd_characters: str = ""
    places: Places = field(default_factory=Places)
    bounds: ClientBounds = field(default_factory=ClientBounds)
    fresh_id: Callable[[], str] = field(default_factory=FreshIds)
    names: RequestNames = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Work out once which fields may cross."""
        names = RequestNames(self.odd_characters, self.places.headers)
        object.__setattr__(self, "names", names)
