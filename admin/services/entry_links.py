"""Links that let somebody in who has no password: the first admin of an installation, and whoever an admin invites.

Each works once. Of a link only a digest is kept.
"""

__all__ = ["INVITATION_SECONDS", "SET_UP_SECONDS", "EntryLinks", "Invitation", "Newcomer"]

import hashlib
import secrets
from dataclasses import dataclass, field
from typing import NamedTuple

from admin.core.caller import Caller, Permission, Role, system
from admin.core.faults import Conflict, NotFound
from admin.services.passwords import PasswordService
from admin.services.validation import checked_email, checked_id, checked_name, new_id
from admin.stores.proofs import Link, ProofStore
from admin.stores.sign_ins import SignInStore
from admin.stores.transaction import Target, Transaction
from admin.stores.users import UserStore, UserView
from gateway.ports import Clock

SET_UP_SECONDS = 3600.0
INVITATION_SECONDS = 3 * 86_400.0
_SET_UP = "set_up"
_PASSWORD = "password"  # noqa: S105 -- the word for the kind
_BYTES = 32
_OVER = "This link was used already, or is too old. Ask for another."


class Invitation(NamedTuple):
    """What stands at the end of a link, and until when it works."""

    token: str
    user: UserView
    expires_at: float

    def __repr__(self) -> str:
        """Never shows the token."""
        return f"Invitation({self.user.id}, …)"


@dataclass(frozen=True, slots=True)
class Newcomer:
    """What somebody says of themselves who comes by a link."""

    email: str
    name: str
    password: str = field(repr=False)


class EntryLinks:
    """Each method raises StoreError when SQL cannot answer."""

    def __init__(
        self,
        store: ProofStore,
        users: UserStore,
        sign_ins: SignInStore,
        passwords: PasswordService,
        clock: Clock,
    ) -> None:
        """`passwords` says which ones are good enough."""
        self._store = store
        self._users = users
        self._sign_ins = sign_ins
        self._passwords = passwords
        self._clock = clock

    async def to_set_up(self) -> str | None:
        """The end of a link that makes the first admin, for an hour; None once an admin can sign in."""
        if await self._store.has_admin():
            return None
        token, now = secrets.token_urlsafe(_BYTES), self._clock.now()
        async with self._store.transaction("make a set-up link", system("set-up"), now) as tx:
            link = Link(_SET_UP, None, now + SET_UP_SECONDS)
            await self._store.put_link(tx, _digest(token), link)
        return token

    async def may_set_up(self, token: str) -> bool:
        """Whether this link still makes the first admin."""
        link = await self._found(token, _SET_UP)
        return link is not None and not await self._store.has_admin()

    async def set_up(self, token: str, newcomer: Newcomer) -> UserView:
        """Make the first admin, or give a password to one who has none. Raises Conflict, Misuse, NotFound."""
        if not await self.may_set_up(token):
            raise NotFound(_OVER)
        email = checked_email(newcomer.email)
        user = await self._admin(email, checked_name("user", newcomer.name))
        password_hash = await self._passwords.hashed(newcomer.password, user)
        now = self._clock.now()
        async with self._store.transaction("set up the console", system("set-up"), now) as tx:
            await self._spend(tx, token)
            if await self._users.lock(tx, user.id) is None:
                if not await self._users.insert(tx, user):
                    raise Conflict(f"There is a user with the address {email} already.")
                after = {"email": email, "name": user.name, "role": Role.ADMIN}
                tx.audit("user.create", Target("user", user.id), after=after)
            await self._store.end_links(tx, None)
            await self._passwords.put(tx, user, password_hash)
        return user

    async def invite(
        self, caller: Caller, user_id: str, seconds: float = INVITATION_SECONDS
    ) -> Invitation:
        """A link by which this user chooses a password within `seconds`; links before it work no longer."""
        caller.require(Permission.USERS_WRITE)
        proofs = await self._store.find(user_id=checked_id("usr", user_id, ""))
        words = f"There is no user {user_id}."
        if proofs is None:
            raise NotFound(words)
        user = proofs.user
        caller.require_account(user.account_id, words)
        if user.status != "active":
            raise Conflict("This user is disabled. Enable them before you invite them.")
        token, now = secrets.token_urlsafe(_BYTES), self._clock.now()
        expires_at = now + seconds
        async with self._store.transaction("invite a user", caller, now) as tx:
            await self._store.put_link(tx, _digest(token), Link(_PASSWORD, user.id, expires_at))
            tx.audit("user.invite", Target("user", user.id, user.account_id))
        return Invitation(token, user, expires_at)

    async def invited(self, token: str) -> UserView | None:
        """Whose link this is; None for one that works no longer."""
        link = await self._found(token, _PASSWORD)
        if link is None or link.user_id is None:
            return None
        proofs = await self._passwords.proofs_of(link.user_id)
        return None if proofs is None else proofs.user

    async def choose_password(self, token: str, password: str) -> UserView:
        """Give the invited user this password; wherever they were signed in ends. Raises NotFound, Misuse."""
        user = await self.invited(token)
        if user is None:
            raise NotFound(_OVER)
        password_hash = await self._passwords.hashed(password, user)
        now = self._clock.now()
        async with self._store.transaction("choose a password", system("invitation"), now) as tx:
            await self._spend(tx, token)
            await self._passwords.put(tx, user, password_hash)
            await self._sign_ins.end(tx, user.id)
        return user

    async def forget(self) -> None:
        """Take out links whose time is over."""
        await self._store.forget_links(self._clock.now())

    async def _admin(self, email: str, name: str) -> UserView:
        """The admin with this address, or a new one."""
        proofs = await self._store.find(email=email)
        if proofs is None:
            now = self._clock.now()
            return UserView(
                new_id("usr"), email, name, Role.ADMIN, None, None, "active", 1, now, now
            )
        if proofs.user.role is not Role.ADMIN or proofs.user.status != "active":
            raise Conflict(f"The user with the address {email} is no active admin. Take another.")
        return proofs.user

    async def _found(self, token: str, kind: str) -> Link | None:
        link = await self._store.find_link(_digest(token))
        if link is None or link.kind != kind or link.expires_at <= self._clock.now():
            return None
        return link

    async def _spend(self, tx: Transaction, token: str) -> None:
        if not await self._store.spend_link(tx, _digest(token)):
            raise NotFound(_OVER)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
