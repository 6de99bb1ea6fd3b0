"""What is done with users: who may use the control plane, and whose keys hold how much."""

__all__ = ["ChangedUser", "NewUser", "UserChange", "UserFilter", "UserService", "UserView"]

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, NamedTuple

from admin.core.caller import Caller, Permission, Role
from admin.core.faults import Changed, Conflict, NotAllowed, NotFound
from admin.core.page import Page, PageRequest
from admin.core.unset import UNSET, Unset
from admin.services.enforcing import Enforcement
from admin.services.repeats import Repeats
from admin.services.validation import (
    checked_email,
    checked_id,
    checked_name,
    checked_one_of,
    checked_search,
    new_id,
)
from admin.stores.transaction import Repeated, Target, Transaction
from admin.stores.users import UserFilter, UserStore, UserView
from gateway.core.changes import Receipt
from gateway.core.errors import Misuse
from gateway.ports import Clock

_SEE_USERS = "'keywright users list' shows all users."
_SEE_ACCOUNTS = "'keywright accounts list' shows all accounts."
_STATUSES = ("active", "disabled")
_FIELDS = ("email", "name", "role", "account_id", "scopes", "status")
# What decides about the keys that somebody owns.
_FOR_KEYS = frozenset({"role", "scopes", "status"})


@dataclass(frozen=True, slots=True)
class NewUser:
    """Who it is. A member needs an account, an admin has none; a viewer without one sees all."""

    email: str
    name: str
    role: Role | str
    account_id: str | None = None
    scopes: Collection[str] | None = None


@dataclass(frozen=True, slots=True)
class UserChange:
    """What is to be different. Scopes of None lift the narrowing; who becomes an admin leaves their account."""

    name: str | Unset = UNSET
    role: Role | str | Unset = UNSET
    account_id: str | Unset | None = UNSET
    scopes: Collection[str] | Unset | None = UNSET
    status: str | Unset = UNSET


class ChangedUser(NamedTuple):
    """The user as they are now, and who enforces it on their keys; None when no worker has to be told."""

    user: UserView
    receipt: Receipt | None


