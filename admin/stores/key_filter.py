"""Which keys a list is to hold, and what that means of a row."""

__all__ = ["INDEXES_OF_ALL", "KeyFilter", "KeySort", "Sought", "sought"]

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import Column, ColumnElement, Select, func, or_, select

from admin.core.naming import words_of
from admin.stores.key_records import KeyState
from admin.stores.key_words import has_word, keys_with_secret, keys_with_word
from gateway.core.keys import Environment, KeyStatus, KeyType
from gateway.stores.tables import keys, secret_uses, to_us

KeySort = Literal["created", "-created", "name", "-name", "expires", "last_used"]

# In which keys stand whether they were deleted or not.
INDEXES_OF_ALL: Final = frozenset(
    {"ix_keys_account_id_created_us_id", "ix_keys_owner_id", "ix_keys_not_before"}
)

_DAY_US: Final = 86_400_000_000
_KEY_ID: Final = re.compile(r"key_[0-9A-Za-z]{16}")
_SHOWN: Final = re.compile(r"(?:[a-z0-9]+_)?[sp]k_(?:live|test)_([0-9A-Za-z]{1,12})[0-9A-Za-z]*…?")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFilter:
    """Which keys: all that fit every word given. Durations count from now.

    `search` is the beginning of one or several words of the name (in any order, whatever their case), or
    the id, or the beginning of a secret as it is shown. A key is unused since it was last used or, if
    it never was, since it was made. `deleted` keys are listed by themselves.
    """

    search: str | None = None
    account_id: str | None = None
    owner_id: str | None = None
    state: KeyState | None = None
    type: KeyType | None = None
    environment: Environment | None = None
    unused_for_seconds: float | None = None
    older_than_seconds: float | None = None
    expiring_in_seconds: float | None = None
    deleted: bool = False
    sort: KeySort = "-created"


@dataclass(frozen=True, slots=True)
class Sought:
    """One thing that is asked of a key.

    `clauses` say it of a row, and `loose` the same in words that no index is entered by; `upper` is the
    bound that they set, if they set one. If an index finds those that fit, `found` selects their ids, and
    `index` is its name where it is one of `keys`. `beginning` is that of a word of the name.
    """

    name: str
    clauses: tuple[ColumnElement[bool], ...]
    found: Select[Any] | None = None
    index: str | None = None
    loose: tuple[ColumnElement[bool], ...] = ()
    upper: int | None = None
    beginning: str | None = None


def sought(wanted: KeyFilter, now_us: int) -> tuple[Sought, ...]:
    """What is asked of a key at `now_us`, but for its state and whether it was deleted."""
    return (*_of_its_kind(wanted), *_of_times(wanted, now_us), *_of_names(wanted.search))


def _indexed(name: str, index: str, *clauses: ColumnElement[bool]) -> Sought:
    return Sought(name, clauses, select(keys.c.id).where(*clauses), index)


def _of_its_kind(wanted: KeyFilter) -> list[Sought]:
    found = []
    if wanted.account_id is not None:
        clause = keys.c.account_id == wanted.account_id
        found.append(_indexed("account", "ix_keys_account_id_created_us_id", clause))
    if wanted.owner_id is not None:
        found.append(_indexed("owner", "ix_keys_owner_id", keys.c.owner_id == wanted.owner_id))
    if wanted.type is not None or wanted.environment is not None:
        # Both columns of the index are named, so that it is entered at the very place.
        kinds = list(KeyType) if wanted.type is None else [wanted.type]
        places = list(Environment) if wanted.environment is None else [wanted.environment]
        clauses = (_one_of(keys.c.type, kinds), _one_of(keys.c.environment, places))
        found.append(_indexed("kind", "ix_keys_kind", *clauses))
    return found


def _one_of(column: Column[str], values: Sequence[str]) -> ColumnElement[bool]:
    # A list of one is no equality to a planner that looks for an order behind it.
    return column == str(values[0]) if len(values) == 1 else column.in_(list(map(str, values)))


def _of_times(wanted: KeyFilter, now_us: int) -> list[Sought]:
    found = []
    if wanted.older_than_seconds is not None:
        found.append(_made_before(now_us - to_us(wanted.older_than_seconds)))
    if wanted.expiring_in_seconds is not None:
        until_us = now_us + to_us(wanted.expiring_in_seconds)
        clauses = (keys.c.expires_us > now_us, keys.c.expires_us <= until_us)
        is_kept = keys.c.status != KeyStatus.REVOKED.value
        found.append(_indexed("expires_us", "ix_keys_live_expires_us", *clauses))
        found.append(Sought("kept", (is_kept,)))
    if wanted.unused_for_seconds is not None:
        found += _unused_since(now_us - to_us(wanted.unused_for_seconds))
    return found


def _made_before(cutoff_us: int) -> Sought:
    clause = keys.c.created_us <= cutoff_us
    found = select(keys.c.id).where(clause)
    loose = (keys.c.created_us + 0 <= cutoff_us,)
    return Sought("created_us", (clause,), found, "ix_keys_live_created_us", loose, cutoff_us)


def _unused_since(cutoff_us: int) -> list[Sought]:
    day = max(0, cutoff_us // _DAY_US)
    # One value of each key, and no NOT EXISTS: that, PostgreSQL may work out for all keys beforehand.
    last_us = (
        select(func.max(secret_uses.c.at_us))
        .where(secret_uses.c.key_id == keys.c.id)
        .scalar_subquery()
    )
    return [
        _indexed("used_day", "ix_keys_live_used_day", keys.c.used_day <= day),
        _made_before(cutoff_us),
        # The day alone decides, except on the very day.
        Sought("moment", (or_(keys.c.used_day < day, func.coalesce(last_us, 0) <= cutoff_us),)),
    ]


def _of_names(text: str | None) -> list[Sought]:
    if not text:
        return []
    if _KEY_ID.fullmatch(text) is not None:
        clause = keys.c.id == text
        return [Sought("id", (clause,), select(keys.c.id).where(clause))]
    if (shown := _SHOWN.fullmatch(text)) is not None:
        found = keys_with_secret(shown[1])
        return [Sought("secret", (keys.c.id.in_(found),), found)]
    words = words_of(text)
    if not words:
        # Nothing but signs: part of no name's words.
        return [Sought("name", (keys.c.name.contains(text, autoescape=True),))]
    return [
        Sought("word", (has_word(word),), keys_with_word(word), beginning=word) for word in words
    ]
