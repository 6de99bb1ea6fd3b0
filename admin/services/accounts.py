"""What an operator does with accounts."""

__all__ = ["AccountService", "AccountView"]

from collections.abc import Collection

from admin.services.validation import checked_name, checked_one_of, new_id
from admin.stores.accounts import AccountStore, AccountView
from gateway.core.keys import ApiAccess
from gateway.ports import Clock


class AccountService:
    """One method is one transaction. Each raises Misuse for what cannot be, StoreError when SQL cannot answer."""

    def __init__(
        self,
        store: AccountStore,
        clock: Clock,
        *,
        plans: Collection[str],
        default_plan: str,
        default_api_access: ApiAccess,
    ) -> None:
        """`plans` are the names that the configuration knows."""
        self._store = store
        self._clock = clock
        self._plans = plans
        self._default_plan = default_plan
        self._default_api_access = default_api_access

    async def create(self, name: str, plan: str | None = None) -> AccountView:
        """A new account on `plan`, or on the default one."""
        now = self._clock.now()
        chosen = self._default_plan if plan is None else plan
        account = AccountView(
            id=new_id("acc"),
            name=checked_name("account", name),
            plan=checked_one_of("plan", chosen, self._plans),
            status="active",
            api_access=self._default_api_access,
            version=1,
            created_at=now,
            updated_at=now,
        )
        await self._store.insert(account)
        return account

    async def list(self) -> tuple[AccountView, ...]:
        """Every account, oldest first."""
        return await self._store.find_all()
