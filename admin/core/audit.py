"""The audit log's chain: each entry's hash covers the one before, so that none can be changed or taken out unseen."""

__all__ = ["AuditEntry", "Stored", "is_linked", "link"]

import hashlib
import hmac
import json
from dataclasses import dataclass


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
    return stored.sequence == previous_sequence + 1 and hmac.compare_digest(
        stored.hash, link(previous_hash, stored.sequence, stored.entry)
    )
