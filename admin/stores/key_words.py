"""The words by which keys are found: written with each key, and looked for by their beginnings.

The ids of a key's secrets are among them, with a sign in front that no word of a name has.
"""

__all__ = [
    "add_secrets",
    "add_words",
    "change_words",
    "has_word",
    "keys_with_secret",
    "keys_with_word",
    "next_word",
    "words_column",
]

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from admin.core.naming import words_of
from gateway.stores.tables import key_words, keys

# Behind whatever a word may go on with.
_LAST = chr(0x10FFFF)
_SIGN = "="


def words_column(name: str) -> str:
    """What `keys.words` holds for a key of this name."""
    return "".join(f" {word}" for word in words_of(name))


async def add_words(connection: AsyncConnection, names: Mapping[str, str]) -> None:
    """Make new keys searchable; `names` are theirs, by their ids."""
    rows = [
        {"word": word, "name": name, "key_id": key_id}
        for key_id, name in names.items()
        for word in words_of(name)
    ]
    if rows:
        await connection.execute(insert(key_words), rows)


async def add_secrets(connection: AsyncConnection, pairs: Iterable[tuple[str, str]]) -> None:
    """Make keys searchable by new secrets of theirs: pairs of a key's id and a secret's."""
    rows = [
        {"word": f"{_SIGN}{secret_id}", "name": "", "key_id": key_id} for key_id, secret_id in pairs
    ]
    if rows:
        await connection.execute(insert(key_words), rows)


async def change_words(connection: AsyncConnection, key_id: str, before: str, after: str) -> None:
    """Make a key searchable by its name of `after`, and not any more by that of `before`."""
    gone = words_of(before)
    if gone:
        await connection.execute(
            delete(key_words).where(
                key_words.c.word.in_(gone),
                key_words.c.name == before,
                key_words.c.key_id == key_id,
            )
        )
    await add_words(connection, {key_id: after})


def keys_with_word(beginning: str) -> Select[Any]:
    """The ids of the keys with a word that begins so; found by an index."""
    word = key_words.c.word
    return select(key_words.c.key_id.label("id")).where(word >= beginning, word < beginning + _LAST)


def keys_with_secret(beginning: str) -> Select[Any]:
    """The ids of the keys with a secret whose id begins so; found by an index."""
    return keys_with_word(f"{_SIGN}{beginning}")


def has_word(beginning: str) -> ColumnElement[bool]:
    """The same, of a key that is looked at. A word is letters and digits: nothing in it is a wildcard."""
    return keys.c.words.like(f"% {beginning}%")


def next_word(beginning: str, last: str | None) -> Select[Any]:
    """The first word that begins so, or the first behind the `last` one."""
    word = key_words.c.word
    start = word >= beginning if last is None else word > last
    return select(word).where(start, word < beginning + _LAST).order_by(word).limit(1)
