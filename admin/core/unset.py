"""The word for "leave it as it is", where None already means something."""

__all__ = ["UNSET", "Unset"]

from enum import Enum
from typing import Final, Literal


class _Marker(Enum):
    UNSET = "unset"

    def __repr__(self) -> str:
        """As it is written in code."""
        return "UNSET"


# The type says "this one value", so that a comparison with `is` tells mypy what is left.
Unset = Literal[_Marker.UNSET]
UNSET: Final = _Marker.UNSET
