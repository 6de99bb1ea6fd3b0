"""What has happened: the audit log, the proof that it is whole, and events."""

__all__ = ["AuditFilter", "Broken", "Event", "RecordService", "Verdict"]

import asyncio
import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from admin.core.audit import Head, Stored, is_linked
from admin.core.caller import Caller, Permission
from admin.core.faults import NotAllowed
from admin.core.page import PAGE_MAX, Page, PageRequest
from admin.services.validation import checked_search, checked_time
from admin.stores.records import AuditFilter, Event, RecordStore

_AT_ONCE = 500

Progress = Callable[[int, int], None]


class Broken(StrEnum):
    """What was done to the log."""

    CHANGED = "changed"
    MISSING = "missing"
    ADDED = "added"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the log is whole, after how many entries; if not, at which one it first breaks, how, and in words."""

    entries: int
    head: Head
    broken_at: int | None = None
    broken: Broken | None = None
    problem: str | None = None

    @property
    def ok(self) -> bool:
        """Whether it is whole."""
        return self.broken is None


class RecordService:
    """Each method raises NotAllowed, Misuse for what cannot be, StoreError when SQL cannot answer."""

    def __init__(self, store: RecordStore) -> None:
        """`store` is read only."""
        self._store = store

    async def audit(self, caller: Caller, wanted: AuditFilter, page: PageRequest) -> Page[Stored]:
        """The entries that fit, of those that the caller sees, newest first."""
        caller.require(Permission.AUDIT_READ)
        for text in (wanted.account_id, wanted.target_id, wanted.actor_id, wanted.action):
            checked_search(text)
        for moment in (wanted.since, wanted.until):
            if moment is not None:
                checked_time("A moment in the audit log", moment)
        if caller.account_id is not None:
            if wanted.account_id not in {None, caller.account_id}:
                return Page(())
            wanted = dataclasses.replace(wanted, account_id=caller.account_id)
        return await self._store.audit(wanted, page)

    async def verify_audit(
        self, caller: Caller, expected: Head | None = None, progress: Progress | None = None
    ) -> Verdict:
        """Whether every entry is there as it was written, from the first to the last.

        Who rewrites the log and all hashes behind is found only by `expected`, an end that was noted
        elsewhere: that entry must still be there. `progress(done, of)` is called now and then.
        """
        caller.require(Permission.AUDIT_READ)
        if caller.account_id is not None:
            raise NotAllowed(
                "The audit log is one for all accounts: who sees one cannot verify it."
            )
        ends = await self._store.ends()
        if ends.head is None:
            words = "The end of the audit log is not known any more."
            return Verdict(0, Head(0, ""), broken_at=0, broken=Broken.MISSING, problem=words)
        reading = _Reading(ends.head, expected)
        while reading.verdict is None and reading.sequence < ends.head.sequence:
            part = await self._store.behind(reading.sequence, ends.head.sequence, _AT_ONCE)
            reading.take(part)
            if progress is not None:
                progress(reading.sequence, ends.head.sequence)
            await asyncio.sleep(0)  # a long log is not to hold up everybody else
        return reading.verdict or reading.end((await self._store.ends()).outside)

    async def events(
        self, caller: Caller, after: int, limit: int, account_id: str | None = None
    ) -> Sequence[Event]:
        """At most `limit` (and 200) events behind the number `after`, of those that the caller sees, oldest first."""
        caller.require(Permission.EVENTS_READ)
        checked_search(account_id)
        if caller.account_id is not None:
            if account_id not in {None, caller.account_id}:
                return ()
            account_id = caller.account_id
        return await self._store.events(after, min(max(limit, 1), PAGE_MAX), account_id)


class _Reading:
    """The log as far as it was read and found whole; `verdict` once it was not."""

    def __init__(self, head: Head, expected: Head | None) -> None:
        self._head = head
        self._expected = expected
        self._hash = ""
        self.sequence = 0
        self.verdict: Verdict | None = None

    def take(self, part: Sequence[Stored]) -> None:
        """Go on with the entries that follow."""
        for stored in part:
            self._take(stored)
            if self.verdict is not None:
                return
        if not part:
            at = self.sequence + 1
            self._break(at, Broken.MISSING, f"Entry {at} and all behind it are missing.")

    def end(self, outside: int) -> Verdict:
        """What is to be said when every entry was read; `outside` are those that stand beside the chain."""
        head, expected = self._head, self._expected
        if outside:
            self._break(
                head.sequence + 1, Broken.ADDED, f"{outside} entries stand outside of the chain."
            )
        elif self._hash != head.hash:
            self._break(
                head.sequence,
                Broken.CHANGED,
                f"Entry {head.sequence} is not the one that was written last.",
            )
        elif expected is not None and expected.sequence > head.sequence:
            self._break(
                head.sequence + 1,
                Broken.MISSING,
                f"Entry {expected.sequence} was there when its hash was noted; the log ends at {head.sequence}.",
            )
        return self.verdict or Verdict(self.sequence, head)

    def _take(self, stored: Stored) -> None:
        at = self.sequence + 1
        if stored.sequence != at:
            self._break(at, Broken.MISSING, f"Entry {at} is missing.")
            return
        if not is_linked(self._hash, self.sequence, stored):
            self._break(
                at,
                Broken.CHANGED,
                f"Entry {at} was changed, or does not follow from the one before.",
            )
            return
        self.sequence, self._hash = at, stored.hash
        if self._expected is not None and self._expected.sequence == at:
            self._compare(self._expected, stored)

    def _compare(self, expected: Head, stored: Stored) -> None:
        if expected.hash != stored.hash:
            self._break(
                stored.sequence,
                Broken.CHANGED,
                f"Entry {stored.sequence} has another hash than was noted:"
                " the log was written anew, here or before.",
            )

    def _break(self, at: int, how: Broken, words: str) -> None:
        self.verdict = Verdict(self.sequence, self._head, at, how, words)
