"""L2: verified keys in Redis, by secret id, with tombstones that no late fill overwrites (design §3).

An entry holds the key and the digest of the token that proves it, never the token nor its argon2
hash, and a seal under the pepper: who can write to Redis, but does not know the pepper, can neither make
a key nor widen one. Whatever cannot be read, or has no true seal, is a miss: SQL then gives the answer.
"""

__all__ = ["RedisKeyCache", "bury"]

import asyncio
import hmac
import json
import math
from collections.abc import Sequence
from typing import Any, Final

from gateway.core.credential import Pepper, Peppers
from gateway.core.errors import StoreError
from gateway.core.keys import (
    Account,
    ApiAccess,
    Environment,
    Key,
    KeyDigest,
    KeyStatus,
    KeyType,
    Owner,
)
from gateway.core.limits import CountedPer, Limit
from gateway.ports import CachedKey
from gateway.stores.redis_client import PREFIX, RedisStore, Script
from gateway.stores.shared import shared

_ENTRY_MS: Final = 3_600_000
# Longer than any look-up can be on its way.
_TOMBSTONE_MS: Final = 86_400_000
# An account may have thousands of keys; all at once would outlast the deadline of one command.
_BURIED_AT_ONCE: Final = 100
_DIGEST_BYTES: Final = 32
_POINTER: Final = b"keywright imported value\0"
_FIELDS: Final = ("v", "d", "p", "body", "seal")
_FILL: Final = Script.beside(__file__, "fill.lua")
_TOMBSTONE: Final = Script.beside(__file__, "tombstone.lua")


class RedisKeyCache:
    """Implements the KeyCache port."""

    def __init__(self, store: RedisStore, peppers: Peppers) -> None:
        """`store` is open; an entry is sealed under the pepper of its digest."""
        self._store = store
        self._peppers = peppers

    async def find(self, secret_id: str) -> CachedKey | None:
        """The cached key; None for a miss, a tombstone, or anything unreadable. Raises StoreError."""
        try:
            entry = await self._store.read("find", "HMGET", _name(secret_id), *_FIELDS)
        except StoreError as exc:
            if exc.cause == "WRONGTYPE":
                return None
            raise
        return _cached(secret_id, entry, self._peppers)

    async def fill(self, cached: CachedKey) -> bool:
        """Write it unless a newer version (or a tombstone of one) stands there; False if so. Raises StoreError."""
        key, digest = cached.key, cached.digest
        pepper = self._peppers.find(digest.pepper_id)
        if pepper is None:
            return False
        body = _body(key)
        seal = _seal(pepper, digest.value, body)
        words = (key.version, digest.value, digest.pepper_id, body, seal, _ENTRY_MS)
        return bool(await self._store.run("fill", _FILL, (_name(key.secret_id),), words))

    async def pointed(self, digest: KeyDigest) -> str | None:
        """The secret id that `point` left for an imported value; nothing is proved by it. Raises StoreError."""
        name = self._pointer(digest)
        if name is None:
            return None
        try:
            held = await self._store.read("find", "GET", name)
        except StoreError as exc:
            if exc.cause == "WRONGTYPE":
                return None
            raise
        return held.decode("ascii", "replace") if isinstance(held, bytes) else None

    async def point(self, digest: KeyDigest, secret_id: str) -> None:
        """Remember, for as long as an entry lives, which secret an imported value is. Raises StoreError."""
        name = self._pointer(digest)
        if name is not None:
            await self._store.write("point", "SET", name, secret_id, "PX", _ENTRY_MS)

    def _pointer(self, digest: KeyDigest) -> str | None:
        # Names show up in places where values do not (a slow log, a list of keys): not the digest itself.
        pepper = self._peppers.find(digest.pepper_id)
        if pepper is None:
            return None
        return f"{PREFIX}imported:{pepper.hmac_sha256(_POINTER + digest.value).hex()}"


