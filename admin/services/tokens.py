"""What is done with admin tokens, for machines: made, revoked, and recognised."""

__all__ = ["CreatedToken", "NewToken", "TokenService", "TokenView"]

import asyncio
import hmac
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import NamedTuple

from admin.core.caller import PERMISSIONS, ActorKind, Caller, Permission, Role
from admin.core.faults import Conflict, NotAllowed, NotFound
from admin.core.page import Page, PageRequest
from admin.services.repeats import Repeats
from admin.services.validation import (
    checked_id,
    checked_name,
    checked_one_of,
    checked_seconds_ahead,
    new_text,
)
from admin.stores.tokens import StoredToken, TokenStore, TokenView
from admin.stores.transaction import Repeated, Target, Transaction
from gateway.core.credential import Peppers
from gateway.core.errors import Misuse
from gateway.core.token import SECRET_ID_LENGTH, SECRET_LENGTH, compose_admin, parse_admin
from gateway.ports import Clock
from gateway.stores.secret_hash import CostClass, decoy, hash_token

_SEE_TOKENS = "'keywright tokens list' shows all admin tokens."
_SEE_ACCOUNTS = "'keywright accounts list' shows all accounts."
_KNOWN_MAX = 1000

Verify = Callable[[str, bytes], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class NewToken:
    """What it is for, and what it may do; `permissions` None: all that the role has.

    A member's or viewer's token needs an account, an admin's has none. `expires_in_seconds` counts from now.
    """

    name: str
    role: Role | str
    account_id: str | None = None
    permissions: Collection[Permission | str] | None = None
    expires_in_seconds: float | None = None


class CreatedToken(NamedTuple):
    """A new admin token, and its text: the only time that it exists outside its holder's hands."""

    token: TokenView
    secret: str

    def __repr__(self) -> str:
        """Never shows the text."""
        return f"CreatedToken({self.token.id}, …)"


class TokenService:
    """Each method raises NotAllowed, NotFound, Misuse for what cannot be, StoreError when SQL cannot answer."""

    def __init__(
        self,
        store: TokenStore,
        repeats: Repeats,
        clock: Clock,
        peppers: Callable[[], Peppers],
        verify: Verify,
    ) -> None:
        """`verify(token_hash, token_bytes)` says whether they belong together; it may raise Overloaded."""
        self._store = store
        self._repeats = repeats
        self._clock = clock
        self._peppers = peppers
        self._verify = verify
        # By the hash that was verified: the digest of the text that belongs to it.
        self._known: OrderedDict[str, bytes] = OrderedDict()
        self._decoy: str | None = None

    async def create(self, caller: Caller, new: NewToken) -> CreatedToken:
        """A new token, of at most the caller's own permissions; its text is shown this once."""
        caller.require(Permission.TOKENS_WRITE)
        now = self._clock.now()
        expires_at = None
        if new.expires_in_seconds is not None:
            expires_at = now + checked_seconds_ahead("The token's life", new.expires_in_seconds)
        public = new_text(SECRET_ID_LENGTH)
        role = checked_one_of("role", new.role, tuple(Role))
        token = TokenView(
            id=_id(public),
            name=checked_name("token", new.name),
            role=role,
            account_id=new.account_id,
            permissions=_checked_permissions(role, new.permissions),
            created_at=now,
            expires_at=expires_at,
        )
        _check_may_give(caller, token)
        text = compose_admin(public, new_text(SECRET_LENGTH))
        token_hash = await asyncio.to_thread(hash_token, text.encode("ascii"), CostClass.GENERATED)
        try:
            async with self._store.transaction("add a token", caller, now) as tx:
                await tx.claim(token.id, self._repeats.sealed(caller, text))
                await self._check_account(tx, token.account_id)
                await self._store.insert(tx, token, token_hash)
                tx.audit("token.create", _target(token), after=_told(token))
        except Repeated:
            return await self._created_before(caller, now)
        return CreatedToken(token, text)

    async def list(self, caller: Caller, page: PageRequest) -> Page[TokenView]:
        """The tokens that the caller sees, revoked and expired ones too, oldest first."""
        caller.require(Permission.TOKENS_READ)
        return await self._store.list(caller.account_id, page)

    async def show(self, caller: Caller, token_id: str) -> TokenView:
        """The token with this id."""
        caller.require(Permission.TOKENS_READ)
        stored = await self._store.find(checked_id("tok", token_id, _SEE_TOKENS))
        if stored is None or not caller.sees(stored.view.account_id):
            raise NotFound(_missing(token_id))
        return stored.view

    async def revoke(self, caller: Caller, token_id: str) -> TokenView:
        """Revoke the token for good: its next request is refused. Once more does no harm."""
        caller.require(Permission.TOKENS_WRITE)
        checked_id("tok", token_id, _SEE_TOKENS)
        now = self._clock.now()
        try:
            async with self._store.transaction("revoke a token", caller, now) as tx:
                await tx.claim(token_id)
                token = await self._store.lock(tx, token_id)
                if token is None or not caller.sees(token.account_id):
                    raise NotFound(_missing(token_id))
                if token.revoked_at is None:
                    await self._store.revoke(tx, token_id, now)
                    tx.audit(
                        "token.revoke",
                        _target(token),
                        before={"status": "active"},
                        after={"status": "revoked"},
                    )
        except Repeated:
            token_id = (await self._repeats.earlier(caller, now)).target_id
        return await self._found(token_id)

    async def authenticate(self, text: str, address: str, request_id: str) -> Caller | None:
        """Whose token this is; None for anything that is not a good token of this installation.

        The database is asked each time, so that a revoked token ends with the revocation. Raises
        StoreError, and Overloaded when too many wait for argon2.
        """
        public = parse_admin(text)
        if public is None:
            return None
        stored = await self._store.find(_id(public))
        if not await self._belongs(stored, text.encode("ascii")):
            return None
        if stored is None or not _is_alive(stored.view, self._clock.now()):
            return None
        return _caller(stored.view, address, request_id)

    async def _belongs(self, stored: StoredToken | None, token_bytes: bytes) -> bool:
        if stored is None:
            # An id that does not exist takes as long as a wrong secret.
            if self._decoy is None:
                self._decoy = await asyncio.to_thread(decoy, CostClass.GENERATED)
            return await self._verify(self._decoy, token_bytes)
        digest = self._peppers().current.hmac_sha256(token_bytes)
        known = self._known.get(stored.token_hash)
        if known is not None and hmac.compare_digest(known, digest):
            self._known.move_to_end(stored.token_hash)
            return True
        if not await self._verify(stored.token_hash, token_bytes):
            return False
        self._known[stored.token_hash] = digest
        if len(self._known) > _KNOWN_MAX:
            self._known.popitem(last=False)
        return True

    async def _created_before(self, caller: Caller, now: float) -> CreatedToken:
        earlier = await self._repeats.earlier(caller, now)
        if earlier.secret is None:
            raise Conflict(
                f"Token {earlier.target_id} was made by the first of these requests, and cannot be shown again."
                " Revoke it, and make another with a new Idempotency-Key."
            )
        return CreatedToken(await self._found(earlier.target_id), earlier.secret)

    async def _found(self, token_id: str) -> TokenView:
        stored = await self._store.find(token_id)
        if stored is None:
            raise NotFound(_missing(token_id))
        return stored.view

    async def _check_account(self, tx: Transaction, account_id: str | None) -> None:
        if account_id is None:
            return
        checked_id("acc", account_id, _SEE_ACCOUNTS)
        words = f"There is no account {account_id}. {_SEE_ACCOUNTS}"
        tx.caller.require_account(account_id, words)
        if not await self._store.has_account(tx, account_id):
            raise NotFound(words)


def _id(public: str) -> str:
    return f"tok_{public}"


def _checked_permissions(
    role: Role, wanted: Collection[Permission | str] | None
) -> tuple[Permission, ...] | None:
    if wanted is None:
        return None
    if not wanted:
        raise Misuse("A token without permissions can do nothing. Leave them out for all.")
    chosen = {checked_one_of("permission", each, tuple(Permission)) for each in wanted}
    if over := [each for each in Permission if each in chosen - PERMISSIONS[role]]:
        raise Misuse(f"The role '{role}' does not have {', '.join(over)}.")
    return tuple(each for each in Permission if each in chosen)


def _held(token: TokenView) -> frozenset[Permission]:
    of_role = PERMISSIONS[token.role]
    return of_role if token.permissions is None else of_role.intersection(token.permissions)


def _check_may_give(caller: Caller, token: TokenView) -> None:
    if token.role is Role.ADMIN and token.account_id is not None:
        raise Misuse("An admin's token belongs to no account: leave the account out.")
    if token.role is not Role.ADMIN and token.account_id is None:
        raise Misuse(f"A {token.role}'s token belongs to an account: say which. {_SEE_ACCOUNTS}")
    if token.account_id is None and caller.account_id is not None:
        raise NotAllowed("Whoever belongs to one account cannot make a token for all.")
    if over := [each for each in Permission if each in _held(token) - caller.permissions]:
        raise NotAllowed(f"You cannot give what you do not have: {', '.join(over)}.")


def _is_alive(token: TokenView, now: float) -> bool:
    return token.revoked_at is None and (token.expires_at is None or now < token.expires_at)


def _caller(token: TokenView, address: str, request_id: str) -> Caller:
    return Caller(
        kind=ActorKind.TOKEN,
        id=token.id,
        name=token.name,
        role=token.role,
        permissions=_held(token),
        account_id=token.account_id,
        address=address,
        request_id=request_id,
    )


def _missing(token_id: str) -> str:
    return f"There is no admin token {token_id}. {_SEE_TOKENS}"


def _target(token: TokenView) -> Target:
    return Target("token", token.id, token.account_id)


def _told(token: TokenView) -> dict[str, object]:
    told = {
        "name": token.name,
        "role": token.role,
        "account": token.account_id,
        "permissions": token.permissions,
        "expires_at": token.expires_at,
    }
    return {name: value for name, value in told.items() if value is not None}
