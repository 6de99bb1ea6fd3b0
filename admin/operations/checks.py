"""Asking about a key without a request to the proxy: verify and explain."""

__all__ = ["CHECK_ACTS"]

from collections.abc import Mapping
from typing import Final

from admin.operations.asked import Act

CHECK_ACTS: Final[Mapping[str, Act]] = {}
