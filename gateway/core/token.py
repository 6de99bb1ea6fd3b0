"""The text of a key: `[vendor_]<type>_<env>_<secret id: 12><secret: 32><checksum: 6>` (design §3).

All lengths are fixed, so parsing is slicing. The checksum (CRC-32 in base62 over all that stands before
it) tells a mistyped key from an unknown one before anything is looked up; it proves nothing else.

An admin token is `kwadmin_<token id: 12><secret: 32><checksum: 6>`, which no key can be taken for.
"""

__all__ = [
    "ALPHABET",
    "CHECKSUM_LENGTH",
    "SECRET_ID_LENGTH",
    "SECRET_LENGTH",
    "ParsedToken",
    "checksum",
    "compose",
    "compose_admin",
    "is_vendor",
    "parse",
    "parse_admin",
    "pattern",
    "shown",
    "without_tokens",
]

import binascii
import re
import string
from typing import Final, NamedTuple

from gateway.core.keys import Environment, KeyType

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
SECRET_ID_LENGTH = 12
SECRET_LENGTH = 32
CHECKSUM_LENGTH = 6

_VENDOR_LENGTH_MAX = 16
_SHOWN_LENGTH = 4
_BODY_LENGTH = SECRET_ID_LENGTH + SECRET_LENGTH + CHECKSUM_LENGTH
_KINDS = {f"{kind}_{env}_": (kind, env) for kind in KeyType for env in Environment}
_KIND_LENGTH = len(next(iter(_KINDS)))
_LENGTH = _KIND_LENGTH + _BODY_LENGTH
# Two base62 digits at a time: this runs for every request.
_PAIRS = tuple(high + low for high in ALPHABET for low in ALPHABET)
_PAIR = len(_PAIRS)

_ADMIN = "kwadmin_"
_SEEMS_A_TOKEN: Final = re.compile(
    r"(?i)(\b(?:[a-z0-9]+(?:_|%5f))?[sp]k(?:_|%5f)(?:live|test)(?:_|%5f)|kwadmin(?:_|%5f))[0-9a-z]{5,}"
)


class ParsedToken(NamedTuple):
    """What a well-formed token says in clear. The secret part is left out: only its digest is used."""

    type: KeyType
    environment: Environment
    secret_id: str


def checksum(text: str) -> str:
    """CRC-32 of the ASCII `text` in six base62 digits, zero-padded."""
    crc = binascii.crc32(text.encode("ascii"))
    high, low = divmod(crc, _PAIR)
    return _PAIRS[high // _PAIR] + _PAIRS[high % _PAIR] + _PAIRS[low]


def parse(text: str, vendor: str = "") -> ParsedToken | None:
    """The parts of a whole, rightly spelt token; None for anything else, whatever the text holds."""
    start = len(vendor) + 1 if vendor else 0
    # `isalnum` alone would let letters of every script through.
    if len(text) != start + _LENGTH or not text.isascii():
        return None
    if vendor and not text.startswith(f"{vendor}_"):
        return None
    body = start + _KIND_LENGTH
    kind = _KINDS.get(text[start:body])
    if kind is None or not text[body:].isalnum():
        return None
    if checksum(text[:-CHECKSUM_LENGTH]) != text[-CHECKSUM_LENGTH:]:
        return None
    return ParsedToken(*kind, text[body : body + SECRET_ID_LENGTH])


def compose(
    type: KeyType,  # noqa: A002 -- the word of ParsedToken
    environment: Environment,
    secret_id: str,
    secret: str,
    vendor: str = "",
) -> str:
    """The token of these parts. Raises ValueError, which quotes none of them, if one is out of shape."""
    if vendor and not is_vendor(vendor):
        raise ValueError("the vendor prefix is out of shape")
    if not _is_base62(secret_id, SECRET_ID_LENGTH) or not _is_base62(secret, SECRET_LENGTH):
        raise ValueError("a secret id has 12 base62 characters, a secret 32")
    text = f"{_start(type, environment, vendor)}{secret_id}{secret}"
    return text + checksum(text)


def parse_admin(text: str) -> str | None:
    """The token id in a whole, rightly spelt admin token; None for anything else, whatever the text holds."""
    if len(text) != len(_ADMIN) + _BODY_LENGTH or not text.startswith(_ADMIN):
        return None
    body = text[len(_ADMIN) :]
    if not _is_base62(body, _BODY_LENGTH):
        return None
    if checksum(text[:-CHECKSUM_LENGTH]) != text[-CHECKSUM_LENGTH:]:
        return None
    return body[:SECRET_ID_LENGTH]


def compose_admin(token_id: str, secret: str) -> str:
    """The admin token of these parts. Raises ValueError, which quotes none of them, if one is out of shape."""
    if not _is_base62(token_id, SECRET_ID_LENGTH) or not _is_base62(secret, SECRET_LENGTH):
        raise ValueError("a token id has 12 base62 characters, a secret 32")
    text = f"{_ADMIN}{token_id}{secret}"
    return text + checksum(text)


def pattern(vendor: str = "") -> str:
    """A regular expression (any dialect) that finds tokens in text, for secret scanners."""
    kinds = f"(?:{'|'.join(KeyType)})_(?:{'|'.join(Environment)})_"
    prefix = f"{vendor}_" if vendor else ""
    return f"{prefix}{kinds}[0-9A-Za-z]{{{_BODY_LENGTH}}}"


def without_tokens(text: str, hidden: str = "…") -> str:
    """`text` with what stands behind a token's kind replaced by `hidden`, wherever one seems to be.

    Also one with a typing error, a vendor prefix or a percent-encoded underscore. The shown form
    (four characters of the secret id, then an ellipsis) is meant to be read, and stays.
    """
    return _SEEMS_A_TOKEN.sub(rf"\1{hidden}", text)


def shown(
    type: KeyType,  # noqa: A002 -- the word of ParsedToken
    environment: Environment,
    secret_id: str,
    vendor: str = "",
) -> str:
    """As much of a token as lists may show: enough to recognise it by, nothing of the secret."""
    return f"{_start(type, environment, vendor)}{secret_id[:_SHOWN_LENGTH]}…"


def is_vendor(text: str) -> bool:
    """Whether `text` may be a vendor prefix: 1 to 16 lower-case ASCII letters and digits, a letter first."""
    return (
        0 < len(text) <= _VENDOR_LENGTH_MAX
        and text.isascii()
        and text.isalnum()
        and text == text.lower()
        and text[0].isalpha()
    )


def _start(kind: KeyType, environment: Environment, vendor: str) -> str:
    prefix = f"{vendor}_" if vendor else ""
    return f"{prefix}{kind}_{environment}_"


def _is_base62(text: str, length: int) -> bool:
    return len(text) == length and text.isascii() and text.isalnum()
