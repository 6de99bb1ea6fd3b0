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


def _fresh_id() -> str:
    return secrets.token_hex(16)


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
    fresh_id: Callable[[], str] = _fresh_id
    names: RequestNames = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Work out once which fields may cross."""
        names = RequestNames(self.odd_characters, self.places.headers)
        object.__setattr__(self, "names", names)
