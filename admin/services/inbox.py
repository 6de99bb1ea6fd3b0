"""The inbox: what a caller ought to know, and what of it they have seen."""

__all__ = ["InboxPage", "InboxService"]

from collections.abc import Sequence
from typing import NamedTuple

from admin.core.caller import Caller, Permission
from admin.core.page import Page, PageRequest
from admin.services.validation import checked_search
from admin.stores.inbox import InboxStore, Notices, StoredNotice
from gateway.core.errors import Misuse

_AT_ONCE_MAX = 200


class InboxPage(NamedTuple):
    """Some notices, newest first, and how many in all the caller has not read (at most 1000 are counted)."""

    page: Page[StoredNotice]
    unread: int


class InboxService:
    """Each method raises NotAllowed, Misuse for what cannot be, StoreError when SQL cannot answer."""

    def __init__(self, store: InboxStore) -> None:
        """Whoever reads has a mark of their own in `store`."""
        self._store = store

    async def list(self, caller: Caller, wanted: Notices, page: PageRequest) -> InboxPage:
        """The notices that fit, of those that the caller sees."""
        caller.require(Permission.NOTIFICATIONS_READ)
        checked_search(wanted.account_id)
        if caller.account_id is not None:
            if wanted.account_id not in {None, caller.account_id}:
                return InboxPage(Page(()), await self.unread(caller))
            wanted = Notices(caller.account_id, wanted.severity, wanted.is_unread)
        found = await self._store.list(_reader(caller), wanted, page)
        return InboxPage(found, await self.unread(caller))

    async def unread(self, caller: Caller) -> int:
        """How many notices the caller has not read; at most 1000 are counted."""
        caller.require(Permission.NOTIFICATIONS_READ)
        return await self._store.unread(_reader(caller), caller.account_id)

    async def read(
        self, caller: Caller, sequences: Sequence[int] = (), up_to: int | None = None
    ) -> int:
        """Note that the caller has read these, and all up to a number; returns how many are left unread.

        For the caller alone: a colleague still finds them unread.
        """
        caller.require(Permission.NOTIFICATIONS_READ)
        if len(sequences) > _AT_ONCE_MAX:
            raise Misuse(
                f"At most {_AT_ONCE_MAX} notices can be marked at once; 'up_to' marks all."
            )
        if up_to is not None:
            await self._store.read_all(_reader(caller), up_to)
        if sequences:
            await self._store.read_some(_reader(caller), caller.account_id, tuple(sequences))
        return await self.unread(caller)


def _reader(caller: Caller) -> str:
    return f"{caller.kind}:{caller.id}"
