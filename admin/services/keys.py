"""The life of a key: made, looked at, changed, rotated, revoked, deleted (docs/keys.md)."""

__all__ = [
    "ChangedKey",
    "CreatedKey",
    "KeyChange",
    "KeyFilter",
    "KeyRules",
    "KeyService",
    "KeyView",
    "LastUse",
    "NewKey",
    "RotatedKey",
    "SecretUser",
    "SecretView",
]

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from admin.core.caller import Caller, Permission
from admin.core.faults import Changed, Conflict, NotFound
from admin.core.page import Page, PageRequest
from admin.services import key_life
from admin.services.key_orders import (
    ChangedKey,
    CreatedKey,
    KeyChange,
    NewKey,
    RotatedKey,
    checked_change,
    checked_new,
    checked_overlap,
)
from admin.services.key_permits import KeyPermits
from admin.services.key_rules import KeyRules
from admin.services.key_told import difference, told
from admin.services.key_views import KeyView, LastUse, SecretUser, SecretView, view
from admin.services.repeats import Earlier, Repeats
from admin.services.validation import checked_id, checked_search, new_text
from admin.stores.key_filter import KeyFilter
from admin.stores.key_records import KeyFields, KeyRecord, NewSecret, SecretRecord
from admin.stores.keys import KeyStore
from admin.stores.transaction import Repeated, Target, Transaction
from gateway.core.changes import Change, Receipt
from gateway.core.keys import KeyType
from gateway.core.token import SECRET_ID_LENGTH, SECRET_LENGTH, compose
from gateway.ports import Announcer, Clock
from gateway.stores.secret_hash import CostClass, hash_token

_SEE_KEYS = "'keywright keys list' shows all keys."
_SEE_ACCOUNTS = "'keywright accounts list' shows all accounts."
# A tombstone lasts a day: what ended long before that is in no cache.
_BURIED_FOR_SECONDS = 2 * 86_400.0


class _Token(NamedTuple):
    """A new token, and what is kept of it."""

    text: str
    secret: NewSecret

    def __repr__(self) -> str:
        return f"_Token({self.secret.id}, …)"


_Step = Callable[[Transaction, KeyRecord], Awaitable[KeyRecord]]


@dataclass(frozen=True, slots=True)
class _Deed:
    """One thing that is done to a key: how the audit log and the events call it, and what it does."""

    action: str
    key_id: str
    expected: int | None
    step: _Step
    event: str | None = None
    sealed: bytes | None = field(default=None, repr=False)


class _Done(NamedTuple):
    """The key before and after; `earlier` if it was done by an earlier request with the same Idempotency-Key."""

    before: KeyRecord
    after: KeyRecord
    earlier: Earlier | None = None


