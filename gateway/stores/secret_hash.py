"""argon2id over secrets, for SQL (design §3). Plain functions that block: whoever calls them bounds them."""

__all__ = ["CostClass", "decoy", "hash_token", "verify"]

import secrets
from enum import StrEnum

from argon2 import Parameters, PasswordHasher, profiles
from argon2.exceptions import HashingError, InvalidHashError, VerificationError, VerifyMismatchError
from argon2.low_level import ARGON2_VERSION, Type

from gateway.core.errors import Overloaded, StoreError

_LIGHT = Parameters(
    type=Type.ID,
    version=ARGON2_VERSION,
    salt_len=16,
    hash_len=32,
    time_cost=1,
    memory_cost=2048,
    parallelism=1,
)
_DECOY_BYTES = 32
_READING = "read a token hash"
_NO_HASH = "not an argon2 hash"


class CostClass(StrEnum):
    """How much work one guess at the secret has to cost."""

    # 190 random bits cannot be guessed at any speed; about a millisecond and 2 MiB.
    GENERATED = "generated"
    # Somebody else's choice, perhaps a weak one: RFC 9106 §4, second recommended option (64 MiB).
    IMPORTED = "imported"


_HASHERS = {
    CostClass.GENERATED: PasswordHasher.from_parameters(_LIGHT),
    CostClass.IMPORTED: PasswordHasher.from_parameters(profiles.RFC_9106_LOW_MEMORY),
}


def hash_token(token_bytes: bytes, cost: CostClass) -> str:
    """argon2id with a fresh salt, in PHC form. Raises Overloaded when there is no memory for it."""
    try:
        return _HASHERS[cost].hash(token_bytes)
    except HashingError as exc:
        raise Overloaded(f"argon2: {type(exc).__name__}") from None


def verify(token_hash: str, token_bytes: bytes) -> bool:
    """Whether `token_hash`, of either cost class, is of `token_bytes`.

    Raises StoreError when it cannot be found out, for want of memory or because `token_hash` is no
    such hash: that says nothing about the key.
    """
    if not token_hash.isascii():
        raise StoreError("sql", _READING, _NO_HASH)
    try:
        # The parameters are read from the hash; those of the hasher do not count here.
        return _HASHERS[CostClass.GENERATED].verify(token_hash, token_bytes)
    except VerifyMismatchError:
        return False
    except InvalidHashError:
        raise StoreError("sql", _READING, _NO_HASH) from None
    except VerificationError as exc:
        # The library's words: one of a fixed list, without data.
        raise StoreError("sql", _READING, str(exc)) from None


def decoy(cost: CostClass) -> str:
    """A hash that no token has, to verify against so that an unknown id takes as long as a wrong secret."""
    return hash_token(secrets.token_bytes(_DECOY_BYTES), cost)
