"""What an operator may type, and the words they get when it cannot be. Nothing here asks a database."""

__all__ = [
    "checked_addresses",
    "checked_email",
    "checked_id",
    "checked_limits",
    "checked_metadata",
    "checked_name",
    "checked_one_of",
    "checked_origins",
    "checked_scopes",
    "checked_search",
    "checked_seconds_ahead",
    "checked_time",
    "checked_words",
    "new_id",
    "new_text",
]

import ipaddress
import math
import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TypeVar
from urllib.parse import urlsplit

from admin.core.faults import NotFound
from gateway.core.errors import Misuse
from gateway.core.limits import Limit
from gateway.core.token import ALPHABET, without_tokens

_NAME_LENGTH_MAX = 100
_SEARCH_LENGTH_MAX = 200
_WORDS_LENGTH_MAX = 1000
_EMAIL_LENGTH_MAX = 254
_LOCAL_PART_LENGTH_MAX = 64
_NOT_IN_EMAIL = frozenset('@<>()[]\\,;:"')
_ENTRIES_MAX = 100
_METADATA_LENGTH_MAX = 1000
# A hundred years; what is meant to last longer is meant to last for ever.
_SECONDS_MAX = 100 * 366 * 86_400.0
# 9999-12-31: the last day that a calendar of four-digit years can show.
_TIME_MAX = 253_402_300_799.0
_LIMIT_MAX = 1_000_000_000
_ID_LENGTH = 16
_BASE62 = frozenset(ALPHABET)

Word = TypeVar("Word", bound=str)


def new_text(length: int) -> str:
    """Base62 characters that nobody can guess."""
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def new_id(kind: str) -> str:
    """A new public id, such as `key_` followed by 16 base62 characters."""
    return f"{kind}_{new_text(_ID_LENGTH)}"


def checked_id(kind: str, text: str, where: str) -> str:
    """`text` if it could be an id of this kind. Raises NotFound; `where` says how to see those that exist."""
    prefix = f"{kind}_"
    body = text.removeprefix(prefix)
    if text.startswith(prefix) and 0 < len(body) <= _NAME_LENGTH_MAX and _BASE62.issuperset(body):
        return text
    raise NotFound(f"{_quoted(text)} is not an id: those begin with '{prefix}'. {where}")


def checked_name(what: str, text: str) -> str:
    """A name of 1 to 100 printable characters, with no key or token in it. Raises Misuse."""
    if without_tokens(text) != text:
        raise Misuse(
            f"The {what}'s name holds what looks like a key or a token; names are shown to many. Choose another."
        )
    if 0 < len(text) <= _NAME_LENGTH_MAX and text.isprintable() and not text.isspace():
        return text
    raise Misuse(f"The {what} needs a name of 1 to {_NAME_LENGTH_MAX} printable characters.")


def checked_search(text: str | None) -> str | None:
    """A text that a database can be asked for. Raises Misuse."""
    if text is None or (len(text) <= _SEARCH_LENGTH_MAX and (text.isprintable() or not text)):
        return text
    raise Misuse(f"What is searched for must be at most {_SEARCH_LENGTH_MAX} printable characters.")


def checked_words(what: str, text: str) -> str:
    """A few sentences, perhaps in several lines. Raises Misuse."""
    if len(text) <= _WORDS_LENGTH_MAX and all(
        line.isprintable() or not line for line in text.split("\n")
    ):
        return text
    raise Misuse(f"The {what} must be at most {_WORDS_LENGTH_MAX} printable characters.")


def checked_email(text: str) -> str:
    """An e-mail address that looks like one, in lower case: two people are told apart by more than that.

    Only a message that arrives proves more (RFC 5321 §4.1.2, RFC 6531). Raises Misuse.
    """
    written = text.strip().lower()
    local, _, domain = written.rpartition("@")
    labels = domain.split(".")
    is_plausible = (
        len(text) <= _EMAIL_LENGTH_MAX
        and 0 < len(local) <= _LOCAL_PART_LENGTH_MAX
        and text.isprintable()
        and not any(char.isspace() or char in _NOT_IN_EMAIL for char in local + domain)
        and not (local.startswith(".") or local.endswith(".") or ".." in local)
        and len(labels) > 1
        and all(
            label and label.replace("-", "x").isalnum() and label.strip("-") == label
            for label in labels
        )
    )
    if not is_plausible:
        raise Misuse(f"{_quoted(text)} is not an e-mail address. Write it as 'ada@example.com'.")
    return written


