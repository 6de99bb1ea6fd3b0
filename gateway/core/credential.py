"""Finding the one credential of a request, and holding it so that it cannot be shown (design §3).

What leaves a `Credential` is the parts that are no secret, its digest, and, to be checked against
SQL's argon2 hash, its bytes.
"""

__all__ = ["Credential", "Pepper", "Peppers", "extract", "same_digest"]

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from gateway.core import token
from gateway.core.keys import KeyDigest
from gateway.core.refusal import Refusal, Refused

_SCHEME = "bearer"
# SHA-256 works on blocks of this many bytes.
_BLOCK = 64


@dataclass(frozen=True, slots=True)
class Pepper:
    """The key of the digests, and the id by which a digest names it."""

    id: str
    value: bytes = field(repr=False)
    _inner: "hashlib._Hash" = field(init=False, repr=False, compare=False)
    _outer: "hashlib._Hash" = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Begin both hashes of HMAC (RFC 2104 §2), so that a digest need not: it costs half."""
        key = self.value if len(self.value) <= _BLOCK else hashlib.sha256(self.value).digest()
        key = key.ljust(_BLOCK, b"\0")
        object.__setattr__(self, "_inner", hashlib.sha256(bytes(byte ^ 0x36 for byte in key)))
        object.__setattr__(self, "_outer", hashlib.sha256(bytes(byte ^ 0x5C for byte in key)))

    def __reduce__(self) -> tuple[type["Pepper"], tuple[str, bytes]]:
        """Begun hashes cannot leave a process; what they were begun from can."""
        return Pepper, (self.id, self.value)

    def hmac_sha256(self, message: bytes) -> bytes:
        """HMAC-SHA-256(pepper, message)."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.digest()


@dataclass(frozen=True, slots=True)
class Peppers:
    """The pepper for new digests, and those under which older digests may still stand."""

    current: Pepper
    older: tuple[Pepper, ...] = ()

    def find(self, pepper_id: str) -> Pepper | None:
        """The pepper of that id; None if it has been thrown away."""
        for pepper in (self.current, *self.older):
            if pepper.id == pepper_id:
                return pepper
        return None


class Credential:
    """What a caller sent as the key. It has no readable form and cannot be pickled or compared."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        """Hold `text`, whatever its shape."""
        self._text = text

    def parse(self, vendor: str = "") -> token.ParsedToken | None:
        """The parts that are no secret; None if this is not a whole token (never raises)."""
        return token.parse(self._text, vendor)

    def digest(self, pepper: Pepper) -> KeyDigest:
        """HMAC-SHA-256(pepper, token), under the pepper's id."""
        return KeyDigest(pepper.id, pepper.hmac_sha256(self.token_bytes()))

    def token_bytes(self) -> bytes:
        """The secret itself: for argon2 verification, and nothing else."""
        # The server decodes header bytes with surrogateescape; this may meet any string, and never raises.
        return self._text.encode("utf-8", "surrogatepass")

    def __repr__(self) -> str:
        """Never shows the secret; `str` and `format` say the same."""
        return "Credential(…)"

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied."""
        raise TypeError("a Credential does not leave its process")


def extract(authorization: Sequence[str]) -> Credential | Refused:
    """The credential in the values of a request's Authorization fields (RFC 9110 §11.6.2, RFC 6750 §2.1).

    No value, or another scheme than Bearer, is no key. Several values, or Bearer (in any case) without
    anything after it or with a tab there, are ambiguous. Further spaces around the key do not count.
    What follows the scheme is taken whole; whether it is a key is for `Credential.parse` to say.
    """
    if not authorization:
        return Refused(Refusal.MISSING_KEY)
    if len(authorization) > 1:
        return Refused(Refusal.AMBIGUOUS_CREDENTIALS)
    value = authorization[0].strip(" \t")
    scheme, rest = value[: len(_SCHEME)], value[len(_SCHEME) :]
    if scheme.lower() != _SCHEME or (rest and rest[0] not in " \t"):
        return Refused(Refusal.MISSING_KEY)
    text = rest.lstrip(" ")
    if not text or text[0] == "\t":
        return Refused(Refusal.AMBIGUOUS_CREDENTIALS)
    return Credential(text)


def same_digest(a: KeyDigest, b: KeyDigest) -> bool:
    """Whether both are of one token under one pepper, in a time that does not tell how alike they are."""
    return a.pepper_id == b.pepper_id and hmac.compare_digest(a.value, b.value)
