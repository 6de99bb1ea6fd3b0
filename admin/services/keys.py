"""What an operator does with keys."""

__all__ = ["CreatedKey", "KeyRules", "KeyService", "KeyView", "NewKey", "RevokedKey", "SecretView"]

import asyncio
import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from admin.core.faults import NotFound
from admin.services.validation import (
    checked_addresses,
    checked_id,
    checked_limits,
    checked_metadata,
    checked_name,
    checked_one_of,
    checked_origins,
    checked_scopes,
    checked_seconds_ahead,
    checked_time,
    new_id,
    new_text,
)
from admin.stores.keys import KeyStore, KeyView, NewSecret, SecretView
from gateway.core.changes import Change, Receipt
from gateway.core.keys import Environment, KeyStatus, KeyType
from gateway.core.limits import Limit
from gateway.core.token import SECRET_ID_LENGTH, SECRET_LENGTH, compose, shown
from gateway.ports import Announcer, Clock
from gateway.stores.secret_hash import CostClass, hash_token

_SEE_KEYS = "'keywright keys list' shows all keys."
_SEE_ACCOUNTS = "'keywright accounts list' shows all accounts."


class CreatedKey(NamedTuple):
    """A new key, and its token: the only time that it exists outside its holder's hands."""

    key: KeyView
    secret: str

    def __repr__(self) -> str:
        """Never shows the token."""
        return f"CreatedKey({self.key.id}, …)"


class RevokedKey(NamedTuple):
    """The key as it is now, and who has heard of it."""

    key: KeyView
    receipt: Receipt


@dataclass(frozen=True, slots=True)
class NewKey:
    """What an operator asks for. Without scopes the key gets `read-only`, if there is such a scope.

    `expires_in_seconds` counts from now; `not_before` is seconds since the epoch.
    """

    account_id: str
    name: str
    type: KeyType | str = KeyType.SECRET
    environment: Environment | str = Environment.LIVE
    scopes: Sequence[str] = ()
    expires_in_seconds: float | None = None
    not_before: float | None = None
    addresses: Sequence[str] = ()
    origins: Sequence[str] = ()
    limits: Sequence[Limit] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KeyRules:
    """What the configuration says about keys: the names of its scopes, and the tokens' vendor prefix."""

    scopes: Collection[str]
    vendor: str = ""


class KeyService:
    """One method is one transaction. Each raises Misuse for what cannot be, StoreError when SQL cannot answer."""

    def __init__(
        self,
        store: KeyStore,
        announcer: Announcer,
        clock: Clock,
        rules: KeyRules,
        hash_token: Callable[[bytes, CostClass], str] = hash_token,
    ) -> None:
        """`hash_token` may block for milliseconds: it is called in a thread."""
        self._store = store
        self._announcer = announcer
        self._clock = clock
        self._rules = rules
        self._hash_token = hash_token

    async def create(self, new: NewKey) -> CreatedKey:
        """A new key with its first secret; the account's workers need not be told of it."""
        return await self._insert(self._checked(new))

    def _checked(self, new: NewKey) -> KeyView:
        now = self._clock.now()
        expires_at = None
        if new.expires_in_seconds is not None:
            expires_at = now + checked_seconds_ahead("The key's life", new.expires_in_seconds)
        if new.not_before is not None:
            checked_time("The key's first moment", new.not_before)
        return KeyView(
            id=new_id("key"),
            account_id=checked_id("acc", new.account_id, _SEE_ACCOUNTS),
            name=checked_name("key", new.name),
            type=checked_one_of("key type", new.type, tuple(KeyType)),
            environment=checked_one_of("environment", new.environment, tuple(Environment)),
            status=KeyStatus.ACTIVE,
            scopes=checked_scopes(new.scopes, self._rules.scopes),
            version=1,
            created_at=now,
            updated_at=now,
            secrets=(),
            not_before=new.not_before,
            expires_at=expires_at,
            addresses=checked_addresses(new.addresses),
            origins=checked_origins(new.origins),
            limits=checked_limits(new.limits),
            metadata=checked_metadata(new.metadata),
        )

    async def _insert(self, wanted: KeyView) -> CreatedKey:
        secret_id = new_text(SECRET_ID_LENGTH)
        token = compose(
            wanted.type, wanted.environment, secret_id, new_text(SECRET_LENGTH), self._rules.vendor
        )
        token_hash = await asyncio.to_thread(
            self._hash_token, token.encode("ascii"), CostClass.GENERATED
        )
        secret = NewSecret(secret_id, token_hash, CostClass.GENERATED.value)
        key = await self._store.insert(wanted, secret)
        if key is None:
            raise NotFound(f"There is no account {wanted.account_id}. {_SEE_ACCOUNTS}")
        return CreatedKey(self._shown(key), token)

    async def list(self, account_id: str | None = None) -> tuple[KeyView, ...]:
        """Every key (of one account), oldest first."""
        if account_id is not None:
            checked_id("acc", account_id, _SEE_ACCOUNTS)
        return tuple(self._shown(key) for key in await self._store.find_all(account_id))

    async def show(self, key_id: str) -> KeyView:
        """The key with this id. Raises NotFound."""
        key = await self._store.find(checked_id("key", key_id, _SEE_KEYS))
        if key is None:
            raise NotFound(f"There is no key {key_id}. {_SEE_KEYS}")
        return self._shown(key)

    async def revoke(self, key_id: str) -> RevokedKey:
        """Revoke the key for good, and tell every worker; once more does no harm. Raises NotFound."""
        key = await self._store.revoke(checked_id("key", key_id, _SEE_KEYS), self._clock.now())
        if key is None:
            raise NotFound(f"There is no key {key_id}. {_SEE_KEYS}")
        # After the commit: a worker that forgets its copy now can only read the revoked one.
        receipt = await self._announcer.announce(
            Change(key.version, key_id=key.id),
            [(secret.id, key.version) for secret in key.secrets],
        )
        return RevokedKey(self._shown(key), receipt)

    def _shown(self, key: KeyView) -> KeyView:
        told = (
            dataclasses.replace(
                secret, shown=shown(key.type, key.environment, secret.id, self._rules.vendor)
            )
            for secret in key.secrets
        )
        return dataclasses.replace(key, secrets=tuple(told))
