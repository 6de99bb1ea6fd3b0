"""Who may do what with a key, as far as the database has to be asked: in the transaction that does it."""

__all__ = ["KeyPermits"]

from admin.core.caller import Role
from admin.core.faults import Conflict, NotAllowed, NotFound
from admin.services.key_rules import KeyRules
from admin.stores.key_records import AccountState, KeyFields, KeyOwner, KeyRecord
from admin.stores.keys import KeyStore
from admin.stores.transaction import Transaction


class KeyPermits:
    """Whoever is asked about cannot be changed before the transaction ends."""

    def __init__(self, store: KeyStore, rules: KeyRules) -> None:
        """`rules` are those of the configuration."""
        self._store = store
        self._rules = rules

    async def check_new(
        self, tx: Transaction, wanted: KeyFields, account: AccountState
    ) -> KeyOwner | None:
        """The new key's owner. Raises NotAllowed, NotFound, Conflict."""
        owner = await self._first_owner(tx, wanted)
        self._rules.check_scopes(tx.caller, await self._user(tx), account.plan, wanted.scopes)
        if owner is not None:
            self._rules.check_owner(owner, account.plan, wanted.scopes)
        return owner

    async def check_grasp(self, tx: Transaction, record: KeyRecord) -> None:
        """Raises NotAllowed for a key that can do more than the caller may."""
        self._rules.check_grasp(tx.caller, await self._user(tx), record)

    async def check_change(self, tx: Transaction, before: KeyRecord, after: KeyRecord) -> None:
        """Raises NotAllowed for what the caller, or the key's owner, may not have."""
        user = await self._user(tx)
        plan = before.account.plan
        self._rules.check_grasp(tx.caller, user, before)
        if after.key.limits != before.key.limits:
            self._rules.check_limits(tx.caller, (*after.key.limits, *before.key.limits))
        added = [scope for scope in after.key.scopes if scope not in before.key.scopes]
        self._rules.check_scopes(tx.caller, user, plan, added)
        if after.owner is not None:
            is_other = after.key.owner_id != before.key.owner_id
            self._rules.check_owner(after.owner, plan, after.key.scopes if is_other else added)

    async def other_owner(
        self, tx: Transaction, record: KeyRecord, user_id: str | None
    ) -> KeyOwner | None:
        """Whom the key is given to, None for nobody. Raises NotAllowed, NotFound, Conflict."""
        if user_id == record.key.owner_id:
            return record.owner
        if tx.caller.role is not Role.ADMIN:
            raise NotAllowed("Only admins give a key to another owner.")
        if user_id is None:
            return None
        return await self._owner(tx, record.key.account_id, user_id)

    async def _user(self, tx: Transaction) -> KeyOwner | None:
        """The caller as a user, if they are one."""
        user_id = tx.caller.user_id
        return None if user_id is None else await self._store.owner(tx, user_id)

    async def _first_owner(self, tx: Transaction, wanted: KeyFields) -> KeyOwner | None:
        caller = tx.caller
        user_id = wanted.owner_id or caller.user_id
        if user_id is None:
            return None
        if user_id != caller.user_id and caller.role is not Role.ADMIN:
            raise NotAllowed("Only admins make keys for others.")
        return await self._owner(tx, wanted.account_id, user_id)

    async def _owner(self, tx: Transaction, account_id: str, user_id: str) -> KeyOwner:
        owner = await self._store.owner(tx, user_id)
        if owner is None or owner.account_id not in {None, account_id}:
            raise NotFound(
                f"There is no user {user_id} in account {account_id}."
                " 'keywright users list' shows all users."
            )
        if not owner.is_active:
            raise Conflict(f"User {user_id} is disabled, and so would be the key.")
        return owner
