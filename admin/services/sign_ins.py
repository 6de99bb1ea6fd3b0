"""Where people are signed in to the console: begun, recognised at each request, renewed, ended.

What a sign-in may do is never kept: the user is read at each request, so that a change of their role,
account or status counts from the next one on.
"""

__all__ = [
    "OWN_METHODS",
    "PASSWORD",
    "PASSWORD_AND_CODE",
    "SET_UP_LINK",
    "Begun",
    "SignInService",
    "SignInTerms",
    "user_caller",
]

import hashlib
import secrets
from dataclasses import dataclass
from typing import NamedTuple

from admin.core.caller import PERMISSIONS, ActorKind, Caller
from admin.core.faults import NotFound
from admin.services.validation import new_id
from admin.stores.sign_ins import SignedIn, SignIn, SignInStore
from admin.stores.transaction import Target
from admin.stores.users import UserView
from gateway.ports import Clock

# How somebody has shown who they are; by anything else it was a provider of single sign-on.
PASSWORD = "password"  # noqa: S105 -- the word for it
PASSWORD_AND_CODE = "password and code"  # noqa: S105 -- the words for it
SET_UP_LINK = "set-up link"
OWN_METHODS = frozenset({PASSWORD, PASSWORD_AND_CODE, SET_UP_LINK})

_TOKEN_BYTES = 32
_AGENT_LENGTH_MAX = 200
# A use is written down at most this often: looking at a page must not cost a write.
_SEEN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class SignInTerms:
    """How long a sign-in lasts: at all, and while nobody uses it."""

    life_seconds: float = 7 * 86_400.0
    idle_seconds: float = 12 * 3600.0


class Begun(NamedTuple):
    """A new sign-in, and what its cookie holds: the only time that this exists outside the browser."""

    token: str
    sign_in: SignIn

    def __repr__(self) -> str:
        """Never shows the token."""
        return f"Begun({self.sign_in.id}, …)"


class SignInService:
    """Each method raises StoreError when SQL cannot answer."""

    def __init__(self, store: SignInStore, clock: Clock, terms: SignInTerms) -> None:
        """Nothing is kept in memory: any control plane recognises what another has begun."""
        self._store = store
        self._clock = clock
        self._terms = terms

    @property
    def life_seconds(self) -> float:
        """How long a cookie is of use at most."""
        return self._terms.life_seconds

    async def begin(self, caller: Caller, user: UserView, method: str, agent: str) -> Begun:
        """Sign somebody in who has shown who they are, by `method`; `agent` is what their browser calls itself."""
        now = self._clock.now()
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        sign_in = SignIn(
            id=new_id("sin"),
            user_id=user.id,
            method=method,
            rights=_rights(user),
            address=caller.address,
            agent="".join(char for char in agent if char.isprintable())[:_AGENT_LENGTH_MAX],
            created_at=now,
            seen_at=now,
            proved_at=now,
            expires_at=now + self._terms.life_seconds,
        )
        async with self._store.transaction("sign in", caller, now) as tx:
            await self._store.insert(tx, sign_in, _digest(token))
            tx.audit("user.sign_in", _target(user), after={"method": method, "sign_in": sign_in.id})
        return Begun(token, sign_in)

    async def recognise(self, token: str) -> SignedIn | None:
        """Who holds this cookie; None for one that has ended, or whose user is not active any more."""
        found = await self._store.find(_digest(token))
        if found is None or not self._is_alive(found):
            return None
        now = self._clock.now()
        if now - found.sign_in.seen_at >= _SEEN_SECONDS:
            await self._store.seen(found.sign_in.id, now)
        return found

    def has_other_rights(self, signed_in: SignedIn) -> bool:
        """Whether what the user may do is not what it was when the cookie was made."""
        return signed_in.sign_in.rights != _rights(signed_in.user)

    async def renew(self, token: str, user: UserView, *, is_proved: bool = False) -> str | None:
        """Another token in the place of this one, which ends; None if it has ended already.

        `is_proved`: the user has just shown again who they are.
        """
        fresh = secrets.token_urlsafe(_TOKEN_BYTES)
        proved_at = self._clock.now() if is_proved else None
        is_done = await self._store.renew(_digest(token), _digest(fresh), _rights(user), proved_at)
        return fresh if is_done else None

    async def leave(self, token: str) -> None:
        """Let this cookie be worth nothing any more, whoever's it was."""
        await self._store.leave(_digest(token))

    async def list(self, caller: Caller) -> tuple[SignIn, ...]:
        """Where the caller is signed in, the latest first."""
        if caller.user_id is None:
            return ()
        found = await self._store.of_user(caller.user_id)
        return tuple(each for each in found if self._is_young(each))

    async def end(self, caller: Caller, sign_in_id: str) -> None:
        """End one of the caller's own. Raises NotFound for anybody else's."""
        now = self._clock.now()
        async with self._store.transaction("end a sign-in", caller, now) as tx:
            if caller.user_id is None or not await self._store.end(tx, caller.user_id, sign_in_id):
                raise NotFound("There is no such sign-in of yours; it may have ended already.")
            target = Target("user", caller.user_id, caller.account_id)
            tx.audit("user.sign_out", target, before={"sign_in": sign_in_id})

    async def end_others(self, caller: Caller, kept: str) -> int:
        """End all of the caller's own but `kept`; returns how many that were."""
        if caller.user_id is None:
            return 0
        now = self._clock.now()
        async with self._store.transaction("end sign-ins", caller, now) as tx:
            ended = await self._store.end_others(tx, caller.user_id, kept)
            if ended:
                target = Target("user", caller.user_id, caller.account_id)
                tx.audit("user.sign_out", target, before={"sign_ins": ended})
        return ended

    async def forget(self) -> None:
        """Take out those that have ended by themselves, or by their user's end."""
        await self._store.forget(self._clock.now(), self._terms.idle_seconds)

    def _is_alive(self, found: SignedIn) -> bool:
        return found.user.status == "active" and self._is_young(found.sign_in)

    def _is_young(self, sign_in: SignIn) -> bool:
        now = self._clock.now()
        return now < sign_in.expires_at and now < sign_in.seen_at + self._terms.idle_seconds


def user_caller(user: UserView, address: str, request_id: str) -> Caller:
    """The user as somebody who asks: with exactly what their role has."""
    return Caller(
        kind=ActorKind.USER,
        id=user.id,
        name=user.email,
        role=user.role,
        permissions=PERMISSIONS[user.role],
        account_id=user.account_id,
        user_id=user.id,
        address=address,
        request_id=request_id,
    )


def _rights(user: UserView) -> str:
    return f"{user.role}/{user.account_id or ''}"


def _digest(token: str) -> str:
    # 256 random bits need no slow hash.
    return hashlib.sha256(token.encode()).hexdigest()


def _target(user: UserView) -> Target:
    return Target("user", user.id, user.account_id)
