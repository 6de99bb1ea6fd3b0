"""What is done with accounts: who holds keys, on which plan, and whether they are let through."""

__all__ = [
    "AccountChange",
    "AccountFilter",
    "AccountRules",
    "AccountService",
    "AccountView",
    "ChangedAccount",
]

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, NamedTuple

from admin.core.caller import Caller, Permission
from admin.core.faults import Changed, Conflict, NotAllowed, NotFound
from admin.core.page import Page, PageRequest
from admin.core.unset import UNSET, Unset
from admin.services.enforcing import Enforcement
from admin.services.repeats import Repeats
from admin.services.validation import (
    checked_id,
    checked_name,
    checked_one_of,
    checked_search,
    checked_words,
    new_id,
)
from admin.stores.accounts import AccountFilter, AccountStore, AccountView
from admin.stores.transaction import Repeated, Target, Transaction
from gateway.core.changes import Receipt
from gateway.core.errors import Misuse
from gateway.core.keys import ApiAccess
from gateway.ports import Clock

_SEE_ACCOUNTS = "'keywright accounts list' shows all accounts."
_STATUSES = ("active", "suspended")


@dataclass(frozen=True, slots=True)
class AccountRules:
    """What the configuration says about accounts: the names of the plans, and what a new one starts with."""

    plans: Collection[str]
    default_plan: str
    default_api_access: ApiAccess


@dataclass(frozen=True, slots=True)
class AccountChange:
    """What is to be different."""

    name: str | Unset = UNSET
    plan: str | Unset = UNSET
    status: str | Unset = UNSET

    @property
    def is_for_keys(self) -> bool:
        """Whether it decides about requests."""
        return self.plan is not UNSET or self.status is not UNSET


class ChangedAccount(NamedTuple):
    """The account as it is now, and who enforces it; None when no worker has to be told."""

    account: AccountView
    receipt: Receipt | None


class _Decision(NamedTuple):
    """`requires_from` are the states in which it can be taken; empty for all."""

    action: str
    event: str
    permission: Permission
    access: ApiAccess
    requires_from: tuple[ApiAccess, ...] = ()


_REQUEST = _Decision(
    "access.request",
    "access.requested",
    Permission.ACCESS_REQUEST,
    ApiAccess.REQUESTED,
    (ApiAccess.DISABLED, ApiAccess.DENIED, ApiAccess.REQUESTED),
)
_APPROVE = _Decision(
    "access.approve", "access.approved", Permission.ACCESS_DECIDE, ApiAccess.APPROVED
)
_DENY = _Decision("access.deny", "access.denied", Permission.ACCESS_DECIDE, ApiAccess.DENIED)
_DISABLE = _Decision(
    "access.disable", "access.disabled", Permission.ACCESS_DECIDE, ApiAccess.DISABLED
)