def checked_one_of(what: str, text: str, choices: Collection[Word]) -> Word:
    """The choice that `text` names. Raises Misuse naming all of them."""
    for choice in choices:
        if choice == text:
            return choice
    raise Misuse(f"There is no {what} {_quoted(text)}. {_listed(choices)}")


def checked_scopes(
    texts: Sequence[str], known: Collection[str], default: str = "read-only"
) -> tuple[str, ...]:
    """The scopes, each once; `default` for none, when it exists. Raises Misuse."""
    if not texts and default in known:
        return (default,)
    if not texts:
        raise Misuse(f"Say which scopes the key has. {_listed(known)}")
    return tuple(dict.fromkeys(checked_one_of("scope", text, known) for text in texts))


def checked_seconds_ahead(what: str, seconds: float) -> float:
    """A duration of more than nothing and at most a hundred years. Raises Misuse."""
    if math.isfinite(seconds) and 0 < seconds <= _SECONDS_MAX:
        return seconds
    raise Misuse(f"{what} must be more than 0 seconds and at most 100 years.")


def checked_time(what: str, seconds: float) -> float:
    """Seconds since the epoch that a calendar can show. Raises Misuse."""
    if math.isfinite(seconds) and 0 <= seconds <= _TIME_MAX:
        return seconds
    raise Misuse(f"{what} must be a time between the years 1970 and 9999.")


def checked_addresses(texts: Sequence[str]) -> tuple[str, ...]:
    """Addresses and networks in their usual spelling. Raises Misuse."""
    return tuple(dict.fromkeys(_network(text) for text in _few("addresses", texts)))


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        raise Misuse(
            f"{_quoted(text)} is not an address or network. Write it as '192.0.2.0/24' or '2001:db8::/32',"
            " with no bits set behind the prefix."
        ) from None


def checked_origins(texts: Sequence[str]) -> tuple[str, ...]:
    """Web origins as browsers send them. Raises Misuse."""
    return tuple(dict.fromkeys(_origin(text) for text in _few("origins", texts)))


def _origin(text: str) -> str:
    try:
        parts = urlsplit(text)
        is_origin = (
            text.isascii()
            and text.isprintable()
            and " " not in text
            and parts.scheme in {"http", "https"}
            and bool(parts.hostname)
            and text.lower() == f"{parts.scheme}://{parts.netloc}".lower()
            and "@" not in parts.netloc
            and parts.port != 0
        )
    except ValueError:
        is_origin = False
    if not is_origin:
        raise Misuse(
            f"{_quoted(text)} is not an origin. Write it as 'https://app.example.com', without a path."
        )
    return text.lower()


def checked_limits(limits: Sequence[Limit]) -> tuple[Limit, ...]:
    """A key's own limits, each name once. Raises Misuse."""
    names = {checked_name("limit", limit.name) for limit in _few("limits", limits)}
    if len(names) < len(limits):
        raise Misuse("Two limits of one key have the same name.")
    for limit in limits:
        if not (0 < limit.quota <= _LIMIT_MAX and 0 < limit.window_seconds <= _LIMIT_MAX):
            raise Misuse("A limit's quota and window must be whole numbers from 1 to 1000000000.")
    return tuple(limits)


def checked_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    """Names and short texts. Raises Misuse."""
    for name in _few("metadata entries", metadata):
        text = metadata[checked_name("metadata entry", name)]
        if len(text) > _METADATA_LENGTH_MAX or (text and not text.isprintable()):
            raise Misuse(
                f"The metadata entry '{name}' must be at most {_METADATA_LENGTH_MAX} printable characters."
            )
    return dict(metadata)


Item = TypeVar("Item")


def _few(what: str, items: Collection[Item]) -> Iterable[Item]:
    if len(items) > _ENTRIES_MAX:
        raise Misuse(f"A key can have at most {_ENTRIES_MAX} {what}.")
    return items


def _quoted(text: str) -> str:
    """What was typed, safe to print: short, and with nothing that a terminal would obey."""
    cut = text if len(text) <= _NAME_LENGTH_MAX else f"{text[:_NAME_LENGTH_MAX]}…"
    return repr(cut)


def _listed(choices: Collection[str]) -> str:
    if not choices:
        return "The configuration has none."
    return f"There are: {', '.join(choices)}."