class KeyService:
    """Each method raises NotAllowed, NotFound, Misuse for what cannot be, StoreError when SQL cannot answer.

    Those that change a key take the `expected` version and raise Changed if it has another; what does not
    go with how things stand, such as rotating a revoked key, raises Conflict. One method is one transaction.
    """

    def __init__(
        self,
        store: KeyStore,
        announcer: Announcer,
        repeats: Repeats,
        clock: Clock,
        rules: KeyRules,
    ) -> None:
        """`announcer` tells the workers, `repeats` answers requests that were answered before."""
        self._store = store
        self._announcer = announcer
        self._repeats = repeats
        self._clock = clock
        self._rules = rules
        self._permits = KeyPermits(store, rules)

    async def create(self, caller: Caller, new: NewKey) -> CreatedKey:
        """A new key with its first secret; it works at once, no worker need be told of it."""
        caller.require(Permission.KEYS_WRITE)
        now = self._clock.now()
        wanted = checked_new(new, self._rules.scopes, now)
        caller.require_account(wanted.account_id, _no_account(wanted.account_id))
        self._rules.check_type(caller, wanted.type)
        self._rules.check_limits(caller, wanted.limits)
        token = await self._new_token(wanted)
        try:
            async with self._store.transaction("add a key", caller, now) as tx:
                await tx.claim(wanted.id, self._repeats.sealed(caller, token.text))
                record = await self._insert(tx, wanted, token.secret)
                tx.audit("key.create", _target(record.key), after=told(record.key))
                _tell(tx, "key.created", record.key)
        except Repeated:
            earlier = await self._repeats.earlier(caller, now)
            made = await self._found(caller, earlier.target_id)
            return CreatedKey(self._view(made), _opened(earlier))
        return CreatedKey(self._view(record), token.text)

    async def list(self, caller: Caller, wanted: KeyFilter, page: PageRequest) -> Page[KeyView]:
        """The keys that fit, of those that the caller sees. Raises Misuse for a cursor of another order."""
        caller.require(Permission.KEYS_READ)
        for text in (wanted.search, wanted.account_id, wanted.owner_id):
            checked_search(text)
        if caller.account_id is not None:
            if wanted.account_id not in {None, caller.account_id}:
                return Page(())
            wanted = dataclasses.replace(wanted, account_id=caller.account_id)
        found = await self._store.list(wanted, page, self._clock.now())
        return Page(tuple(self._view(record) for record in found.items), found.next_cursor)

    async def show(self, caller: Caller, key_id: str) -> KeyView:
        """The key with this id, deleted or not, and who still uses its replaced secrets."""
        caller.require(Permission.KEYS_READ)
        return await self._whole_view(await self._found(caller, key_id))

    async def change(
        self, caller: Caller, key_id: str, change: KeyChange, expected: int | None = None
    ) -> ChangedKey:
        """Other values in some fields, enforced at once; no receipt where no worker would decide otherwise."""
        wanted = checked_change(change, self._rules.scopes)

        async def step(tx: Transaction, before: KeyRecord) -> KeyRecord:
            values = {name: value for name, value in wanted.items() if name != "owner_id"}
            owner = before.owner
            if "owner_id" in wanted:
                owner = await self._permits.other_owner(tx, before, wanted["owner_id"])
            after = key_life.changed(before, values, owner, tx.now)
            await self._permits.check_change(tx, before, after)
            return after

        done = await self._perform(caller, _Deed("key.update", key_id, expected, step))
        if set(wanted) <= {"metadata"}:
            return ChangedKey(self._view(done.after), None)
        return await self._enforced(done)

    async def disable(self, caller: Caller, key_id: str, expected: int | None = None) -> ChangedKey:
        """Refuse the key until it is enabled again."""
        step = _purely(key_life.disabled)
        deed = _Deed("key.disable", key_id, expected, step, "key.disabled")
        return await self._enforced(await self._perform(caller, deed))

    async def enable(self, caller: Caller, key_id: str, expected: int | None = None) -> ChangedKey:
        """Let a disabled key through again."""

        async def step(tx: Transaction, before: KeyRecord) -> KeyRecord:
            await self._permits.check_grasp(tx, before)
            return key_life.enabled(before, tx.now)

        return await self._enforced(
            await self._perform(caller, _Deed("key.enable", key_id, expected, step, "key.enabled"))
        )

    async def revoke(self, caller: Caller, key_id: str, expected: int | None = None) -> ChangedKey:
        """Refuse the key for good, with the receipt of who enforces it; once more does no harm."""
        step = _purely(key_life.revoked)
        deed = _Deed("key.revoke", key_id, expected, step, "key.revoked")
        return await self._enforced(await self._perform(caller, deed))

    async def delete(self, caller: Caller, key_id: str, expected: int | None = None) -> ChangedKey:
        """Revoke the key and take it out of the lists; its record is kept, and `show` still finds it."""
        step = _purely(key_life.deleted)
        deed = _Deed("key.delete", key_id, expected, step, "key.deleted")
        return await self._enforced(await self._perform(caller, deed))

    async def rotate(
        self,
        caller: Caller,
        key_id: str,
        overlap_seconds: float | None,
        expected: int | None = None,
    ) -> RotatedKey:
        """A new secret; the old one goes on for the overlap, from 0 seconds to 30 days (None: until unused)."""
        overlap = checked_overlap(overlap_seconds)
        return await self._rotate(caller, "key.rotate", key_id, overlap, expected)

    async def regenerate(
        self, caller: Caller, key_id: str, expected: int | None = None
    ) -> RotatedKey:
        """A new secret; every older one ends at once."""
        return await self._rotate(caller, "key.regenerate", key_id, 0, expected)

    async def end_secret(
        self, caller: Caller, key_id: str, secret_id: str, expected: int | None = None
    ) -> ChangedKey:
        """End a replaced secret before its time; one that has ended stays so."""
        step = _purely(partial(key_life.ended, secret_id))
        deed = _Deed("key.end_secret", key_id, expected, step)
        return await self._enforced(await self._perform(caller, deed))

    async def retire_unused(self, caller: Caller, count: int) -> int:
        """End up to `count` secrets that were to go on until nobody uses them; returns how many were looked at."""
        since = self._clock.now() - self._rules.retire_unused_after_seconds
        found = await self._store.unused_secrets(since, count)
        for key_id, secret_id in found:
            # Looked at again with the key locked: somebody may have used it, or ended it, by now.
            step = _purely(partial(key_life.retired, secret_id, since))
            deed = _Deed("key.end_secret", key_id, None, step)
            await self._enforced(await self._perform(caller, deed))
        return len(found)

    async def _rotate(
        self,
        caller: Caller,
        action: str,
        key_id: str,
        overlap_seconds: float | None,
        expected: int | None,
    ) -> RotatedKey:
        caller.require(Permission.KEYS_WRITE)
        present = await self._found(caller, key_id)
        token = await self._new_token(present.key)

        async def step(tx: Transaction, before: KeyRecord) -> KeyRecord:
            self._rules.check_type(caller, before.key.type)
            await self._permits.check_grasp(tx, before)
            after = key_life.rotated(before, token.secret.id, overlap_seconds, tx.now)
            await self._store.insert_secret(tx, key_id, token.secret)
            return after

        sealed = self._repeats.sealed(caller, token.text)
        deed = _Deed(action, key_id, expected, step, "key.rotated", sealed)
        done = await self._perform(caller, deed)
        text = token.text if done.earlier is None else _opened(done.earlier)
        receipt = await self._announce(done.after)
        return RotatedKey(await self._whole_view(done.after), text, receipt)

    async def _perform(self, caller: Caller, deed: _Deed) -> _Done:
        caller.require(Permission.KEYS_WRITE)
        key_id = checked_id("key", deed.key_id, _SEE_KEYS)
        now = self._clock.now()
        try:
            async with self._store.transaction("change a key", caller, now) as tx:
                await tx.claim(key_id, deed.sealed)
                before = await self._locked(tx, key_id, deed.expected)
                after = await deed.step(tx, before)
                if after is not before:
                    await self._save(tx, deed, before, after)
        except Repeated:
            earlier = await self._repeats.earlier(caller, now)
            record = await self._found(caller, earlier.target_id)
            return _Done(record, record, earlier)
        return _Done(before, after)

    async def _save(
        self, tx: Transaction, deed: _Deed, before: KeyRecord, after: KeyRecord
    ) -> None:
        await self._store.save(tx, before, after)
        was, became = difference(before, after)
        tx.audit(deed.action, _target(after.key), before=was, after=became)
        if deed.event is not None:
            _tell(tx, deed.event, after.key)

    async def _locked(self, tx: Transaction, key_id: str, expected: int | None) -> KeyRecord:
        record = await self._store.lock(tx, key_id)
        if record is None or not tx.caller.sees(record.key.account_id):
            raise NotFound(_no_key(key_id))
        if expected not in {None, record.version}:
            raise Changed(
                f"Key {key_id} was changed meanwhile. Look at it again before you change it."
            )
        return record

    async def _found(self, caller: Caller, key_id: str) -> KeyRecord:
        record = await self._store.find(checked_id("key", key_id, _SEE_KEYS))
        if record is None or not caller.sees(record.key.account_id):
            raise NotFound(_no_key(key_id))
        return record

    async def _insert(self, tx: Transaction, wanted: KeyFields, secret: NewSecret) -> KeyRecord:
        account = await self._store.account(tx, wanted.account_id)
        if account is None:
            raise NotFound(_no_account(wanted.account_id))
        owner = await self._permits.check_new(tx, wanted, account)
        key = dataclasses.replace(wanted, owner_id=None if owner is None else owner.id)
        await self._store.insert(tx, key, secret)
        first = SecretRecord(id=secret.id, created_at=tx.now)
        return KeyRecord(key, own_version=1, account=account, owner=owner, secrets=(first,))

    async def _new_token(self, key: KeyFields) -> _Token:
        secret_id = new_text(SECRET_ID_LENGTH)
        kind = KeyType(key.type)
        text = compose(
            kind, key.environment, secret_id, new_text(SECRET_LENGTH), self._rules.vendor
        )
        hashing = partial(hash_token, text.encode("ascii"), CostClass.GENERATED)
        token_hash = await asyncio.to_thread(hashing)
        return _Token(text, NewSecret(secret_id, token_hash, CostClass.GENERATED.value))

    async def _enforced(self, done: _Done) -> ChangedKey:
        return ChangedKey(self._view(done.after), await self._announce(done.after))

    async def _announce(self, record: KeyRecord) -> Receipt:
        # After the commit: a worker that forgets its copy now can only read the new state. Also when
        # nothing was changed: whoever asks again, because an answer was lost, gets a receipt.
        since = self._clock.now() - _BURIED_FOR_SECONDS
        buried = [
            (secret.id, record.version)
            for secret in record.secrets
            if secret.revoked_at is None or secret.revoked_at > since
        ]
        return await self._announcer.announce(Change(record.version, key_id=record.key.id), buried)

    def _view(self, record: KeyRecord) -> KeyView:
        return view(record, self._rules, self._clock.now())

    async def _whole_view(self, record: KeyRecord) -> KeyView:
        now = self._clock.now()
        users = {
            secret.id: await self._store.used_by(record.key.id, secret)
            for secret in record.secrets
            if secret.is_living(now) or secret.uses
        }
        return view(record, self._rules, now, users)


def _purely(decide: Callable[[KeyRecord, float], KeyRecord]) -> _Step:
    async def step(tx: Transaction, before: KeyRecord) -> KeyRecord:  # noqa: RUF029 -- others wait
        return decide(before, tx.now)

    return step


def _opened(earlier: Earlier) -> str:
    if earlier.secret is None:
        raise Conflict(
            f"Key {earlier.target_id} was made, but its secret cannot be shown again. Regenerate the key."
        )
    return earlier.secret


def _target(key: KeyFields) -> Target:
    return Target("key", key.id, key.account_id)


def _tell(tx: Transaction, kind: str, key: KeyFields) -> None:
    data = {"name": key.name, "by": tx.caller.name}
    tx.tell(kind, account_id=key.account_id, key_id=key.id, data=data)


def _no_key(key_id: str) -> str:
    return f"There is no key {key_id}. {_SEE_KEYS}"


def _no_account(account_id: str) -> str:
    return f"There is no account {account_id}. {_SEE_ACCOUNTS}"