class UserService:
    """Each method raises NotAllowed, NotFound, Misuse for what cannot be, StoreError when SQL cannot answer."""

    def __init__(
        self,
        store: UserStore,
        enforcement: Enforcement,
        repeats: Repeats,
        clock: Clock,
        scopes: Collection[str],
    ) -> None:
        """`scopes` are the names that the configuration knows."""
        self._store = store
        self._enforcement = enforcement
        self._repeats = repeats
        self._clock = clock
        self._scopes = scopes

    async def create(self, caller: Caller, new: NewUser) -> UserView:
        """A new user. Raises Conflict for an e-mail address that somebody has already."""
        caller.require(Permission.USERS_WRITE)
        now = self._clock.now()
        user = UserView(
            id=new_id("usr"),
            email=checked_email(new.email),
            name=checked_name("user", new.name),
            role=checked_one_of("role", new.role, tuple(Role)),
            account_id=new.account_id,
            scopes=self._checked_scopes(new.scopes),
            status="active",
            version=1,
            created_at=now,
            updated_at=now,
        )
        _check_goes_together(user, has_new_scopes=user.scopes is not None)
        try:
            async with self._store.transaction("add a user", caller, now) as tx:
                await tx.claim(user.id)
                await self._check_account(tx, user.account_id)
                if not await self._store.insert(tx, user):
                    raise Conflict(f"There is a user with the e-mail address {user.email} already.")
                tx.audit("user.create", _target(user), after=_told(user, _given(user)))
        except Repeated:
            earlier = await self._repeats.earlier(caller, now)
            return await self._found(earlier.target_id)
        return user

    async def list(self, caller: Caller, wanted: UserFilter, page: PageRequest) -> Page[UserView]:
        """The users that fit, of those that the caller sees, oldest first."""
        caller.require(Permission.USERS_READ)
        for text in (wanted.search, wanted.account_id, wanted.status):
            checked_search(text)
        if caller.account_id is not None:
            if wanted.account_id not in {None, caller.account_id}:
                return Page(())
            wanted = dataclasses.replace(wanted, account_id=caller.account_id)
        return await self._store.list(wanted, page)

    async def show(self, caller: Caller, user_id: str) -> UserView:
        """The user with this id."""
        caller.require(Permission.USERS_READ)
        user = await self._found(checked_id("usr", user_id, _SEE_USERS))
        caller.require_account(user.account_id, _missing(user_id))
        return user

    async def change(
        self, caller: Caller, user_id: str, change: UserChange, expected: int | None = None
    ) -> ChangedUser:
        """Another name, role, account, scopes or status. What narrows or stops their keys is enforced at once.

        Raises Changed if the user's version is not the `expected` one, Conflict for taking from oneself.
        """
        caller.require(Permission.USERS_WRITE)
        checked_id("usr", user_id, _SEE_USERS)
        wanted = self._checked(change)
        is_for_keys = not _FOR_KEYS.isdisjoint(wanted)
        if is_for_keys and caller.user_id == user_id:
            raise Conflict("Nobody changes their own role, scopes or status. Ask another admin.")
        now = self._clock.now()
        async with self._store.transaction("change a user", caller, now) as tx:
            before = await self._locked(tx, caller, user_id, expected)
            user = await self._saved(tx, before, wanted)
        if not is_for_keys:
            return ChangedUser(user, None)
        # After the commit, and also when nothing differs: whoever asks again gets a receipt, too.
        return ChangedUser(user, await self._enforcement.of_owner(user.id, user.version))

    async def _saved(self, tx: Transaction, before: UserView, wanted: dict[str, Any]) -> UserView:
        if wanted.get("role") is Role.ADMIN and "account_id" not in wanted:
            wanted["account_id"] = None
        differing = {name: new for name, new in wanted.items() if getattr(before, name) != new}
        user = dataclasses.replace(
            before, **differing, version=before.version + 1, updated_at=tx.now
        )
        _check_goes_together(user, has_new_scopes=wanted.get("scopes") is not None)
        if not differing:
            return before
        if "account_id" in differing:
            await self._check_account(tx, user.account_id)
        await self._store.save(tx, user)
        tx.audit(
            "user.update",
            _target(user),
            before=_told(before, differing),
            after=_told(user, differing),
        )
        if "status" in differing:
            kind = "disabled" if user.status == "disabled" else "enabled"
            tx.tell(f"user.{kind}", account_id=user.account_id, data={"user": user.id})
        return user

    def _checked(self, change: UserChange) -> dict[str, Any]:
        wanted: dict[str, Any] = {}
        if change.name is not UNSET:
            wanted["name"] = checked_name("user", change.name)
        if change.role is not UNSET:
            wanted["role"] = checked_one_of("role", change.role, tuple(Role))
        if change.account_id is not UNSET:
            wanted["account_id"] = change.account_id
        if change.scopes is not UNSET:
            wanted["scopes"] = self._checked_scopes(change.scopes)
        if change.status is not UNSET:
            wanted["status"] = checked_one_of("status", change.status, _STATUSES)
        return wanted

    def _checked_scopes(self, scopes: Collection[str] | None) -> tuple[str, ...] | None:
        if scopes is None:
            return None
        return tuple(dict.fromkeys(checked_one_of("scope", each, self._scopes) for each in scopes))

    async def _check_account(self, tx: Transaction, account_id: str | None) -> None:
        if account_id is None:
            if tx.caller.account_id is not None:
                raise NotAllowed("Whoever belongs to one account cannot make users without one.")
            return
        checked_id("acc", account_id, _SEE_ACCOUNTS)
        words = f"There is no account {account_id}. {_SEE_ACCOUNTS}"
        tx.caller.require_account(account_id, words)
        if not await self._store.has_account(tx, account_id):
            raise NotFound(words)

    async def _locked(
        self, tx: Transaction, caller: Caller, user_id: str, expected: int | None
    ) -> UserView:
        user = await self._store.lock(tx, user_id)
        if user is None or not caller.sees(user.account_id):
            raise NotFound(_missing(user_id))
        if expected not in {None, user.version}:
            raise Changed(
                f"User {user_id} was changed meanwhile. Look at them again before you change them."
            )
        return user

    async def _found(self, user_id: str) -> UserView:
        user = await self._store.find(user_id)
        if user is None:
            raise NotFound(_missing(user_id))
        return user


def _check_goes_together(user: UserView, *, has_new_scopes: bool) -> None:
    if user.role is Role.ADMIN and user.account_id is not None:
        raise Misuse("An admin belongs to no account: leave the account out.")
    if user.role is Role.MEMBER and user.account_id is None:
        raise Misuse(f"A member belongs to an account: say which. {_SEE_ACCOUNTS}")
    if has_new_scopes and user.role is not Role.MEMBER:
        raise Misuse(
            "Only a member's scopes can be narrowed: an admin has all, a viewer's keys none."
        )


def _missing(user_id: str) -> str:
    return f"There is no user {user_id}. {_SEE_USERS}"


def _target(user: UserView) -> Target:
    return Target("user", user.id, user.account_id)


def _given(user: UserView) -> list[str]:
    return [name for name in _FIELDS if getattr(user, name) is not None]


def _told(user: UserView, fields: Collection[str]) -> dict[str, Any]:
    return {("account" if name == "account_id" else name): getattr(user, name) for name in fields}
