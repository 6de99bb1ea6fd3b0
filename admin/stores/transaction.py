"""One change of the control plane: what changes, its audit entries, its events, its answer to a repeated request.

All of it is committed, or none.
"""

__all__ = ["KEPT_SECONDS", "Repeated", "Target", "Transaction", "transaction"]

import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from admin.core.audit import AuditEntry, link
from admin.core.caller import Caller
from gateway.stores.sql_engine import WRITE_SECONDS, write_transaction
from gateway.stores.tables import audit_entries, audit_head, events, idempotency, to_us

# How long a lost answer can be fetched again.
KEPT_SECONDS = 600.0

_HEAD = 1


class Repeated(Exception):
    """A request with this caller's Idempotency-Key was answered before, or is being answered."""


class Target(NamedTuple):
    """What is acted upon, such as a `key`, and the account it belongs to, if it belongs to one."""

    kind: str
    id: str
    account_id: str | None = None


@dataclass(frozen=True, slots=True)
class _Event:
    kind: str
    account_id: str | None
    key_id: str | None
    data: str


@dataclass(slots=True)
class Transaction:
    """An open transaction. `now` is seconds since the epoch: the one moment of all that it writes."""

    connection: AsyncConnection
    caller: Caller
    now: float
    _entries: list[AuditEntry] = field(default_factory=list)
    _events: list[_Event] = field(default_factory=list)

    def audit(
        self,
        action: str,
        target: Target,
        *,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
    ) -> None:
        """Write down what the caller does, such as `key.revoke`. `before` and `after` hold what differs, no secret."""
        caller = self.caller
        self._entries.append(
            AuditEntry(
                at_us=to_us(self.now),
                actor_kind=caller.kind.value,
                actor_id=caller.id,
                actor_name=caller.name,
                address=caller.address,
                request_id=caller.request_id,
                action=action,
                target_kind=target.kind,
                target_id=target.id,
                account_id=target.account_id,
                before=_json(before),
                after=_json(after),
            )
        )

    def tell(
        self,
        kind: str,
        *,
        account_id: str | None = None,
        key_id: str | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> None:
        """Add an event, such as `key.revoked`, for whoever delivers notifications."""
        self._events.append(_Event(kind, account_id, key_id, _json(data) or "{}"))

    async def claim(self, target_id: str, sealed: bytes | None = None) -> None:
        """Keep what a repetition of this request is to be told; nothing for a request without Idempotency-Key.

        To be called before anything is written. Raises Repeated when the key was used within ten minutes.
        """
        wanted = self.caller.idempotency
        if wanted is None:
            return
        await self.connection.execute(
            delete(idempotency).where(
                idempotency.c.caller == self.caller.id,
                idempotency.c.key == wanted.key,
                idempotency.c.created_us < to_us(self.now - KEPT_SECONDS),
            )
        )
        is_postgresql = self.connection.dialect.name == "postgresql"
        adding = (postgresql if is_postgresql else sqlite).insert(idempotency)
        done = await self.connection.execute(
            adding.on_conflict_do_nothing().values(
                caller=self.caller.id,
                key=wanted.key,
                fingerprint=wanted.fingerprint,
                target_id=target_id,
                sealed=sealed,
                created_us=to_us(self.now),
            )
        )
        if done.rowcount == 0:
            raise Repeated

    async def _finish(self) -> None:
        # Last, so that no lock is taken after the chain's: changes then cannot wait for each other in a circle.
        if not self._entries and not self._events:
            return
        head = (
            await self.connection.execute(
                select(audit_head).where(audit_head.c.id == _HEAD).with_for_update()
            )
        ).one()
        sequence, hash_, event_sequence = head.sequence, head.hash, head.event_sequence
        rows = []
        for entry in self._entries:
            sequence += 1
            hash_ = link(hash_, sequence, entry)
            rows.append({"sequence": sequence, "hash": hash_, **_columns(entry)})
        told = [
            {
                "sequence": event_sequence + number,
                "at_us": to_us(self.now),
                "kind": event.kind,
                "account_id": event.account_id,
                "key_id": event.key_id,
                "data": event.data,
            }
            for number, event in enumerate(self._events, 1)
        ]
        if rows:
            await self.connection.execute(insert(audit_entries), rows)
        if told:
            await self.connection.execute(insert(events), told)
        await self.connection.execute(
            update(audit_head)
            .where(audit_head.c.id == _HEAD)
            .values(sequence=sequence, hash=hash_, event_sequence=event_sequence + len(told))
        )


@contextlib.asynccontextmanager
async def transaction(
    engine: AsyncEngine,
    operation: str,
    caller: Caller,
    now: float,
    deadline_seconds: float | None = WRITE_SECONDS,
) -> AsyncIterator[Transaction]:
    """Committed with its audit entries and events when the block ends, rolled back when it raises.

    Raises StoreError, as `write_transaction` does.
    """
    async with write_transaction(engine, operation, deadline_seconds) as connection:
        opened = Transaction(connection, caller, now)
        yield opened
        await opened._finish()


def _columns(entry: AuditEntry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in AuditEntry.__dataclass_fields__}


def _json(values: Mapping[str, Any] | None) -> str | None:
    return None if values is None else json.dumps(values, sort_keys=True, separators=(",", ":"))