async def bury(store: RedisStore, buried: Sequence[tuple[str, int]]) -> None:
    """Forget these secrets, and keep copies older than the version beside each out for a day. Raises StoreError."""
    for start in range(0, len(buried), _BURIED_AT_ONCE):
        await asyncio.gather(
            *(
                store.run("bury", _TOMBSTONE, (_name(secret_id),), (version, _TOMBSTONE_MS))
                for secret_id, version in buried[start : start + _BURIED_AT_ONCE]
            )
        )


def _name(secret_id: str) -> str:
    return f"{PREFIX}key:{{{secret_id}}}"


def _body(key: Key) -> bytes:
    account = key.account
    fields = {
        "id": key.id,
        "name": key.name,
        "account": [account.id, account.name, account.plan, account.api_access],
        "type": key.type,
        "environment": key.environment,
        "status": key.status,
        "scopes": key.scopes,
        "secret_id": key.secret_id,
        "version": key.version,
        "not_before": key.not_before,
        "expires_at": key.expires_at,
        "secret_expires_at": key.secret_expires_at,
        "addresses": key.addresses,
        "origins": key.origins,
        "limits": key.limits,
        "owner": key.owner,
    }
    return json.dumps(fields, separators=(",", ":")).encode()


def _seal(pepper: Pepper, digest: bytes, body: bytes) -> bytes:
    # No token begins like this, so no token's digest is a seal.
    return pepper.hmac_sha256(b"keywright cached key\0" + digest + body)


def _is_sealed(entry: Sequence[bytes], peppers: Peppers) -> bool:
    _, digest, pepper_id, body, seal = entry
    pepper = peppers.find(pepper_id.decode("ascii", "replace"))
    return pepper is not None and hmac.compare_digest(seal, _seal(pepper, digest, body))


def _cached(secret_id: str, fields: Sequence[bytes | None], peppers: Peppers) -> CachedKey | None:
    entry = [field for field in fields if field is not None]
    if len(entry) != len(_FIELDS) or not _is_sealed(entry, peppers):
        return None
    version, digest, pepper_id, body, _ = entry
    try:
        key = _key(json.loads(body, parse_constant=_refuse_constant))
        is_whole = (
            key.secret_id == secret_id
            and key.version == int(version)
            and len(digest) == _DIGEST_BYTES
        )
        return CachedKey(key, KeyDigest(pepper_id.decode(), digest)) if is_whole else None
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None


def _refuse_constant(name: str) -> float:
    """NaN and the infinities: nothing expires at NaN."""
    raise ValueError(name)


def _key(fields: dict[str, Any]) -> Key:
    """Raises ValueError, TypeError or KeyError for anything that `_body` would not have written."""
    account_id, account_name, plan, api_access = _texts(fields["account"])
    return Key(
        id=_text(fields["id"]),
        name=_text(fields["name"]),
        account=shared(Account(account_id, account_name, plan, ApiAccess(api_access))),
        type=KeyType(fields["type"]),
        environment=Environment(fields["environment"]),
        status=KeyStatus(fields["status"]),
        scopes=shared(_texts(fields["scopes"])),
        secret_id=_text(fields["secret_id"]),
        version=_whole(fields["version"]),
        not_before=_moment(fields["not_before"]),
        expires_at=_moment(fields["expires_at"]),
        secret_expires_at=_moment(fields["secret_expires_at"]),
        addresses=shared(_texts(fields["addresses"])),
        origins=shared(_texts(fields["origins"])),
        limits=shared(
            tuple(
                Limit(_text(name), _whole(quota), _whole(window), CountedPer(per))
                for name, quota, window, per in fields["limits"]
            )
        ),
        owner=_owner(fields["owner"]),
    )


def _owner(value: object) -> Owner | None:
    if value is None:
        return None
    if not isinstance(value, list):
        raise TypeError
    role, scopes = value
    return shared(Owner(_text(role), None if scopes is None else _texts(scopes)))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _texts(values: object) -> tuple[str, ...]:
    if not isinstance(values, list):
        raise TypeError
    return tuple(map(_text, values))


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError
    return value


def _moment(value: object) -> float | None:
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError
    if not math.isfinite(value):
        raise ValueError
    return float(value)
