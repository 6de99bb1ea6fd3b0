"""Secrets that are kept encrypted: a new one, while its lost answer can be fetched again; those of channels."""

__all__ = ["OF_CHANNELS", "Sealer"]

import secrets
from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.core.credential import Pepper, Peppers

_NONCE_BYTES = 12
_KEY_BYTES = 32
_OF_ANSWERS = b"keywright sealed answers"

# What was sealed for one purpose opens for no other.
OF_CHANNELS = b"keywright secrets of channels"


class Sealer:
    """Encrypts under a key derived from the pepper: who reads the database alone reads no secret."""

    def __init__(self, peppers: Callable[[], Peppers], purpose: bytes = _OF_ANSWERS) -> None:
        """`peppers` is asked when something is sealed or opened, and not before."""
        self._peppers = peppers
        self._purpose = purpose

    @property
    def pepper_id(self) -> str:
        """The id of the pepper under which is sealed now."""
        return self._peppers().current.id

    def seal(self, context: str, secret: str) -> bytes:
        """What opens with the same context only."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        cipher = _cipher(self._peppers().current, self._purpose)
        return nonce + cipher.encrypt(nonce, secret.encode(), context.encode())

    def open(self, context: str, sealed: bytes) -> str | None:
        """The secret; None when it was sealed in another context, under a pepper that is gone, or was changed."""
        peppers = self._peppers()
        nonce, encrypted = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        for pepper in (peppers.current, *peppers.older):
            try:
                cipher = _cipher(pepper, self._purpose)
                return cipher.decrypt(nonce, encrypted, context.encode()).decode()
            except (InvalidTag, ValueError):
                continue
        return None


def _cipher(pepper: Pepper, purpose: bytes) -> ChaCha20Poly1305:
    derived = HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=purpose)
    return ChaCha20Poly1305(derived.derive(pepper.value))