class AccountService:
    """Each method raises NotAllowed, NotFound, Misuse for what cannot be, StoreError when SQL cannot answer."""

    def __init__(
        self,
        store: AccountStore,
        enforcement: Enforcement,
        repeats: Repeats,
        clock: Clock,
        rules: AccountRules,
    ) -> None:
        """`enforcement` tells the workers what they must know at once."""
        self._store = store
        self._enforcement = enforcement
        self._repeats = repeats
        self._clock = clock
        self._rules = rules

    async def create(self, caller: Caller, name: str, plan: str | None = None) -> AccountView:
        """A new account on `plan`, or on the default one."""
        caller.require(Permission.ACCOUNTS_WRITE)
        if caller.account_id is not None:
            raise NotAllowed("Whoever belongs to one account cannot make another.")
        now = self._clock.now()
        chosen = self._rules.default_plan if plan is None else plan
        account = AccountView(
            id=new_id("acc"),
            name=checked_name("account", name),
            plan=checked_one_of("plan", chosen, self._rules.plans),
            status="active",
            api_access=self._rules.default_api_access,
            version=1,
            created_at=now,
            updated_at=now,
        )
        try:
            async with self._store.transaction("add an account", caller, now) as tx:
                await tx.claim(account.id)
                await self._store.insert(tx, account)
                tx.audit("account.create", _target(account), after=_told(account))
        except Repeated:
            earlier = await self._repeats.earlier(caller, now)
            return await self._found(earlier.target_id)
        return account

    async def list(
        self, caller: Caller, wanted: AccountFilter, page: PageRequest
    ) -> Page[AccountView]:
        """The accounts that fit, of those that the caller sees, oldest first."""
        caller.require(Permission.ACCOUNTS_READ)
        for text in (wanted.search, wanted.plan, wanted.status):
            checked_search(text)
        if caller.account_id is not None:
            if wanted.account_id not in {None, caller.account_id}:
                return Page(())
            wanted = dataclasses.replace(wanted, account_id=caller.account_id)
        return await self._store.list(wanted, page)

    async def show(self, caller: Caller, account_id: str) -> AccountView:
        """The account with this id."""
        caller.require(Permission.ACCOUNTS_READ)
        _check_sees(caller, account_id)
        account = await self._store.find(account_id)
        if account is None:
            raise NotFound(_missing(account_id))
        return account

    async def change(
        self, caller: Caller, account_id: str, change: AccountChange, expected: int | None = None
    ) -> ChangedAccount:
        """Another name, plan or status; a plan or status is enforced at once.

        Raises Changed if the account's version is not the `expected` one.
        """
        caller.require(Permission.ACCOUNTS_WRITE)
        _check_sees(caller, account_id)
        wanted = self._checked(change)
        now = self._clock.now()
        async with self._store.transaction("change an account", caller, now) as tx:
            before = await self._locked(tx, account_id, expected)
            account = await self._save(tx, before, wanted)
            if account is not before:
                tx.audit(
                    "account.update",
                    _target(account),
                    before={name: getattr(before, name) for name in wanted},
                    after=wanted,
                )
            if account.status != before.status:
                kind = "suspended" if account.status == "suspended" else "resumed"
                tx.tell(f"account.{kind}", account_id=account_id)
        # Also when nothing differs: whoever asks again, because an answer was lost, gets a receipt.
        return (
            await self._enforced(account) if change.is_for_keys else ChangedAccount(account, None)
        )

    async def request_access(
        self, caller: Caller, account_id: str, note: str = "", expected: int | None = None
    ) -> ChangedAccount:
        """Ask for API access, with a word on what for; asking again changes nothing.

        Raises Conflict when the account has it already.
        """
        return await self._decide(caller, account_id, _REQUEST, note, expected)

    async def approve_access(
        self, caller: Caller, account_id: str, reason: str = "", expected: int | None = None
    ) -> ChangedAccount:
        """Let the account's keys through, at once."""
        return await self._decide(caller, account_id, _APPROVE, reason, expected)

    async def deny_access(
        self, caller: Caller, account_id: str, reason: str, expected: int | None = None
    ) -> ChangedAccount:
        """Refuse API access; the account is told why. What it had ends at once. Raises Misuse without a reason."""
        if not reason.strip():
            raise Misuse("Say why API access is denied: the account's members read the reason.")
        return await self._decide(caller, account_id, _DENY, reason, expected)

    async def disable_access(
        self, caller: Caller, account_id: str, reason: str = "", expected: int | None = None
    ) -> ChangedAccount:
        """Switch API access off: the account's traffic stops at once. It can be requested again."""
        return await self._decide(caller, account_id, _DISABLE, reason, expected)

    async def _decide(
        self,
        caller: Caller,
        account_id: str,
        decision: _Decision,
        words: str,
        expected: int | None,
    ) -> ChangedAccount:
        caller.require(decision.permission)
        _check_sees(caller, account_id)
        said = checked_words("reason", words.strip()) or None
        now = self._clock.now()
        try:
            async with self._store.transaction("decide on API access", caller, now) as tx:
                await tx.claim(account_id)
                before = await self._locked(tx, account_id, expected)
                account = await self._decided(tx, before, decision, said)
        except Repeated:
            earlier = await self._repeats.earlier(caller, now)
            account = await self._found(earlier.target_id)
        if decision is _REQUEST:
            return ChangedAccount(account, None)  # it was off, and stays so
        return await self._enforced(account)

    async def _decided(
        self, tx: Transaction, before: AccountView, decision: _Decision, said: str | None
    ) -> AccountView:
        if decision.requires_from and before.api_access not in decision.requires_from:
            raise Conflict(f"Account {before.id} has API access: it is {before.api_access}.")
        is_new = before.api_access is not decision.access
        # Nobody's words are lost by pressing the button again; a second reason is a second decision.
        is_said = said not in {None, before.api_access_reason} and decision is not _REQUEST
        if not is_new and not is_said:
            return before
        wanted = {"api_access": decision.access, "api_access_reason": said}
        account = await self._save(tx, before, wanted, api_access_changed_at=tx.now)
        tx.audit(
            decision.action,
            _target(account),
            before={name: getattr(before, name) for name in wanted},
            after=wanted,
        )
        tx.tell(
            decision.event,
            account_id=account.id,
            data={"name": account.name, "reason": said, "by": tx.caller.name},
        )
        return account

    def _checked(self, change: AccountChange) -> dict[str, Any]:
        wanted: dict[str, Any] = {}
        if change.name is not UNSET:
            wanted["name"] = checked_name("account", change.name)
        if change.plan is not UNSET:
            wanted["plan"] = checked_one_of("plan", change.plan, self._rules.plans)
        if change.status is not UNSET:
            wanted["status"] = checked_one_of("status", change.status, _STATUSES)
        return wanted

    async def _save(
        self,
        tx: Transaction,
        before: AccountView,
        wanted: dict[str, Any],
        **also: Any,  # noqa: ANN401 -- a field of the view
    ) -> AccountView:
        """`before` itself if nothing is different; what is the same is taken out of `wanted`."""
        for name in [each for each in wanted if getattr(before, each) == wanted[each]]:
            del wanted[name]
        if not wanted:
            return before
        account = dataclasses.replace(
            before, **wanted, **also, version=before.version + 1, updated_at=tx.now
        )
        await self._store.save(tx, account)
        return account

    async def _locked(self, tx: Transaction, account_id: str, expected: int | None) -> AccountView:
        account = await self._store.lock(tx, account_id)
        if account is None:
            raise NotFound(_missing(account_id))
        if expected not in {None, account.version}:
            raise Changed(
                f"Account {account_id} was changed meanwhile. Look at it again before you change it."
            )
        return account

    async def _found(self, account_id: str) -> AccountView:
        account = await self._store.find(account_id)
        if account is None:
            raise NotFound(_missing(account_id))
        return account

    async def _enforced(self, account: AccountView) -> ChangedAccount:
        # After the commit: a worker that forgets its copies now can only read the new state.
        receipt = await self._enforcement.of_account(account.id, account.version)
        return ChangedAccount(account, receipt)


def _check_sees(caller: Caller, account_id: str) -> None:
    checked_id("acc", account_id, _SEE_ACCOUNTS)
    caller.require_account(account_id, _missing(account_id))


def _missing(account_id: str) -> str:
    return f"There is no account {account_id}. {_SEE_ACCOUNTS}"


def _target(account: AccountView) -> Target:
    return Target("account", account.id, account.id)


def _told(account: AccountView) -> dict[str, Any]:
    return {
        "name": account.name,
        "plan": account.plan,
        "status": account.status,
        "api_access": account.api_access,
    }
