"""Finding the one credential of a request, and holding it so that it cannot be shown (design §3).

What leaves a `Credential` is the parts that are no secret, its digest, and, to be checked against
SQL's argon2 hash, its bytes. A `Pair` is the same in two halves.
"""

__all__ = [
    "Credential",
    "Pair",
    "Pepper",
    "Peppers",
    "Presented",
    "extract",
    "is_importable",
    "same_digest",
]

import base64
import hashlib
import hmac
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NoReturn, Protocol

from gateway.core import token
from gateway.core.keys import Environment, KeyDigest, KeyType
from gateway.core.refusal import Refusal, Refused

_BEARER = "bearer"
_BASIC = "basic"
_BLANKS = " \t"
_IMPORTED_LENGTH_MAX = 4096
_SECRET_ALONE = Refused(
    Refusal.AMBIGUOUS_CREDENTIALS, hint="The API secret came without its API key."
)
_BASIC_UNREADABLE = Refused(
    Refusal.AMBIGUOUS_CREDENTIALS,
    hint="'Authorization: Basic' carries base64 of '<API key>:<API secret>'.",
)
_PAIR_MALFORMED = Refused(
    Refusal.MALFORMED_KEY, hint="An API key has 12 letters and digits, its API secret 32."
)
# SHA-256 works on blocks of this many bytes.
_BLOCK = 64


