"""Which events a channel wants: kinds by name or by their first word, from a severity upwards."""

__all__ = ["PATTERNS_MAX", "is_pattern", "is_wanted"]

import re
from collections.abc import Sequence

from admin.core.notices.severity import Severity

PATTERNS_MAX = 50

_PATTERN = re.compile(r"\*|[a-z][a-z_]{0,40}\.(?:\*|[a-z][a-z_]{0,40})")


def is_pattern(text: str) -> bool:
    """Whether it is `*`, `key.*` or `key.revoked`. The kind need not exist yet."""
    return _PATTERN.fullmatch(text) is not None


def is_wanted(kind: str, severity: Severity, patterns: Sequence[str], at_least: Severity) -> bool:
    """Whether an event of this kind fits one of the patterns, and matters enough."""
    family = kind.partition(".")[0]
    return severity.rank >= at_least.rank and any(
        pattern in {"*", f"{family}.*", kind} for pattern in patterns
    )
