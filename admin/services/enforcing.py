"""Making a change of an account or a user felt by every worker at once, and the proof of it."""

__all__ = ["Enforcement"]

import asyncio
from collections import defaultdict
from collections.abc import Sequence

from admin.stores.concerned import ConcernedSecrets, Found
from gateway.core.changes import Change, Receipt
from gateway.core.errors import StoreError
from gateway.ports import Announcer

# Somebody with keys in more accounts than this: everything is forgotten, which costs each key one look-up.
_ACCOUNTS_MAX = 16


class Enforcement:
    """To be called once the change is committed in SQL. Never raises: see Receipt."""

    def __init__(self, announcer: Announcer, concerned: ConcernedSecrets) -> None:
        """`announcer` tells the workers, `concerned` knows which secrets they must forget."""
        self._announcer = announcer
        self._concerned = concerned

    async def of_account(self, account_id: str, version: int) -> Receipt:
        """The account has reached `version`."""
        try:
            found = await self._concerned.of_account(account_id)
        except StoreError:
            return _unheard()
        return await self._announcer.announce(
            Change(version, account_id=account_id), _buried(found)
        )

    async def of_owner(self, user_id: str, version: int) -> Receipt | None:
        """The user has reached `version`; None if they own no key."""
        try:
            found = await self._concerned.of_owner(user_id)
        except StoreError:
            return _unheard()
        if not found:
            return None
        by_account: dict[str, list[Found]] = defaultdict(list)
        for each in found:
            by_account[each.account_id].append(each)
        if len(by_account) > _ACCOUNTS_MAX:
            return await self._announcer.announce(Change(version), _buried(found))
        return _together(
            await asyncio.gather(
                *(
                    self._announcer.announce(_change(account, part, version), _buried(part))
                    for account, part in by_account.items()
                )
            )
        )


def _change(account_id: str, part: Sequence[Found], version: int) -> Change:
    first = part[0]
    if all(each.key_id == first.key_id for each in part):
        return Change(first.version, key_id=first.key_id)
    return Change(version, account_id=account_id)


def _buried(found: Sequence[Found]) -> list[tuple[str, int]]:
    return [(each.secret_id, each.version) for each in found]


def _together(receipts: Sequence[Receipt]) -> Receipt:
    """What is true of all of them."""
    return Receipt(
        workers=max(each.workers for each in receipts),
        acknowledged=min(each.acknowledged for each in receipts),
        milliseconds=max(each.milliseconds for each in receipts),
        missing=tuple(sorted({name for each in receipts for name in each.missing})),
        is_announced=all(each.is_announced for each in receipts),
    )


def _unheard() -> Receipt:
    return Receipt(0, 0, 0, is_announced=False)