class _Begun(Protocol):
    """A hash that was begun, as hashlib has it."""

    def copy(self) -> "_Begun": ...
    def update(self, data: bytes, /) -> None: ...
    def digest(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Pepper:
    """The key of the digests, and the id by which a digest names it."""

    id: str
    value: bytes = field(repr=False)
    _inner: _Begun = field(init=False, repr=False, compare=False)
    _outer: _Begun = field(init=False, repr=False, compare=False)

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

    __slots__ = ("_digest", "_text")

    def __init__(self, text: str) -> None:
        """Hold `text`, whatever its shape."""
        self._text = text
        self._digest: KeyDigest | None = None

    def parse(self, vendor: str = "") -> token.ParsedToken | None:
        """The parts that are no secret; None if this is not a whole token (never raises)."""
        return token.parse(self._text, vendor)

    @property
    def is_api_key(self) -> bool:
        """Whether this looks like the API key of a pair, without its API secret."""
        return (
            len(self._text) == token.SECRET_ID_LENGTH
            and self._text.isascii()
            and self._text.isalnum()
        )

    @property
    def is_importable(self) -> bool:
        """Whether this could be a value that was made elsewhere."""
        return is_importable(self._text)

    def digest(self, pepper: Pepper) -> KeyDigest:
        """HMAC-SHA-256(pepper, token), under the pepper's id; the last one made is kept."""
        made = self._digest
        if made is None or made.pepper_id != pepper.id:
            made = self._digest = KeyDigest(pepper.id, pepper.hmac_sha256(self.token_bytes()))
        return made

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


class Pair:
    """An API key and its API secret: the secret id and the secret part of one token.

    The token's type and environment are not among them, so it is one of four. A pair has no readable form.
    """

    __slots__ = ("_secret", "secret_id")

    def __init__(self, api_key: str, api_secret: str) -> None:
        """Raises ValueError, which quotes neither, if one of them is out of shape."""
        _ = token.compose(KeyType.SECRET, Environment.LIVE, api_key, api_secret)
        self.secret_id = api_key
        self._secret = api_secret

    def token_of(self, kind: KeyType, environment: Environment, vendor: str = "") -> Credential:
        """The whole token, if the key is of this type and environment."""
        return Credential(token.compose(kind, environment, self.secret_id, self._secret, vendor))

    def tokens(self, vendor: str = "") -> Iterator[Credential]:
        """What the whole token may be."""
        return (self.token_of(kind, env, vendor) for kind in KeyType for env in Environment)

    def digest(self, pepper: Pepper) -> KeyDigest:
        """Of the pair itself, which is no token's digest: to remember by that it is nobody's."""
        # No token and no imported value holds a control character.
        text = f"keywright pair\0{self.secret_id}\0{self._secret}"
        return KeyDigest(pepper.id, pepper.hmac_sha256(text.encode("ascii")))

    def __repr__(self) -> str:
        """Never shows the secret, nor whose it is."""
        return "Pair(…)"

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied."""
        raise TypeError("a Pair does not leave its process")


class Presented:
    """What a request carries in the places of credentials. What was found there once is not looked for again.

    `authorization` are the values of its Authorization fields; `api_keys` and `api_secrets` are what stands in
    the other places where a key may be (`Places.sent`). It has no readable form.
    """

    __slots__ = ("_api_keys", "_api_secrets", "_authorization", "_credential")

    def __init__(
        self,
        authorization: tuple[str, ...] = (),
        api_keys: tuple[str, ...] = (),
        api_secrets: tuple[str, ...] = (),
    ) -> None:
        """Nothing has been judged yet."""
        self._authorization = authorization
        self._api_keys = api_keys
        self._api_secrets = api_secrets
        self._credential: Credential | Pair | Refused | None = None

    def credential(self) -> "Credential | Pair | Refused":
        """As `extract`."""
        if self._credential is None:
            self._credential = extract(self._authorization, self._api_keys, self._api_secrets)
        return self._credential

    def holds(
        self,
        authorization: tuple[str, ...],
        api_keys: tuple[str, ...],
        api_secrets: tuple[str, ...],
    ) -> bool:
        """Whether this is what such a request presents, so that nothing has to be looked for again."""
        return (
            self._authorization == authorization
            and self._api_keys == api_keys
            and self._api_secrets == api_secrets
        )

    def with_keys(self, values: tuple[str, ...]) -> "Presented":
        """The same request, with these in its query as well."""
        return Presented(self._authorization, self._api_keys + values, self._api_secrets)

    def __repr__(self) -> str:
        """Never shows a secret."""
        return "Presented(…)"

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied."""
        raise TypeError("what a request presents does not leave its process")


def extract(
    authorization: Sequence[str], api_keys: Sequence[str] = (), api_secrets: Sequence[str] = ()
) -> Credential | Pair | Refused:
    """The one credential of a request.

    `authorization` are the values of its Authorization fields: Bearer (RFC 6750 §2.1) with the key, or Basic
    (RFC 7617) with API key and API secret, or with the key and no password. Any other scheme is no
    credential of ours. `api_keys` and `api_secrets` are the values in the other places; a key stands there
    whole, or as a pair. More than one credential, half a pair, or a scheme with nothing readable after
    it is refused as ambiguous. Whether what is found is a key is for `Credential.parse` to say.
    """
    if not api_keys and not api_secrets:
        if not authorization:
            return Refused(Refusal.MISSING_KEY)
        if len(authorization) > 1:
            return Refused(Refusal.AMBIGUOUS_CREDENTIALS)
        return _of_authorization(authorization[0])
    if len(authorization) > 1 or any(map(_is_ours, authorization)):
        return Refused(Refusal.AMBIGUOUS_CREDENTIALS)
    if not api_keys:
        return _SECRET_ALONE
    if len(api_keys) > 1 or len(api_secrets) > 1:
        return Refused(Refusal.AMBIGUOUS_CREDENTIALS)
    return _of_fields(api_keys[0].strip(_BLANKS), *(text.strip(_BLANKS) for text in api_secrets))


def is_importable(text: str) -> bool:
    """Whether a value that was made elsewhere can be used as a key here: 1 to 4096 printable characters.

    Spaces at either end would not survive a header field.
    """
    return 0 < len(text) <= _IMPORTED_LENGTH_MAX and text.isprintable() and text == text.strip()


def _of_authorization(value: str) -> Credential | Pair | Refused:
    value = value.strip(_BLANKS)
    scheme, rest = value[: len(_BEARER)], value[len(_BEARER) :]
    if scheme.lower() != _BEARER or (rest and rest[0] not in _BLANKS):
        return _of_basic(value)
    text = rest.lstrip(" ")
    if not text or text[0] == "\t":
        return Refused(Refusal.AMBIGUOUS_CREDENTIALS)
    return Credential(text)


def _of_basic(value: str) -> Credential | Pair | Refused:
    scheme, rest = value[: len(_BASIC)], value[len(_BASIC) :]
    if scheme.lower() != _BASIC or (rest and rest[0] not in _BLANKS):
        return Refused(Refusal.MISSING_KEY)
    try:
        text = base64.b64decode(rest.lstrip(" "), validate=True).decode()
    except ValueError:
        return _BASIC_UNREADABLE
    user, colon, password = text.partition(":")
    if not colon or not text.strip(":"):
        return _BASIC_UNREADABLE
    return _of_fields(user, password) if password else Credential(user)


def _is_ours(authorization: str) -> bool:
    """Whether a value of Authorization is a credential for us, good or bad."""
    found = _of_authorization(authorization)
    return not isinstance(found, Refused) or found.reason is not Refusal.MISSING_KEY


def _of_fields(api_key: str, api_secret: str | None = None) -> Credential | Pair | Refused:
    if not api_key:
        return _SECRET_ALONE if api_secret else Refused(Refusal.AMBIGUOUS_CREDENTIALS)
    if api_secret is None:
        return Credential(api_key)
    try:
        return Pair(api_key, api_secret)
    except ValueError:
        return _PAIR_MALFORMED


def same_digest(a: KeyDigest, b: KeyDigest) -> bool:
    """Whether both are of one token under one pepper, in a time that does not tell how alike they are."""
    return a.pepper_id == b.pepper_id and hmac.compare_digest(a.value, b.value)
