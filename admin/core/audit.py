"""The audit log's chain: each entry's hash covers the one before, so that none can be changed or taken out unseen."""

__all__ = ["AuditEntry", "Head", "Stored", "is_linked", "link", "parse_head"]

import hashlib
import json
from dataclasses import dataclass
from typing import NamedTuple

from gateway.core.errors import Misuse

_HASH_LENGTH = 64
_HEX = frozenset("0123456789abcdef")
_SEQUENCE_DIGITS_MAX = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """Who did what to what, when, from where. `before` and `after` are JSON texts without any secret.

    `at_us` is microseconds since the epoch, UTC; `account_id` is None for what belongs to no account.
    """

    at_us: int
    actor_kind: str
    actor_id: str
    actor_name: str
    address: str
    request_id: str
    action: str
    target_kind: str
    target_id: str
    account_id: str | None = None
    before: str | None = None
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """An entry in its place in the chain."""

    sequence: int
    entry: AuditEntry
    hash: str


class Head(NamedTuple):
    """The end of the chain at some moment. Whoever notes it elsewhere can prove later that nothing was rewritten."""

    sequence: int
    hash: str

    def __str__(self) -> str:
        """As `parse_head` reads it."""
        return f"{self.sequence}:{self.hash}"


def parse_head(text: str) -> Head:
    """What `str` of a Head gave. Raises Misuse."""
    sequence, _, hash_ = text.strip().partition(":")
    is_number = sequence.isascii() and sequence.isdigit() and len(sequence) <= _SEQUENCE_DIGITS_MAX
    if (
        not is_number
        or int(sequence) < 1
        or len(hash_) != _HASH_LENGTH
        or not _HEX.issuperset(hash_)
    ):
        raise Misuse(
            "A noted end of the audit log is written SEQUENCE:HASH, as 'keywright audit verify' prints it."
        )
    return Head(int(sequence), hash_)


def link(previous_hash: str, sequence: int, entry: AuditEntry) -> str:
    """SHA-256 in hex over the hash before (empty for the first), the number and every field."""
    words = [
        previous_hash,
        sequence,
        entry.at_us,
        entry.actor_kind,
        entry.actor_id,
        entry.actor_name,
        entry.address,
        entry.request_id,
        entry.action,
        entry.target_kind,
        entry.target_id,
        entry.account_id,
        entry.before,
        entry.after,
    ]
    # JSON keeps the fields apart: no two different entries have the same text.
    return hashlib.sha256(json.dumps(words, separators=(",", ":")).encode()).hexdigest()


def is_linked(previous_hash: str, previous_sequence: int, stored: Stored) -> bool:
    """Whether this entry is the one that was written after that one."""
    try:
        expected = link(previous_hash, stored.sequence, stored.entry)
    except (TypeError, ValueError):
        return False  # SQLite keeps any kind of value in any column, and nobody but us writes texts and numbers
    return stored.sequence == previous_sequence + 1 and stored.hash == expected
