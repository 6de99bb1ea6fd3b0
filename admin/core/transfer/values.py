"""Values that were made elsewhere: which of them can be sent as a key."""

__all__ = ["VALUE_LENGTH_MAX", "value_problem"]

import re

from gateway.core.token import CHECKSUM_LENGTH, checksum, parse

VALUE_LENGTH_MAX = 4096

_LIKE_OURS = re.compile(r"(?:[a-z][a-z0-9]{0,15}_)?[sp]k_(?:live|test)_[0-9A-Za-z]{50}")


def value_problem(value: str | None, vendor: str) -> str | None:
    """Why the value cannot be a key, in words without the value; None if it can. `vendor` is this installation's."""
    if not value:
        return "The value is empty."
    if len(value) > VALUE_LENGTH_MAX:
        return f"The value is longer than {VALUE_LENGTH_MAX} characters."
    if not value.isprintable():
        return "The value holds a control character, which no header field can carry."
    if value != value.strip():
        return "The value begins or ends with a space, which header fields lose."
    return _own_problem(value, vendor) if _LIKE_OURS.fullmatch(value) else None


def _own_problem(value: str, vendor: str) -> str | None:
    if parse(value, vendor) is not None:
        return (
            "The value is a key that Keywright made. Such keys move with 'keywright keys export',"
            " which carries their hashes."
        )
    if checksum(value[:-CHECKSUM_LENGTH]) != value[-CHECKSUM_LENGTH:]:
        return (
            "The value looks like a key of Keywright's own with a wrong checksum:"
            " truncated or mistyped."
        )
    return None
